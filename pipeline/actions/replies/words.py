"""What a subscriber's answer asks for: no more messages, messages again, or a complaint.

An answer unsubscribes or subscribes again if it is one of the words and nothing else but marks around it, in any
spelling: who writes a sentence with such a word may mean the opposite. A complaint may go on after its word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import StrEnum

import msgspec

from pipeline.settings import Settings
from pipeline.text.normal import normalise

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_MARKS = re.compile(r"[\W_]+")


class Wish(StrEnum):
    """What an answer asks for."""

    UNSUBSCRIBE = "unsubscribe"
    RESUBSCRIBE = "resubscribe"
    COMPLAIN = "complain"


class Words(msgspec.Struct, frozen=True):
    """The words of each wish in their normal form, and what a subscriber is told.

    `settings` are those that complaints are read by. `short` are words to unsubscribe for ports that registered none of
    their own. In a confirmation, `{signature}` is the port's first signature; an empty one is not sent.
    """

    unsubscribe: frozenset[str]
    short: frozenset[str]
    resubscribe: frozenset[str]
    complain: frozenset[str]
    unsubscribed: str
    resubscribed: str
    settings: Settings

    @classmethod
    def of(cls, settings: Settings) -> Words:
        """The words of the settings."""
        return cls(
            _forms(settings.unsubscribe_words),
            _forms(settings.unsubscribe_short_words),
            _forms(settings.resubscribe_words),
            _forms(settings.complaint_words),
            settings.unsubscribe_confirmation,
            settings.resubscribe_confirmation,
            settings,
        )

    def wish(self, text: str, registered: Collection[str]) -> Wish | None:
        """What a text asks for; `registered` are the words to unsubscribe that its port registered."""
        word = _form(text)
        if word in self.unsubscribe or word in (_forms(registered) or self.short):
            return Wish.UNSUBSCRIBE
        if word in self.resubscribe:
            return Wish.RESUBSCRIBE
        first = _MARKS.split(_EDGES.sub("", text), maxsplit=1)[0]
        return Wish.COMPLAIN if word in self.complain or _form(first) in self.complain else None


def _forms(words: Iterable[str]) -> frozenset[str]:
    return frozenset(_form(word) for word in words)


def _form(text: str) -> str:
    return _EDGES.sub("", normalise(text).text).upper()
