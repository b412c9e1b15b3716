"""What a trace is about, and whether a frame is about it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from pipeline.text.numbers import number

CONTENT = frozenset(("text", "content", "short_message", "message_payload", "push", "surplus"))  # fields with the text


class Subject(StrEnum):
    """What a trace is about."""

    CHANNEL = "channel"
    PORT = "port"
    NUMBER = "number"


class Trace(msgspec.Struct, frozen=True):
    """A trace that is on until `until` (epoch ms). A number has its standard form."""

    id: int
    subject: Subject
    value: str
    until: int

    def is_about(self, channel: str, values: dict[str, Any]) -> bool:
        """Whether a frame of this channel, as plain values, is about it."""
        if self.subject is Subject.CHANNEL:
            return channel == self.value
        if self.subject is Subject.PORT:  # a prefix of the channel and an extension may stand around it
            return any(self.value in leaf for leaf in _leaves(values))
        return any(number(leaf) == self.value for leaf in _leaves(values))


def _leaves(value: Any, name: str = "") -> Iterator[str]:
    """The texts among the values, but for those of the message."""
    if name in CONTENT:
        return
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, name)
    elif isinstance(value, str):
        yield value
