"""What a trace is about, and whether a frame is about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from pipeline.text.numbers import number

_OURS = frozenset(  # fields that may have the port
    (
        "src_id",
        "dest_id",
        "sp_number",
        "src_term_id",
        "dest_term_id",
        "source_addr",
        "destination_addr",
        "esme_addr",
    )
)
_ADDRESSES = _OURS | {  # and those that only have people's numbers
    "recipients",
    "recipient",
    "users",
    "user_number",
    "src_terminal_id",
    "fee_terminal_id",
    "charge_term_id",
    "charge_number",
}
_MOBILE = re.compile(r"1[3-9]\d{9}")


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
            return any(self.value in each and not _is_mobile(each) for each in _found(values, _OURS))
        return any(number(each) == self.value for each in _found(values, _ADDRESSES))


def _is_mobile(address: str) -> bool:
    return _MOBILE.fullmatch(number(address) or "") is not None


def _found(value: Any, names: frozenset[str], name: str = "") -> Iterator[str]:
    """The texts in the fields with these names, at any depth."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _found(each, names, key)
    elif isinstance(value, list):
        for each in value:
            yield from _found(each, names, name)
    elif isinstance(value, str) and name in names:
        yield value
