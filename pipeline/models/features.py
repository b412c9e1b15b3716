"""Hashed character n-grams of a batch of texts, by whole-array arithmetic.

Python work per text would cost more than the model, so a batch becomes one array of code points and
every step is one numpy operation over all of it. What betrays a *source* of training data rather than
spam is taken away first: case, width, which digits and how many, punctuation, line breaks, spaces and
symbols between Chinese characters, invisible characters. Latin words keep one separator between them.

Chinese says in two characters what English says in four, so grams of three and four are taken from
non-CJK stretches only.

Every value is exact integer arithmetic, so the features of a text never depend on its batch.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

BUCKET_BITS = 18
BUCKETS = 1 << BUCKET_BITS
NONE = BUCKETS  # the bucket of "no gram starts here"; its weight is always zero
MAX_CHARS = 2000  # code points of a text that are looked at; the longest accepted content

_DROP, _PAD, _SEPARATOR, _DIGIT, _CURRENCY = 0, 1, 32, 48, 36
_CJK_FROM = 0x2E80  # first code point of the CJK blocks; what lies above is taken for Chinese
_RARE = 0x3400  # stands for every character beyond the table
_TABLE_SIZE = 0x20000
_PADDING = 3  # longest gram less one: no gram reaches from one text into the next
_MIX = np.uint32(0x9E3779B1)  # 2**32 / golden ratio: multiplicative hashing (Knuth, TAOCP 6.4)
_STEP = np.uint32(0x01000193)


@dataclass(frozen=True, slots=True)
class Grams:
    """The grams of a batch, by the position they start at.

    `buckets[n - 1][i]` is the bucket of the n-gram that starts at position i, or NONE. Text t owns
    the positions from `starts[t]` to `starts[t + 1]`; `counts[t]` is its number of grams.
    """

    buckets: tuple[NDArray[np.intp], ...]
    starts: NDArray[np.intp]
    counts: NDArray[np.int64]


def grams(texts: Sequence[str]) -> Grams:
    """The hashed n-grams of each text; any str is accepted, lone surrogates and NUL included.

    Looks at the first MAX_CHARS code points. An empty batch has no positions.
    """
    codes, starts = _normal_codes(texts)
    kind = codes > _PAD
    wide = codes >= _CJK_FROM
    narrow = kind & ~wide
    value = codes.astype(np.uint32)

    buckets = [_bucket(value, kind & (codes != _SEPARATOR))]
    if len(codes) > _PADDING:
        value = _extend(value, codes, 1)
        buckets.append(_bucket(value, kind & _ahead(kind, 1)))
        run = narrow & _ahead(narrow, 1)
        for ahead in (2, 3):
            value = _extend(value, codes, ahead)
            run &= _ahead(narrow, ahead)
            buckets.append(_bucket(value, run))

    present = np.zeros(len(codes), dtype=np.int64)
    for found in buckets:
        present += found != NONE
    counts = np.add.reduceat(present, starts) if len(starts) else present
    return Grams(tuple(buckets), starts, counts)


def _bucket(value: NDArray[np.uint32], valid: NDArray[np.bool_]) -> NDArray[np.intp]:
    mixed = ((value ^ (value >> np.uint32(15))) * _MIX) >> np.uint32(32 - BUCKET_BITS)
    return np.where(valid, mixed, NONE).astype(np.intp)


def _extend(value: NDArray[np.uint32], codes: NDArray[np.uint16], ahead: int) -> NDArray[np.uint32]:
    longer = value * _STEP
    longer[:-ahead] += codes[ahead:]
    return longer + _STEP


def _ahead(flags: NDArray[np.bool_], ahead: int) -> NDArray[np.bool_]:
    moved = np.zeros_like(flags)
    moved[:-ahead] = flags[ahead:]
    return moved


def _normal_codes(texts: Sequence[str]) -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
    """Code points in normal form, texts kept apart by padding, and where each text starts."""
    if not texts:
        return np.zeros(0, dtype=np.uint16), np.zeros(0, dtype=np.intp)
    bounded = [text[:MAX_CHARS] for text in texts]
    # A space at both ends lets a word at the border of a text look like the same word inside one.
    joined = " " + (" " + "\0" * _PADDING + " ").join(bounded) + " " + "\0" * _PADDING
    raw = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = _table()[np.minimum(raw, _TABLE_SIZE)]

    lengths = np.fromiter(map(len, bounded), dtype=np.intp, count=len(bounded)) + 2 + _PADDING
    starts = np.concatenate((np.zeros(1, dtype=np.intp), np.cumsum(lengths)))
    for back in range(1, _PADDING + 1):
        codes[starts[1:] - back] = _PAD

    codes, starts = _keep(codes, starts, codes != _DROP)
    repeated = codes[1:] == codes[:-1]
    repeated &= (codes[1:] == _SEPARATOR) | (codes[1:] == _DIGIT)
    codes, starts = _keep(codes, starts, np.concatenate(([True], ~repeated)))
    wide = codes >= _CJK_FROM
    beside = np.zeros(len(codes), dtype=np.bool_)
    beside[1:] = wide[:-1]
    beside[:-1] |= wide[1:]
    codes, starts = _keep(codes, starts, ~(beside & (codes == _SEPARATOR)))
    return codes, starts[:-1]


def _keep(
    codes: NDArray[np.uint16], starts: NDArray[np.intp], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
    before = np.concatenate((np.zeros(1, dtype=np.intp), np.cumsum(kept, dtype=np.intp)))
    return codes[kept], before[starts]


@cache
def _table() -> NDArray[np.uint16]:
    """What each code point is read as: one lookup does width, case, digits and invisibles."""
    table = np.fromiter(map(_read_as, range(_TABLE_SIZE)), dtype=np.uint16, count=_TABLE_SIZE)
    return np.append(table, np.uint16(_RARE))


def _read_as(point: int) -> int:
    """The code that stands for a code point: its first compatible letter, or a class of marks."""
    char = chr(point)
    category = unicodedata.category(char)
    if point == 0 or category in ("Cf", "Mn", "Me", "Cs", "Co", "Cn"):
        return _DROP
    plain = unicodedata.normalize("NFKC", char).casefold()
    letter = next((c for c in plain if c.isalnum()), plain[:1])
    category = unicodedata.category(letter)
    if category == "Nd":
        return _DIGIT
    if category == "Sc":
        return _CURRENCY
    if category[0] not in "LN":
        return _SEPARATOR
    return ord(letter) if ord(letter) < 0x10000 else _RARE
