"""The items of a JSON body: an object is one item, an array holds several."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence

import msgspec

from pipeline.ingest.http.problems import Problem, broken_json

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what a decoder raises for JSON that is not valid

_one = msgspec.json.Decoder(msgspec.Raw).decode
_many = msgspec.json.Decoder(list[msgspec.Raw]).decode


def items_of(body: bytes, most: int, what: str) -> tuple[bool, Sequence[bytes | msgspec.Raw]]:
    """Whether the body is an array, and its items, undecoded. `what` names the items in an error.

    Raises Problem: 400 for invalid JSON, 422 for an array with no item or with more than `most`.
    """
    body = body.removeprefix(BOM_UTF8)  # RFC 8259 allows a reader to ignore it, and some clients send it
    try:
        several = body.lstrip(b" \t\r\n")[:1] == b"["
        items: Sequence[bytes | msgspec.Raw] = _many(body) if several else [_one(body)]
    except BROKEN as error:
        raise broken_json(error, len(body)) from None
    if several and not 1 <= len(items) <= most:
        raise Problem(422, "invalid_array", f"{len(items)} {what}, 1 to {most} expected")
    return several, items
