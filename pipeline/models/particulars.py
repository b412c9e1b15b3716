"""The particulars of a booking: what a notice of something that happened names and a bait seldom does.

A masked account, an amount to the cent, a full date, a time of day. Two of them stand in 64 % of the
English notices that banks and carriers send and in 40 % of the Chinese ones, but in 1.1 % and 0.4 % of spam and
in next to no private message. No gram says so, since the figures are never the same, and a sum of words cannot
know that "click" behind a booking is a receipt: senders never seen were flagged less often with it (folds of
train: English 30 of 352 became 20, Chinese 6 of 262 became 3, for half a thousandth of the recall).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.text.tape import Indexes, Tape

ALLOWANCE = 1.5  # log-odds for two particulars or more; more would help who hides a bait behind a booking
_ENOUGH = 2

# Of folded text: digits are ASCII. Every run is bounded, and none begins inside a number.
_PARTICULARS = re.compile(
    r"""(?=[\d*\#xX尾e])(?:  # most places are done with here
      (?P<time> (?<![\d:])\d{1,2}:\d\d(?!\d) )
    | (?P<date> (?<!\d)\d{1,4} (?: (?P<mark>[-/.])(?:\d{1,2}|[A-Za-z]{3})(?P=mark)\d{2,4}(?!\d) | 月\d{1,2}[日号] ) )
    | (?P<amount> (?<![\d.,])\d[\d,]{0,14}\.\d\d(?![\d.]) )
    | (?P<masked> (?:[*\#]|[xX]{2})\d{2,5}(?!\d) | \d[*xX]{3} | 尾号[^\d\0]{0,3}\d{3} | \bending\b[^\d\0]{0,6}\d{3} )
    )""",
    re.ASCII | re.VERBOSE,
)
_KINDS = ("time", "date", "amount", "masked")
_JOINTS = tuple(map(ord, ":.-/月"))  # all kinds but the masked number have one behind a digit


def allowance(folded: Tape, count: int) -> NDArray[np.float64]:
    """By text of the tape (`count` of them): the log-odds of spam to be taken off for its particulars, 0 or more."""
    named = np.zeros((count, len(_KINDS)), dtype=np.bool_)
    for text, match in _found(folded):
        named[text, _KINDS.index(match.lastgroup or "")] = True
    allowed: NDArray[np.float64] = np.where(named.sum(axis=1) >= _ENOUGH, ALLOWANCE, 0.0)
    return allowed


def places(folded: Tape) -> list[tuple[int, int]]:
    """Where particulars stand on the tape: first position, and the one behind the last."""
    return [match.span() for _, match in _found(folded)]


def _found(folded: Tape) -> Iterator[tuple[int, re.Match[str]]]:
    joined, ends = folded.joined(), folded.borders
    for text in _worth_reading(folded, ends).tolist():
        begin = int(ends[text - 1]) + 1 if text else 0
        for match in _PARTICULARS.finditer(joined, begin, int(ends[text])):
            yield text, match


def _worth_reading(folded: Tape, ends: Indexes) -> Indexes:
    """The texts in which a joint stands behind a digit: of two particulars one has such a place at least."""
    digit = (folded.codes >= ord("0")) & (folded.codes <= ord("9"))
    behind = np.flatnonzero(digit[:-1]) + 1
    at = behind[np.logical_or.reduce([folded.codes[behind] == joint for joint in _JOINTS])]
    return np.unique(np.searchsorted(ends, at))
