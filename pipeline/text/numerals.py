"""Technique: digits written as Chinese numerals: 加微信一三八零零, 壹叁捌.

A run of numerals is read as digits only if it has at least three, two of them Chinese, or at least seven with a Chinese
one inside the run (138零1234567): a single 一 is far more often part of a word.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.text.tape import Indexes, Tape

_NUMERALS = ("〇零", "一壹弌幺", "二贰弍", "三叁弎", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖")
_TABLE_SIZE = 0xA000
_SHORTEST, _LEAST_CHINESE = 3, 2
_SHORTEST_AROUND_ONE = 7  # digits of a telephone number without its area code


@cache
def _table() -> NDArray[np.uint32]:
    table = np.zeros(_TABLE_SIZE, dtype=np.uint32)
    for digit, numerals in enumerate(_NUMERALS):
        for numeral in numerals:
            table[ord(numeral)] = ord("0") + digit
    return table


def read_numerals(tape: Tape) -> tuple[Tape, Indexes]:
    """The tape with runs of numerals in ASCII digits, and the raw positions where the runs begin."""
    codes = tape.codes
    digit = _table().take(codes, mode="clip")
    chinese = digit > 0
    if not chinese.any():
        return tape, tape.origin[:0]
    figure = chinese | ((codes >= 0x30) & (codes <= 0x39))
    edges = np.flatnonzero(np.diff(figure, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    total = np.concatenate(([0], np.cumsum(chinese)))
    inside = total[ends - 1] - total[starts + 1]  # Chinese numerals other than the first and the last of the run
    wanted = (ends - starts >= _SHORTEST) & (total[ends] - total[starts] >= _LEAST_CHINESE)
    wanted |= (ends - starts >= _SHORTEST_AROUND_ONE) & (inside > 0)
    if not wanted.any():
        return tape, tape.origin[:0]
    # +1 where a wanted run begins, -1 where it ends: the running sum is 1 inside the runs.
    steps = np.zeros(len(codes) + 1, dtype=np.int8)
    steps[starts[wanted]] = 1
    steps[ends[wanted]] -= 1
    inside = np.cumsum(steps[:-1]) > 0
    return tape.replace(np.where(inside & chinese, digit, codes)), tape.origin[starts[wanted]]
