"""What is wrong with a value that has not the form of its type, in words that a person can act on.

msgspec names the place of a fault, but not what is possible there. The type knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_type_hints

import msgspec

from pipeline.text.faults.suggestion import MAX_NAME, suggestion


@dataclass(frozen=True, slots=True)
class FormFault:
    """A fault: the names and indexes that lead to it, what is wrong there, and the names known there.

    If a name is unknown, `word` is this name and `what` says whether it names a field or a value.
    """

    place: tuple[str | int, ...]
    message: str
    word: str = ""
    what: str = ""
    known: tuple[str, ...] = ()

    @property
    def unquoted(self) -> FormFault:
        """The fault without the unknown name itself: in a line of traffic it may be a number or a text."""
        return replace(self, message=f"unknown {self.what}") if self.word else self

    def __str__(self) -> str:
        named = self.place[:-1] if self.what == "field" else self.place
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named).lstrip(".")
        said = f"{self.message}; {suggestion(self.word, self.known)}" if self.word else self.message
        return f"{where}: {said}" if where else said


def form_fault(error: msgspec.ValidationError, of: Any) -> FormFault:
    """The fault that msgspec found when it converted a value to the type `of`, a Struct."""
    message, _, at = str(error).partition(" - at ")
    place = tuple(int(n) if n else name for name, n in re.findall(r"\.(\w+)|\[(\d+)\]", at.partition("[...]")[0]))
    of = _type_at(of, place)
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        word = found[1][:MAX_NAME]
        fields = tuple(sorted(of.__struct_encode_fields__))
        return FormFault((*place, found[1]), f"unknown field '{word}'", word or "''", "field", fields)
    if found := re.fullmatch(r"Object missing required field `(.*)`", message):
        return FormFault(place, f"the field '{found[1]}' is missing")
    if found := re.fullmatch(r"Invalid enum value '(.*)'", message, re.DOTALL):
        word = found[1][:MAX_NAME]
        name = next((part for part in reversed(place) if isinstance(part, str)), "value")
        return FormFault(place, f"unknown {name} '{word}'", word or "''", "value", _values(of))
    if message == "Invalid RFC3339 encoded date":
        return FormFault(place, "a day such as 2026-03-10 expected")
    return FormFault(place, message)


def _values(of: Any) -> tuple[str, ...]:
    if isinstance(of, type) and issubclass(of, Enum):
        return tuple(str(each.value) for each in of)
    return tuple(map(str, get_args(of)))


def _type_at(of: Any, place: tuple[str | int, ...]) -> Any:
    """The declared type of the value at a place."""
    for part in place:
        of = get_args(of)[0] if isinstance(part, int) else get_type_hints(of)[part]
        options = get_args(of)
        if NoneType in options:
            of = options[0]
    return of
