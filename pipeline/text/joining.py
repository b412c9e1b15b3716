"""View "joined": split characters are merged, and signs inside Chinese words are removed.

氵去 is read as 法, 弓虽 as 强. Sentence marks and line breaks are removed (发，票), also between a Chinese character
and a Latin letter (加 V 信). Single letters or digits that alternate with characters are removed too (代a开b发c票).
Words on both sides of a comma run together here, so this view serves only for matching and is not the normal form.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.text.characters import CJK, DIGIT, LETTER, MARK, SEPARATOR, characters
from pipeline.text.separators import spelled_out
from pipeline.text.tables import rows
from pipeline.text.tape import Flags, Tape, after, before

_MAX_GAP = 3
_SHIFT = 21  # bits of a code point
_TABLE_SIZE = 0xA000


@cache
def _splits() -> tuple[NDArray[np.int64], NDArray[np.uint32], Flags, Flags]:
    """The sorted pairs, each as one number; the merged character of each; flags of possible first and second halves."""
    pairs = sorted(((ord(pair[0]) << _SHIFT) | ord(pair[1]), ord(whole)) for pair, whole in rows("splits"))
    keys = np.array([key for key, _ in pairs], dtype=np.int64)
    first, second = np.zeros(_TABLE_SIZE, dtype=np.bool_), np.zeros(_TABLE_SIZE, dtype=np.bool_)
    first[np.minimum(keys >> _SHIFT, _TABLE_SIZE - 1)] = True
    second[np.minimum(keys & ((1 << _SHIFT) - 1), _TABLE_SIZE - 1)] = True
    return keys, np.array([whole for _, whole in pairs], dtype=np.uint32), first, second


def merge_splits(normal: Tape) -> tuple[Tape, Flags]:
    """The tape with split characters merged, and flags of the merged positions."""
    keys, wholes, first, second = _splits()
    codes = normal.codes
    bounded = np.minimum(codes, _TABLE_SIZE - 1)
    at = np.flatnonzero(first.take(bounded[:-1]) & second.take(bounded[1:]))
    pair = (codes[at].astype(np.int64) << _SHIFT) | codes[at + 1]
    found = np.minimum(np.searchsorted(keys, pair), len(keys) - 1)
    known = keys[found] == pair
    at, found = at[known], found[known]
    free = np.diff(at, prepend=-2) > 1  # of two pairs that share a character, the first is merged
    at, found = at[free], found[free]
    merged = np.zeros(len(codes), dtype=np.bool_)
    if not len(at):
        return normal, merged
    merged[at] = True
    codes, end = codes.copy(), normal.end.copy()
    codes[at] = wholes[found]
    end[at] = end[at + 1]
    kept = ~before(merged)
    return Tape(codes, normal.origin, end).keep(kept), merged[kept]


def joined(normal: Tape) -> tuple[Tape, Flags]:
    """The view, and flags of its positions that are merged split characters."""
    tape, merged = merge_splits(normal)
    kind = characters().kind_of(tape.codes)
    turns = _taking_turns(kind)
    if turns.any():
        tape, merged, kind = tape.keep(~turns), merged[~turns], kind[~turns]
    filling = (kind == SEPARATOR) | (kind == MARK)
    solid = np.flatnonzero(~filling)
    chinese = (kind == CJK)[solid]
    gap = np.diff(solid) - 1
    letter = kind == LETTER
    bound = letter | (kind == DIGIT)
    alone = (letter & ~before(bound) & ~after(bound))[solid]
    spelled = spelled_out(alone[:-1] & alone[1:] & (gap >= 1) & (gap <= _MAX_GAP), tape.codes[solid[:-1] + 1])
    link = (
        (chinese[:-1] | chinese[1:]) & (gap > 0) & (tape.codes.take(solid[1:]) > 0) & (tape.codes.take(solid[:-1]) > 0)
    ) | spelled
    owner = np.cumsum(~filling) - 1
    dropped = filling
    dropped[filling] = np.append(link, False)[owner[filling]]
    return tape.keep(~dropped), merged[~dropped]


def _taking_turns(kind: NDArray[np.uint8]) -> Flags:
    """Single letters and digits between Chinese characters, where two of them have one character between them."""
    chinese = kind == CJK
    single = ((kind == LETTER) | (kind == DIGIT)) & before(chinese) & after(chinese)
    taking_turns: Flags = single & (before(before(single)) | after(after(single)))
    return taking_turns
