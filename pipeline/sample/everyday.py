"""Everyday traffic: the largest part of a day, which must pass unharmed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import NamedTuple

from pipeline.events import Kind, Priority, RecordKind, Verdict
from pipeline.sample import chatter
from pipeline.sample.drafts import Draft, Stage, record, sender_of, submission
from pipeline.sample.enterprises import ORDERLY, SMALL, Port, of_trade
from pipeline.sample.trades import AMBIGUOUS
from pipeline.sample.truth import HAM, HOLD, RELEASE, REVIEW, Truth
from pipeline.sample.wording import Wording, phone, phones, pick, wording


class Line(NamedTuple):
    """A text of a port, ready to be filled, with its template's id if it is registered."""

    port: Port
    wording: Wording
    template: str
    truth: Truth
    priority: Priority


def _lines(ports: tuple[Port, ...], story: str, *, registered: bool, expected: tuple[Verdict, ...]) -> list[Line]:
    """One line for each text of each port. Texts with a word of the dictionary are a story of their own."""
    lines = []
    for port in ports:
        texts = (
            [(t.text, t.id) for t in port.templates]
            if registered
            else [(port.signed(text), "") for text in port.texts.free]
        )
        for text, template in texts:
            truth = Truth(story, HAM, expected, port.texts.category)
            if any(word in text for word in AMBIGUOUS):
                truth = Truth("innocent-word", HAM, (RELEASE, REVIEW))
            lane = Priority.BULK if port.kind is Kind.COMMERCIAL else Priority.EXPRESS
            lines.append(Line(port, wording(text), template, truth, lane))
    return lines


def _kind(*kinds: Kind) -> tuple[Port, ...]:
    return tuple(p for p in ORDERLY if p.kind in kinds and p not in _ENGLISH)


_ENGLISH = of_trade("app_english", "travel_english")
_GO = (RELEASE,)
_LINES: dict[str, list[Line]] = {
    "one-time-code": _lines(_kind(Kind.ONE_TIME_CODE), "one-time-code", registered=True, expected=_GO),
    "notice": _lines(_kind(Kind.NOTICE), "notice", registered=True, expected=_GO),
    "notice-unregistered": _lines(_kind(Kind.NOTICE), "notice-unregistered", registered=False, expected=_GO),
    "offer": _lines(_kind(Kind.COMMERCIAL), "offer", registered=True, expected=_GO),
    # These are harmless, but the classifier may take them for advertising, so review is also right.
    "offer-unregistered": _lines(
        _kind(Kind.COMMERCIAL), "offer-unregistered", registered=False, expected=(RELEASE, REVIEW)
    ),
    "english": _lines(_ENGLISH, "english", registered=True, expected=_GO),
    "small-customer": _lines(SMALL, "small-customer", registered=True, expected=_GO),
    # Single messages of ports under review before send: held at first, reviewed above fifty of one content.
    "small-customer-unregistered": _lines(
        SMALL, "small-customer-unregistered", registered=False, expected=(HOLD, REVIEW)
    ),
}
_CLASSES = _lines(of_trade("school"), "class-notice", registered=False, expected=_GO)
_CARRIED = _lines(_kind(Kind.ONE_TIME_CODE, Kind.NOTICE), "carried", registered=True, expected=_GO)
_EXTENDED = [
    line._replace(truth=line.truth._replace(story="extension"))
    for name in ("one-time-code", "notice", "offer")
    for line in _LINES[name]
    if line.port.extensions
]
_TALK = [wording(text) for text in chatter.TALK]
_TALK_ENGLISH = [wording(text) for text in chatter.TALK_ENGLISH]
_INNOCENT = [wording(text) for text in chatter.INNOCENT]
_REPLIES = [wording(text) for text in chatter.OTHER_REPLIES]
_OFFERS = _kind(Kind.COMMERCIAL)

_TALKING = Truth("chatter", HAM, _GO)
_TALKING_ENGLISH = Truth("chatter-english", HAM, _GO)
_INBOUND = Truth("inbound", HAM, _GO)
_INNOCENT_TALK = Truth("innocent-word-talk", HAM, _GO)
_LEAVING = Truth("unsubscribe-reply", HAM, _GO)
_REPLYING = Truth("reply", HAM, _GO)


def send(rng: Random, line: Line, recipients: list[str]) -> Draft:
    """A submission of the line. Half of the submissions of a registered text name its template."""
    sender, content = sender_of(rng, line.port), line.wording.fill(rng)
    if line.template and rng.random() < 0.5:
        return submission(sender, recipients, content, line.truth, line.priority, template=line.template)
    return submission(sender, recipients, content, line.truth, line.priority)


def _business(lines: list[Line]) -> Callable[[Stage], Draft]:
    return lambda stage: send(stage.rng, pick(stage.rng, lines), [phone(stage.rng)])


def _class_notice(stage: Stage) -> Draft:
    """A notice to the parents of a class: many recipients, but not bulk."""
    rng = stage.rng
    return send(rng, pick(rng, _CLASSES), phones(rng, 20 + int(rng.random() * 28)))


def _talk(lines: list[Wording], truth: Truth) -> Callable[[Stage], Draft]:
    def make(stage: Stage) -> Draft:
        rng = stage.rng
        one, other = pick(rng, stage.pairs)
        if rng.random() < 0.5:
            one, other = other, one
        return record(rng, RecordKind.MO, one, other, pick(rng, lines).fill(rng), truth)

    return make


def _inbound(stage: Stage) -> Draft:
    """A record of a message from another network to one of our subscribers."""
    rng = stage.rng
    return record(rng, RecordKind.MT, phone(rng), phone(rng), pick(rng, _TALK).fill(rng), _INBOUND)


def _carried(stage: Stage) -> Draft:
    """The SMSC's record of a message from a port."""
    rng = stage.rng
    line = pick(rng, _CARRIED)
    content = line.wording.fill(rng)
    return record(rng, RecordKind.AO, sender_of(rng, line.port), phone(rng), content, line.truth)


def _leave(stage: Stage) -> Draft:
    rng = stage.rng
    text = pick(rng, chatter.UNSUBSCRIBE_REPLIES)
    return record(rng, RecordKind.MO, phone(rng), pick(rng, _OFFERS).code, text, _LEAVING)


def _reply(stage: Stage) -> Draft:
    rng = stage.rng
    port = pick(rng, _CARRIED).port
    return record(rng, RecordKind.MO, phone(rng), port.code, pick(rng, _REPLIES).fill(rng), _REPLYING)


# The share of each story, relative to the sum of all: an estimate of a mid-sized operator's working day.
_WEIGHTS: dict[str, tuple[float, Callable[[Stage], Draft]]] = {
    **{
        name: (weight, _business(_LINES[name]))
        for name, weight in {
            "one-time-code": 22,
            "notice": 26,
            "notice-unregistered": 4,
            "english": 2,
            "offer": 7,
            "offer-unregistered": 2.5,
            "small-customer": 1.5,
            "small-customer-unregistered": 1.5,
        }.items()
    },
    "class-notice": (1, _class_notice),
    "extension": (4, _business(_EXTENDED)),
    "chatter": (18, _talk(_TALK, _TALKING)),
    "chatter-english": (1.2, _talk(_TALK_ENGLISH, _TALKING_ENGLISH)),
    "innocent-word-talk": (0.4, _talk(_INNOCENT, _INNOCENT_TALK)),
    "inbound": (4, _inbound),
    "carried": (6, _carried),
    "unsubscribe-reply": (0.8, _leave),
    "reply": (1.5, _reply),
}
_MAKERS = [make for _, make in _WEIGHTS.values()]
_CUMULATED = list(accumulate(weight for weight, _ in _WEIGHTS.values()))

STORIES: tuple[str, ...] = (*_WEIGHTS, "innocent-word")


def everyday(stage: Stage, count: int) -> list[Draft]:
    """`count` drafts of everyday traffic in random order."""
    if not stage.pairs:
        stage.pairs = [(phone(stage.rng), phone(stage.rng)) for _ in range(count // 12 + 20)]
    return [make(stage) for make in stage.rng.choices(_MAKERS, cum_weights=_CUMULATED, k=count)]
