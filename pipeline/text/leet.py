"""View "leet": digits and symbols in place of letters in Latin words: v1agra, fr33, c@$h.

The view reads 1, l, ! and | all as i; only the dictionary word shows the letter that is meant.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.text.tape import Codes, Flags, Tape, after, before

_STANDS_FOR = dict(zip("01!|34@5$789", "oiiieaasstbg", strict=True))
_MAX_SHARE = 0.5  # largest share of signs in a disguised word: 24h7 is not one


@cache
def _table() -> NDArray[np.uint32]:
    table = np.arange(128, dtype=np.uint32)
    for sign, letter in _STANDS_FOR.items():
        table[ord(sign)] = ord(letter)
    table[ord("l")] = ord("i")
    return table


def leet_signs(normal: Tape) -> Flags:
    """Flags of leet signs beside a Latin letter, or beside a leet sign that is beside a Latin letter."""
    codes = normal.codes
    low = codes < 128
    sign = np.zeros(len(codes), dtype=np.bool_)
    ascii_codes = codes[low]
    sign[low] = (_table()[ascii_codes] != ascii_codes) & (ascii_codes != ord("l"))
    letter = (codes >= 0x61) & (codes <= 0x7A)
    beside = before(letter) | after(letter)
    beside |= before(sign & beside) | after(sign & beside)
    return sign & beside


def leet(normal: Tape) -> Tape:
    """The view of the whole tape."""
    low = normal.codes < 128
    return normal.replace(np.where(low, _table().take(normal.codes, mode="clip"), normal.codes))


def letters(normal: Tape) -> Codes:
    """The code points of a tape as the view reads them, except that digits away from letters stay digits."""
    codes = normal.codes
    read = leet_signs(normal) | ((codes >= 0x61) & (codes <= 0x7A))
    changed = codes.copy()
    changed[read] = _table()[codes[read]]
    return changed


def plain(word: str) -> str:
    """A Latin word as the view reads it."""
    table = _table()
    return "".join(chr(table[ord(c)]) if ord(c) < 128 else c for c in word)


def in_disguise(other: int, length: int) -> bool:
    """Whether a find was written in leet: `other` of its `length` code points differ from the word."""
    return 0 < other <= length * _MAX_SHARE
