"""Episodes of standing: a port's state or an operator's list decides, whatever the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pipeline.events import Kind, Priority, RecordKind, Verdict
from pipeline.sample import chatter
from pipeline.sample.drafts import Draft, Stage, record, submission
from pipeline.sample.enterprises import ORDERLY, PORTS, ROGUES, Port
from pipeline.sample.lists import BLOCKED_RECIPIENTS, UNSUBSCRIBED
from pipeline.sample.trades import AMBIGUOUS
from pipeline.sample.truth import HAM, REJECT, RELEASE, Truth
from pipeline.sample.wording import phone, pick, wording

T = TypeVar("T")

_BY_CODE = {port.code: port for port in PORTS}
_NOTIFYING = tuple(port for port in ORDERLY if port.kind is Kind.NOTICE)


def _in_turn(among: Sequence[T], count: int, stage: Stage) -> list[T]:
    """`count` items of a sequence in turn; each stretch continues where the previous stretch stopped."""
    return [among[(stage.number * count + n) % len(among)] for n in range(count)]


def from_port(story: str, senders: tuple[str, ...], verdict: Verdict, count: int, stage: Stage) -> list[Draft]:
    """Harmless texts from ports whose state or list entry decides."""
    rng, truth = stage.rng, Truth(story, HAM, (verdict,))
    drafts = []
    for sender in _in_turn(senders, count, stage):
        port = _BY_CODE.get(sender, ROGUES[0])
        text = port.signed(port.texts.free[0])
        drafts.append(submission(sender, [phone(rng)], text, truth, Priority.BULK))
    return drafts


def by_number(
    story: str, senders: tuple[str, ...], expected: tuple[Verdict, ...], count: int, stage: Stage
) -> list[Draft]:
    """Harmless texts from numbers on the operator's lists."""
    rng, truth = stage.rng, Truth(story, HAM, expected)
    drafts = []
    for sender in _in_turn(senders, count, stage):
        text = wording(pick(rng, chatter.TALK)).fill(rng)
        drafts.append(record(rng, RecordKind.MO, sender, phone(rng), text, truth))
    return drafts


def unsubscribed(count: int, stage: Stage) -> list[Draft]:
    """An offer to several recipients, one of them unsubscribed from the port: only this recipient is left out."""
    return [
        _among_others(
            stage,
            port,
            listed,
            Truth("unsubscribed", HAM, (RELEASE,), port.texts.category, ((listed, REJECT),)),
        )
        for port, listed in _in_turn(UNSUBSCRIBED, count, stage)
    ]


def unsubscribed_notice(count: int, stage: Stage) -> list[Draft]:
    """A notice to a recipient who has unsubscribed from offers: it is still sent."""
    truth = Truth("unsubscribed-notice", HAM, (RELEASE,))
    return [
        _among_others(stage, pick(stage.rng, _NOTIFYING), listed, truth)
        for _, listed in _in_turn(UNSUBSCRIBED, count, stage)
    ]


def blocked(count: int, stage: Stage) -> list[Draft]:
    """A message to a blocked recipient, who must get no messages at all."""
    return [
        _among_others(
            stage,
            pick(stage.rng, _NOTIFYING),
            listed,
            Truth("blocked", HAM, (RELEASE,), None, ((listed, REJECT),)),
        )
        for listed in _in_turn(BLOCKED_RECIPIENTS, count, stage)
    ]


def _among_others(stage: Stage, port: Port, listed: str, truth: Truth) -> Draft:
    """A registered text of the port to the listed recipient and two others."""
    rng = stage.rng
    template = pick(rng, [t for t in port.templates if not any(word in t.text for word in AMBIGUOUS)])
    lane = Priority.BULK if port.kind is Kind.COMMERCIAL else Priority.EXPRESS
    text, to = wording(template.text).fill(rng), [phone(rng), listed, phone(rng)]
    return submission(port.code, to, text, truth, lane, template=template.id)
