"""Particulars of a transaction: details that honest notices give and baits rarely do.

They are a masked account, an amount to the cent, a full date and a time of day. Two of them occur in 64 % of the
English notices of banks and carriers and in 40 % of the Chinese, but in only 1.1 % and 0.4 % of spam and in almost no
private message. Grams cannot learn this, because the digits always differ, and a sum of word weights cannot learn that
"click" after a transaction belongs to a receipt. With the allowance, fewer notices of unknown senders are flagged
(folds of train: English 20 instead of 30 of 352, Chinese 3 instead of 6 of 262) for half a thousandth of the recall.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.text.tape import Codes, Flags, Indexes, Tape

ALLOWANCE = 1.5  # log-odds for two or more particulars; a larger value would help baits hidden in a notice
_ENOUGH = 2

# Applied to folded text, so digits are ASCII. Every repetition is bounded, and no match begins inside a number.
_PARTICULARS = re.compile(
    r"""(?=[\d*\#xX尾e])(?:  # excludes most places quickly
      (?P<time> (?<![\d:])\d{1,2}:\d\d(?!\d) )
    | (?P<date> (?<!\d)\d{1,4} (?: (?P<mark>[-/.])(?:\d{1,2}|[A-Za-z]{3})(?P=mark)\d{2,4}(?!\d) | 月\d{1,2}[日号] ) )
    | (?P<amount> (?<![\d.,])\d[\d,]{0,14}\.\d\d(?![\d.]) )
    | (?P<masked> (?:[*\#]|[xX]{2})\d{2,5}(?!\d) | \d[*xX]{3} | 尾号[^\d\0]{0,3}\d{3} | \bending\b[^\d\0]{0,6}\d{3} )
    )""",
    re.ASCII | re.VERBOSE,
)
_KINDS = ("time", "date", "amount", "masked")
_MASKS = tuple(map(ord, "*#xX尾e"))  # every masked number has one of these; "e" begins "ending"
_JOINTS = tuple(map(ord, ":.-/月"))  # every kind except the masked number has one of these behind a digit


def allowance(folded: Tape, count: int) -> NDArray[np.float64]:
    """For each of the tape's `count` texts, the log-odds to subtract for its particulars, 0 or more."""
    named = np.zeros((count, len(_KINDS)), dtype=np.bool_)
    for text, match in _found(folded):
        named[text, _KINDS.index(match.lastgroup or "")] = True
    allowed: NDArray[np.float64] = np.where(named.sum(axis=1) >= _ENOUGH, ALLOWANCE, 0.0)
    return allowed


def places(folded: Tape) -> list[tuple[int, int]]:
    """The spans of particulars on the tape: first position and end (exclusive)."""
    return [match.span() for _, match in _found(folded)]


def _found(folded: Tape) -> Iterator[tuple[int, re.Match[str]]]:
    joined, ends = folded.joined(), folded.borders
    for text in _worth_reading(folded, ends).tolist():
        begin = int(ends[text - 1]) + 1 if text else 0
        for match in _PARTICULARS.finditer(joined, begin, int(ends[text])):
            yield text, match


def _worth_reading(folded: Tape, ends: Indexes) -> Indexes:
    """The texts that may have two kinds of particulars, because they have a joint behind a digit and either two joints
    between figures or one and a sign of a masked number.
    """
    codes = folded.codes
    at = np.flatnonzero(np.logical_or.reduce([codes[1:] == joint for joint in _JOINTS])) + 1
    previous, following = codes[at - 1], codes[at + 1]  # the tape ends in a border, which is no joint
    lower = following | np.uint32(0x20)
    letter = (lower >= ord("a")) & (lower <= ord("z"))
    inside = (_is_digit(previous) | (previous == ord(","))) & (_is_digit(following) | letter)
    sign = np.flatnonzero(np.logical_or.reduce([codes == mask for mask in _MASKS]))
    sign = sign[(codes[sign] != ord("e")) | (codes[sign + 1] == ord("n"))]
    told, joints, masks = (
        np.bincount(np.searchsorted(ends, places), minlength=len(ends))
        for places in (at[_is_digit(previous)], at[inside], sign)
    )
    return np.flatnonzero((told > 0) & ((joints > 1) | ((joints > 0) & (masks > 0))))


def _is_digit(codes: Codes) -> Flags:
    flags: Flags = codes - np.uint32(ord("0")) < 10  # smaller codes wrap around to large ones
    return flags
