"""Reads a complaint out of what a channel writes: a row of a csv, a line, or a subscriber's message. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.file_exchange import TEXT, ComplaintShape

_PLACE = re.compile(r"\{([a-z_]*)\}")
_WIDE = {code - 0xFEE0: chr(code) for code in range(0xFF01, 0xFF5F)}  # ASCII sign -> its full-width form


def of_message(source: str, shape: ComplaintShape, subscriber: str, text: str, at: int) -> door.ComplaintIn:
    """The complaint that a subscriber wrote to a complaint code, as `number*text`; `at` is epoch ms.

    Raises AntispamError for a text that no description of the shape fits: the subscriber named no number.
    """
    return _line(source, shape, {"recipient": subscriber, TEXT: text}, at)


def of_fields(source: str, shape: ComplaintShape, fields: Mapping[str, str]) -> door.ComplaintIn:
    """The complaint in the fields of a row or a line. Raises AntispamError that names the missing or wrong field."""
    written = fields.get("complained_at", "").strip()
    return _line(source, shape, fields, _time(written, shape))


def of_line(source: str, shape: ComplaintShape, line: str) -> door.ComplaintIn:
    """The complaint in a plain line. Raises AntispamError for a line that no description fits."""
    fields = described(shape.lines, line.rstrip("\r\n"))
    if fields is None:
        raise AntispamError(f"a line like {' or '.join(shape.lines)} expected")
    return of_fields(source, shape, fields)


def described(descriptions: Sequence[str], text: str) -> dict[str, str] | None:
    """The named parts of the text by the first description that fits; None if none does.

    A sign between two parts ends the first of them, in its plain or full-width form. The last part may hold anything.
    """
    for description in descriptions:
        found = _pattern(description).fullmatch(text.strip())
        if found is not None:
            return {name: part.strip() for name, part in found.groupdict().items()}
    return None


@cache
def _pattern(description: str) -> re.Pattern[str]:
    pieces = _PLACE.split(description)  # text, name, text, name, … text
    pattern = _literal(pieces[0])
    for name, after in zip(pieces[1::2], pieces[2::2], strict=True):
        # A part runs to the first sign behind it: no part is tried twice, so a hostile line costs its length only.
        inner = f"[^{_sign(after[0])}]*" if after else "(?s:.*)"
        pattern += (f"(?P<{name}>{inner})" if name else f"(?:{inner})") + _literal(after)
    return re.compile(pattern)


def _literal(text: str) -> str:
    return "".join(f"[{_sign(sign)}]" for sign in text)


def _sign(sign: str) -> str:
    return re.escape(sign) + _WIDE.get(ord(sign), "")


def _line(source: str, shape: ComplaintShape, fields: Mapping[str, str], at: int) -> door.ComplaintIn:
    given = dict(fields)
    if TEXT in given:
        parts = described(shape.texts, given[TEXT])
        if parts is None:
            raise AntispamError(f"text: a text like {' or '.join(shape.texts)} expected")
        given |= parts
    for needed in ("recipient", "port"):
        if not given.get(needed, "").strip():
            raise AntispamError(f"{needed}: empty")
    return door.ComplaintIn(
        port=given["port"].strip(),
        recipient=given["recipient"].strip(),
        complained_at=at,
        id=given.get("id"),
        content=given.get("content", ""),
        source=source,
        reference=given.get("reference", "").strip(),
    )


def _time(written: str, shape: ComplaintShape) -> int:
    if shape.time_format is None:
        return door.time(written, "complained_at")
    try:
        at = datetime.strptime(written, shape.time_format)  # noqa: DTZ007 - the zone follows
    except ValueError:
        raise AntispamError(f"complained_at: not in the format {shape.time_format}") from None
    at = at.replace(tzinfo=at.tzinfo or ZoneInfo(shape.zone))
    return door.time(str(int(at.timestamp() * 1000)), "complained_at")
