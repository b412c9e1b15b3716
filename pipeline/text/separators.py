"""Technique: signs between the characters of a word: 发*票, 发 票, 发😀票, v-i-a-g-r-a, fr*ee.

Spaces, symbols and emoji are dropped between Chinese characters and between three or more single Latin letters; a
single symbol is dropped inside a Latin word. Sentence marks and line breaks stay, because the words before and after
them rarely belong together.
"""

from __future__ import annotations

import numpy as np

from pipeline.text.characters import CJK, DIGIT, LETTER, SEPARATOR, characters
from pipeline.text.tape import BORDER, Codes, Flags, Indexes, Tape, after, before

_SPACE = 0x20
_MAX_GAP = 3  # code points between single letters
_INSIDE_WORDS = np.array([ord(c) for c in "*~^`•·"], dtype=np.uint32)
# Between Chinese characters these are never real punctuation.
_TELLING = np.array([ord(c) for c in "*~^|`_#@$%+=\\丶丨丿亅"], dtype=np.uint32)
_EMOJI = 0x2190


def drop_separators(folded: Tape) -> tuple[Tape, Indexes]:
    """The tape without the separators, and the raw positions of gaps that indicate a disguise."""
    kind = characters().kind_of(folded.codes)
    separator = kind == SEPARATOR
    solid = np.flatnonzero(~separator)
    if len(solid) == len(kind):
        return folded, solid[:0]
    gap = np.diff(solid) - 1  # separators between adjacent solid positions
    letter = kind == LETTER
    bound = letter | (kind == DIGIT)
    alone = (letter & ~before(bound) & ~after(bound))[solid]
    spelled = spelled_out(alone[:-1] & alone[1:] & (gap >= 1) & (gap <= _MAX_GAP), folded.codes[solid[:-1] + 1])
    chinese = (kind == CJK)[solid]
    between = chinese[:-1] & chinese[1:] & (gap >= 1)
    inside = letter[solid[:-1]] & letter[solid[1:]] & (gap == 1)
    inside[inside] = np.isin(folded.codes[solid[:-1][inside] + 1], _INSIDE_WORDS)
    link = between | spelled | inside
    if not link.any():
        return folded, solid[:0]
    signs = np.concatenate((_signs(folded, solid, gap, between), folded.origin[solid[:-1][spelled | inside]]))
    owner = np.cumsum(~separator) - 1
    dropped = separator
    dropped[separator] = np.append(link, False)[owner[separator]]
    return folded.keep(~dropped), signs


def spelled_out(link: Flags, separator: Codes) -> Flags:
    """Flags of links between single letters that have an adjacent link, so that three letters are in a row.

    In c.l.a.i.m i.t the space separates words. So a row has either only spaces or only symbols.
    """
    space = separator == _SPACE
    found: Flags = np.zeros(len(link), dtype=np.bool_)
    for row in (link & space, link & ~space):
        padded = np.concatenate(([False], row, [False]))
        found |= row & (padded[:-2] | padded[2:])
    return found


def _signs(folded: Tape, solid: Indexes, gap: Indexes, between: Flags) -> Indexes:
    """The raw positions of gaps with a suspicious symbol, an emoji, or a single character beside them."""
    at = np.flatnonzero(between)
    first = folded.codes[solid[at] + 1]
    told = np.isin(first, _TELLING) | (first >= _EMOJI) & (first != 0x3000)
    border = folded.codes[solid] == BORDER
    # apart[k]: a gap or a border separates solid k from solid k - 1
    apart = np.concatenate(([True], (gap > 0) | border[:-1] | border[1:], [True]))
    told |= apart[at] | apart[at + 2]
    signs: Indexes = folded.origin[solid[at[told]]]
    return signs
