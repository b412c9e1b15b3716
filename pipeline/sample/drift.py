"""A campaign that drifts: a parcel notice becomes a bait in five steps, over three ports and two days.

The last message looks nothing like the first, and each step is close to the one before. The first steps pass every
filter: an honest courier could write them. So this is not one of the episodes of the traffic, whose right verdicts are
known; analysts find it in a lake (docs/walk-through.md). The accounts of honest ports are abused, as after a theft.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import Category
from pipeline.sample.drafts import Draft, submission, timed
from pipeline.sample.enterprises import PORTS
from pipeline.sample.truth import HAM, REJECT, RELEASE, REVIEW, SPAM, Sample, Truth
from pipeline.sample.wording import phone, wording

STORY = "drift"
VARIANTS = tuple(
    wording(text)
    for text in (
        "{name}您好，您的包裹在运输中延误，单号尾号{tail}，预计{day}送达，详询客服{hotline}。",
        "{name}您好，您的包裹在运输中破损，单号尾号{tail}，理赔款将原路退回，详询客服{hotline}。",
        "{name}您好，您的包裹在运输中遗失，单号尾号{tail}，理赔款退回失败，请致电理赔专员{phone}登记。",
        "{name}您好，您的快件在运输中遗失，单号尾号{tail}，双倍理赔款退回失败，请加理赔专员薇信{chat_id}登记收款账户。",
        "{name}您好，您的快件在运输中遗失，单号尾号{tail}，双倍理赔款待领取，请登录{trap}登记银行卡，逾期作废。",
    )
)
SENDERS = ("10690021", "106590770012", "106575420008")  # two couriers and the notices of a shop
# Variant and sender (their places), hours from 9:00 of the first day, length in hours, messages.
_STEPS = (
    (0, 0, 1, 2, 60),
    (1, 0, 4, 3, 60),
    (1, 1, 5, 3, 40),
    (2, 1, 7, 3, 60),
    (2, 2, 24, 2, 40),
    (3, 2, 26, 3, 60),
    (3, 1, 28, 2, 40),
    (4, 0, 30, 3, 50),
    (4, 2, 31, 2, 40),
)
MESSAGES = sum(step[-1] for step in _STEPS)
LENGTH_MS = 2 * DAY_MS


def drift(seed: int, start: int) -> Iterator[Sample]:
    """The campaign, in order of time, from `start` on: 9:00 of its first day (epoch ms)."""
    rng = Random(seed)  # noqa: S311 - repeatable chance is the point
    ports = {port.code: port for port in PORTS}
    drafts: list[tuple[int, Draft]] = []
    for variant, sender, begin, hours, count in _STEPS:
        port = ports[SENDERS[sender]]
        truth = Truth(
            STORY, SPAM if variant else HAM, (RELEASE, REVIEW, REJECT), Category.PHISHING if variant else None
        )
        for n in range(count):
            at = start + round((begin + hours * (n + rng.random()) / count) * HOUR_MS)
            drafts.append((at, submission(port.code, [phone(rng)], port.signed(VARIANTS[variant].fill(rng)), truth)))
    drafts.sort(key=lambda timed_draft: timed_draft[0])
    for serial, (at, draft) in enumerate(drafts):
        yield timed(draft, at, f"{STORY}-{start:x}-{serial}")
