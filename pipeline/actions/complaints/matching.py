"""Which message a complaint is about. Pure: it chooses among the messages that the number may have got.

A person retypes or forwards a text, hides digits of the own number, and complains about the one message of many. So a
match is told with its doubt: only what names one message is `matched`; a person judges the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from pipeline.text.normal import normalise

MOST = 20  # candidates that a person chooses from
GRAM = 3  # characters
ALIKE = 0.8  # share of the shorter text's grams that the other one must have
_REST = re.compile(r"[\W\d_]+")


class Found(StrEnum):
    """Where a complaint stands. A complaint waits until the lake has the messages up to its time."""

    WAITING = "waiting"
    MATCHED = "matched"
    DOUBTFUL = "doubtful"
    UNMATCHED = "unmatched"


class Doubt(StrEnum):
    """Why a complaint names no message, or perhaps another one."""

    NONE = ""
    NO_MESSAGE = "no_message"  # the number got none of this sender
    NOT_SENT = "not_sent"  # it was refused or held
    TEXT_DIFFERS = "text_differs"  # the number got messages, but none with this text
    SEVERAL = "several"  # the complaint has no text, and the number got several
    HIDDEN_NUMBER = "hidden_number"  # several numbers fit the digits that are shown, or no text tells


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message to a number that fits: `message` is the id of its submission or record, `at` epoch ms."""

    message: str
    recipient: str
    content: str
    at: int
    sent: bool
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The answer: the message, if any, is the likeliest one."""

    found: Found
    doubt: Doubt
    message: Candidate | None = None


def match(content: str, hidden: bool, candidates: Sequence[Candidate]) -> Match:
    """The message that a complaint is about; `hidden` tells whether its number hides digits.

    `candidates` are messages of the sender to numbers that fit, from before the complaint. Order does not matter.
    """
    newest = sorted(candidates, key=lambda c: (c.at, c.message, c.recipient), reverse=True)
    if not newest:
        return Match(Found.UNMATCHED, Doubt.NO_MESSAGE)
    with_text = [c for c in newest if alike(content, c.content)] if content.strip() else newest
    if not with_text:
        return Match(Found.DOUBTFUL, Doubt.TEXT_DIFFERS, newest[0])
    sent = [c for c in with_text if c.sent]
    if not sent:
        return Match(Found.DOUBTFUL, Doubt.NOT_SENT, with_text[0])
    if hidden and (len({c.recipient for c in sent}) > 1 or not content.strip()):
        return Match(Found.DOUBTFUL, Doubt.HIDDEN_NUMBER, sent[0])
    if not all(alike(sent[0].content, c.content) for c in sent[1:]):
        return Match(Found.DOUBTFUL, Doubt.SEVERAL, sent[0])
    return Match(Found.MATCHED, Doubt.NONE, sent[0])


def alike(one: str, other: str) -> bool:
    """Whether one text is the other, or a part of it, but for digits, signs and disguise."""
    return likeness(one, other) >= ALIKE


def likeness(one: str, other: str) -> float:
    """The share of the shorter text's grams that the other one has, 0 to 1."""
    a, b = sorted((_grams(one), _grams(other)), key=len)
    return len(a & b) / len(a) if a else float(one.strip() == other.strip())


def likeliest(content: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """At most MOST candidates: the sent ones first, then by likeness of the text, the newest first."""
    order = sorted(candidates, key=lambda c: (c.sent, likeness(content, c.content), c.at, c.message), reverse=True)
    return order[:MOST]


@lru_cache(10_000)
def _grams(text: str) -> frozenset[str]:
    words = _REST.sub("", normalise(text).text.lower())
    return frozenset(words[i : i + GRAM] for i in range(len(words) - GRAM + 1)) or frozenset((words,) if words else ())
