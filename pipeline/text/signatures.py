"""Signatures (签名): the name in brackets at the beginning or the end of a text that says who speaks: 【…】, […].

Signatures are read from the folded text, which has no other widths, invisible characters or traditional characters.
Other square brackets (〖〗, 〔〕, ⟦⟧) count too, because readers take them for the same. Brackets inside a text are no
signature: they hold moods, products and places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from pipeline.text.normal import Normals, normalise_batch

_OPEN, _CLOSE = r"\[【〖〔〘〚⟦❲", r"\]】〗〕〙〛⟧❳"
_BRACKETS = "[]【】 "  # with which people write a registered signature
_LONGEST = 32  # code points between the brackets; carriers accept up to 20
_MOST = 4  # signatures in a row
# A name has a letter, or is a service number of banks, carriers and offices. Dates, codes and sentences are
# no names: [2026-03-09], [123456], [工作人员不会索取,请勿泄露].
_NUMBER = r"(?:95|96|100|12[13])\d{2,4}"
_ONE = (
    rf"[{_OPEN}](?=[^{_CLOSE}]{{0,{_LONGEST}}}[^\W\d_]|{_NUMBER}[{_CLOSE}])"
    rf"([^{_OPEN}{_CLOSE},;!?。\n]{{1,{_LONGEST}}})[{_CLOSE}]"
)
_ROW = rf"{_ONE}(?:[ \n]?{_ONE}){{0,{_MOST - 1}}}"
_first = re.compile(rf"[^\w{_OPEN}]{{0,4}}{_ROW}").match
# The way to unsubscribe may stand behind the last signature.
_TAIL = rf"[\s,.。!~;]{{0,4}}(?:[^{_OPEN}{_CLOSE}]{{0,6}}(?:退订|拒收|stop|unsubscribe)[^{_OPEN}{_CLOSE}]{{0,12}})?"
_last = re.compile(rf"{_ROW}{_TAIL}\Z").search
_one = re.compile(_ONE).finditer


class Signature(msgspec.Struct, frozen=True, gc=False):
    """A signature at code points of the raw text, brackets included, `end` exclusive.

    `name` has only the letters and digits of the folded text: 【工*商 銀行】 has the name 工商银行.
    """

    name: str
    start: int
    end: int


def find_signatures(normals: Normals) -> list[tuple[Signature, ...]]:
    """The signatures of each text, left to right."""
    folded = normals.folded
    origin, ends = folded.origin.data, folded.end.data
    found: list[tuple[Signature, ...]] = []
    begin = raw_begin = 0
    for text, raw_border in zip(folded.texts(), normals.raw.borders.tolist(), strict=True):
        spans = _spans(text)
        if spans:
            found.append(
                tuple(
                    [
                        Signature(name, origin[begin + start] - raw_begin, ends[begin + end - 1] - raw_begin)
                        for name, start, end in spans
                    ]
                )
            )
        else:
            found.append(())
        begin, raw_begin = begin + len(text) + 1, raw_border + 1
    return found


@lru_cache(50_000)
def signature_name(written: str) -> str:
    """The name of a registered signature, written with or without brackets, to compare with `Signature.name`."""
    return signature_names([written])[0]


def signature_names(written: Sequence[str]) -> list[str]:
    """The names of many registered signatures, a hundred times faster than one by one."""
    return [_name(text) for text in normalise_batch(written).folded.texts()]


def signed(content: str, registered: Sequence[str]) -> str:
    """The content with the first registered signature before it, unless it bears one of them already."""
    if not registered:
        return content
    (found,) = find_signatures(normalise_batch([content]))
    if {signature.name for signature in found} & set(signature_names(registered)):
        return content
    return f"【{registered[0].strip(_BRACKETS)}】{content}"


def _spans(text: str) -> list[tuple[str, int, int]]:
    """(name, start, end) of each signature of a folded text."""
    first = _first(text)
    done = first.end() if first else 0
    last = _last(text, done)
    return [one for row in (first, last) if row for one in _each(row)]


def _each(row: re.Match[str]) -> list[tuple[str, int, int]]:
    """The signatures of a row."""
    if row[2] is None:  # most rows are one signature
        return [(_name(row[1]), row.start(1) - 1, row.end(1) + 1)]
    return [(_name(one[1]), one.start(), one.end()) for one in _one(row.string, row.start(), row.end())]


@lru_cache(50_000)
def _name(inside: str) -> str:
    return "".join(filter(str.isalnum, inside))
