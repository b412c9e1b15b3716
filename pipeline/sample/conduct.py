"""Episodes of conduct: numbers and ports that break a rule by the number of their messages and recipients.

The limits come from the default policy: a person's number raises an alert at 20 messages in 5 minutes and is put on the
black list at 50. Bulk begins above 50 messages of one content.
"""

from __future__ import annotations

from pipeline.events import Category, Priority, RecordKind
from pipeline.sample import chatter
from pipeline.sample.campaigns import UNASKED
from pipeline.sample.drafts import Draft, Stage, record, submission
from pipeline.sample.enterprises import METERED, SMALL, of_trade
from pipeline.sample.truth import BLACKLIST, HAM, HOLD, REJECT, RELEASE, REVIEW, SPAM, Truth
from pipeline.sample.wording import phone, phones, pick, wording

LISTED_AT = 50  # messages of a person's number in 5 minutes that put it on the black list
BULK_OVER = 50  # most messages of one content that are not yet bulk
_STARTERS = tuple(port for port in SMALL if port.texts.free)
_SHOPS = of_trade("shop_offer")
_UTILITIES = of_trade("utility")
_OPENINGS = (
    "{road}新店{date}试营业，到店消费满{hundreds}元立减{small}元，凭短信领取，回T退订",
    "老顾客专享：{date}前充值{hundreds}送{count}，名额有限，到店办理，回T退订",
    "店庆三周年，{day}{clock}前到{road}店扫码领饮料一份，回T退订",
)
_NEWS = (  # the same for every recipient, and not registered as templates
    "{day}起全场{discount}折，{product}{price}元起，先到先得，回T退订",
    "新鲜{fruit}到货，{price}元一箱包邮，会员满{hundreds}减{count}，拒收请回复R",
    "会员日{date}开启，签到领{count}元红包，{link}，回T退订",
)
_CODES = of_trade("bank_code", "shop_code", "app_code")


def burst_alert(count: int, stage: Stage) -> list[Draft]:
    """A busy person writes to many friends within minutes: an alert, but no stop."""
    rng, sender = stage.rng, phone(stage.rng)
    truth = Truth("burst-alert", HAM, (RELEASE,))
    return [
        record(rng, RecordKind.MO, sender, friend, wording(pick(rng, chatter.TALK)).fill(rng), truth)
        for friend in phones(rng, count)
    ]


def burst_listed(count: int, stage: Stage) -> list[Draft]:
    """A person's number advertises to many people within minutes; at the 50th message it is put on the black list."""
    rng, sender = stage.rng, phone(stage.rng)
    category, text = pick(rng, UNASKED)
    contact = {"phone": sender, "hotline": sender, "chat_id": sender}
    early = Truth("burst-listed", SPAM, (RELEASE,), category)
    edge = early._replace(expected=(RELEASE, BLACKLIST))
    late = early._replace(expected=(BLACKLIST, REJECT))
    drafts = []
    for n, recipient in enumerate(phones(rng, count), 1):
        truth = early if n < LISTED_AT else edge if n == LISTED_AT else late
        drafts.append(record(rng, RecordKind.MO, sender, recipient, wording(text).fill(rng, contact), truth))
    return drafts


def sequence(count: int, stage: Stage) -> list[Draft]:
    """A person's number writes to evenly spaced recipients in shuffled order."""
    rng, sender = stage.rng, phone(stage.rng)
    stride, first = 1 + int(rng.random() * 4), int(rng.random() * 90_000_000)
    prefix, text = phone(rng)[:3], wording(pick(rng, UNASKED)[1]).fill(rng)
    steps = list(range(count))
    rng.shuffle(steps)
    early = Truth("sequence", SPAM, (RELEASE,), Category.OTHER)
    seen = early._replace(expected=(RELEASE, REJECT, BLACKLIST))
    return [
        record(rng, RecordKind.MO, sender, f"{prefix}{first + step * stride:08d}", text, seen if n > 5 else early)
        for n, step in enumerate(steps)
    ]


def greetings(count: int, stage: Stage) -> list[Draft]:
    """One text to a circle of friends: looks like bulk, but is harmless."""
    rng, sender = stage.rng, phone(stage.rng)
    text, truth = wording(pick(rng, chatter.GREETINGS)).fill(rng), Truth("greetings", HAM, (RELEASE,))
    return [record(rng, RecordKind.MO, sender, friend, text, truth) for friend in phones(rng, count)]


def over_volume(count: int, stage: Stage) -> list[Draft]:
    """A port with a small contract exceeds its 5-minute volume; earlier stretches may have used some of it."""
    rng, port = stage.rng, METERED[stage.number % len(METERED)]
    free = (RELEASE,) if stage.number < len(METERED) else (RELEASE, REJECT)
    within, over = Truth("over-volume", HAM, free), Truth("over-volume", HAM, (REJECT,))
    line, template = wording(port.templates[0].text), port.templates[0].id
    return [
        submission(port.code, [phone(rng)], line.fill(rng), within if n < port.limit else over, template=template)
        for n in range(count)
    ]


def one_by_one(count: int, stage: Stage) -> list[Draft]:
    """A port under review before send submits one text to many people one by one: the 51st stops all of them.

    Only the salutation differs. The counter's window may still include messages of an earlier stretch.
    """
    rng, port = stage.rng, _STARTERS[stage.number % len(_STARTERS)]
    text, salutation = wording(pick(rng, _OPENINGS)).fill(rng), wording("{name}")
    early = (HOLD,) if stage.number < len(_STARTERS) else (HOLD, REVIEW)
    held = Truth("one-by-one", HAM, early, Category.SERVICES)
    caught = held._replace(expected=(REVIEW,))
    drafts = []
    for n, recipient in enumerate(phones(rng, count)):
        content = port.signed(f"{salutation.fill(rng)}，{text}")
        truth = held if n < BULK_OVER else caught
        drafts.append(submission(port.code, [recipient], content, truth, Priority.BULK))
    return drafts


def declared_batch(count: int, stage: Stage) -> list[Draft]:
    """A batch with a large declared size is judged before any of its messages is sent."""
    rng, port = stage.rng, pick(stage.rng, _SHOPS)
    text = port.signed(wording(pick(rng, _NEWS)).fill(rng))
    truth = Truth("declared-batch", HAM, (REVIEW,), port.texts.category)
    batch = f"b{stage.number}-{int(rng.random() * 1e9):09d}"
    return [
        submission(port.code, phones(rng, 20), text, truth, Priority.BULK, batch=batch, batch_size=20 * count)
        for _ in range(count)
    ]


def bulk(count: int, stage: Stage) -> list[Draft]:
    """One submission with more than fifty recipients, without a registered template."""
    rng = stage.rng
    drafts = []
    for _ in range(count):
        port = pick(rng, _SHOPS)
        text = port.signed(wording(pick(rng, _NEWS)).fill(rng))
        truth = Truth("bulk", HAM, (REVIEW,), port.texts.category)
        recipients = phones(rng, BULK_OVER + 1 + int(rng.random() * 200))
        drafts.append(submission(port.code, recipients, text, truth, Priority.BULK))
    return drafts


def bulk_allowed(count: int, stage: Stage) -> list[Draft]:
    """Bulk that passes: registered texts, and all texts of a trusted port."""
    rng, truth = stage.rng, Truth("bulk-allowed", HAM, (RELEASE,))
    drafts = []
    for n in range(count):
        port = pick(rng, _UTILITIES if n % 2 else _SHOPS)
        text = port.templates[-1].text if n % 2 == 0 else port.signed(port.texts.free[0])
        recipients = phones(rng, BULK_OVER + 1 + int(rng.random() * 300))
        drafts.append(submission(port.code, recipients, wording(text).fill(rng), truth, Priority.BULK))
    return drafts


def bombing(count: int, stage: Stage) -> list[Draft]:
    """An attacker makes many sites send codes to one victim; the counter across ports lags by seconds."""
    rng, victim = stage.rng, phone(stage.rng)
    first = Truth("bombing", HAM, (RELEASE,))
    later = Truth("bombing", HAM, (RELEASE, HOLD, REJECT))
    drafts = []
    for n in range(count):
        port = pick(rng, _CODES)
        text = wording(pick(rng, port.templates).text).fill(rng)
        drafts.append(submission(port.code, [victim], text, first if n < 5 else later))
    return drafts
