"""Episodes of content: campaigns and advertising that break a rule by their text."""

from __future__ import annotations

from random import Random

from pipeline.events import Category, Priority, RecordKind
from pipeline.sample.campaigns import CAMPAIGNS, UNASKED, Campaign, bend
from pipeline.sample.drafts import Draft, Stage, complaint, record, sender_of, submission
from pipeline.sample.enterprises import ROGUES, SMALL, Port, of_trade
from pipeline.sample.truth import BLACKLIST, HAM, HOLD, REJECT, RELEASE, REVIEW, SPAM, Truth
from pipeline.sample.wording import BLANKS, phone, pick, wording

_SHOPS = of_trade("shop_offer")
_PRETENDED = of_trade("bank_notice", "police", "welfare")
_STOPPED = (REVIEW, REJECT, BLACKLIST)


def contact_details(rng: Random) -> dict[str, str]:
    """The contact or link to which a campaign leads its readers."""
    return {blank: BLANKS[blank](rng) for blank in ("phone", "hotline", "qq", "chat_id", "trap")}


def _variants(rng: Random, campaign: Campaign, count: int) -> list[tuple[str, Truth]]:
    """Texts of one campaign: a third of them is bent, and the contact changes now and then."""
    fixed = contact_details(rng)
    found = []
    for _ in range(count):
        if rng.random() < 0.2:
            fixed = contact_details(rng)
        text, evasion = wording(pick(rng, campaign.texts)).fill(rng, fixed), ""
        if rng.random() < 0.35:
            text, evasion = bend(rng, text)
        found.append((text, Truth(campaign.name, SPAM, _STOPPED, campaign.category, evasion=evasion)))
    return found


def _signed(port: Port, text: str) -> str:
    """The text with the port's signature, unless it already has a false one."""
    return text if text.startswith("【") else port.signed(text)


def campaign(campaign: Campaign, count: int, stage: Stage) -> list[Draft]:
    """One port of a rogue customer sends a campaign to one recipient at a time."""
    rng, port = stage.rng, pick(stage.rng, ROGUES)
    return [
        submission(sender_of(rng, port), [phone(rng)], _signed(port, text), truth, Priority.BULK)
        for text, truth in _variants(rng, campaign, count)
    ]


def campaign_by_person(campaign: Campaign, count: int, stage: Stage) -> list[Draft]:
    """A campaign from persons' numbers, five messages each, seen in records after delivery.

    The content of a person-to-person message does not open a case by itself, so passing is also right.
    """
    drafts, sender = [], ""
    for n, (text, truth) in enumerate(_variants(stage.rng, campaign, count)):
        if n % 5 == 0:
            sender = phone(stage.rng)
        truth = truth._replace(story=f"{campaign.name}-by-person", expected=(RELEASE, REJECT, BLACKLIST))
        drafts.append(record(stage.rng, RecordKind.MO, sender, phone(stage.rng), text, truth))
    return drafts


def probing(count: int, stage: Stage) -> list[Draft]:
    """A refused text is sent again in halves, to find the refused word."""
    rng, port = stage.rng, pick(stage.rng, ROGUES)
    campaign = pick(rng, CAMPAIGNS)
    pieces = [wording(pick(rng, campaign.texts)).fill(rng, contact_details(rng))]
    while len(pieces) < count:
        piece = pieces[len(pieces) // 2]
        half = len(piece) // 2
        pieces += (piece[:half], piece[half:]) if half > 1 else (piece,)
    innocent = Truth("probing", SPAM, (RELEASE, *_STOPPED), campaign.category)
    refused = innocent._replace(expected=_STOPPED)
    return [
        submission(port.code, [phone(rng)], _signed(port, piece), innocent if n else refused, Priority.BULK)
        for n, piece in enumerate(pieces[:count])
    ]


def signature(story: str, count: int, stage: Stage) -> list[Draft]:
    """A text without a signature, or with a signature registered by another port."""
    rng = stage.rng
    drafts = []
    for _ in range(count):
        port, other = pick(rng, _SHOPS), pick(rng, _PRETENDED)
        text = wording(pick(rng, port.texts.free)).fill(rng)
        if story == "signature-foreign":
            text = other.signed(text)
        truth = Truth(story, HAM, (REVIEW, REJECT), port.texts.category)
        drafts.append(submission(port.code, [phone(rng)], text, truth, Priority.BULK))
    return drafts


def no_unsubscribe(count: int, stage: Stage) -> list[Draft]:
    """Advertising without a way to unsubscribe."""
    rng = stage.rng
    drafts = []
    for _ in range(count):
        port = pick(rng, _SHOPS)
        text = port.signed(wording("{name}，{product}{day}特价{price}元，欢迎到{road}店选购").fill(rng))
        truth = Truth("no-unsubscribe", SPAM, (REVIEW, REJECT), Category.RETAIL)
        drafts.append(submission(port.code, [phone(rng)], text, truth, Priority.BULK))
    return drafts


def unasked(count: int, stage: Stage) -> list[Draft]:
    """Unsolicited advertising of property, loans and lessons from a customer under review before send."""
    rng, port = stage.rng, pick(stage.rng, SMALL)
    contact, drafts = contact_details(rng), []
    for _ in range(count):
        category, text = pick(rng, UNASKED)
        truth = Truth("unasked", SPAM, (HOLD, REVIEW, REJECT), category)
        content = port.signed(wording(text).fill(rng, contact))
        drafts.append(submission(port.code, [phone(rng)], content, truth, Priority.BULK))
    return drafts


def complaints(count: int, stage: Stage) -> list[Draft]:
    """People complain, mostly about one port, now and then about a person's number."""
    rng, port = stage.rng, ROGUES[stage.number % len(ROGUES)]
    drafts = []
    for n in range(count):
        accused = phone(rng) if n % 6 == 5 else port.code
        category, text = pick(rng, UNASKED)
        truth = Truth("complaint", SPAM, (), category)
        drafts.append(complaint(rng, accused, phone(rng), wording(text).fill(rng), truth))
    return drafts
