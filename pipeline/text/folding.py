"""Technique: other forms of a character, and invisible characters.

Full-width (ＡＢ１), circled (①), styled (𝐛𝐞𝐭), traditional (發), Cyrillic and Greek look-alikes
(раy), accents and stacked marks, zero-width characters and direction overrides.
"""

from __future__ import annotations

import numpy as np

from pipeline.text.characters import DROPPED, HOMOGLYPH, characters
from pipeline.text.tape import Flags, Indexes, Tape

_JOINER = 0x200D
_EMOJI = 0x1F000


def fold(raw: Tape) -> Tape:
    """Each code point as `characters` reads it. A code point may become none or several."""
    table = characters()
    folded = table.fold_of(raw.codes)
    uneven = folded >= DROPPED
    if not uneven.any():
        return raw.replace(folded)
    counts = np.ones(len(folded), dtype=np.intp)
    counts[uneven] = table.lengths[folded[uneven] - DROPPED]
    codes = np.repeat(folded, counts)
    several = codes > DROPPED
    if several.any():
        firsts = np.repeat(np.cumsum(counts) - counts, counts)[several]
        codes[several] = table.expansions[codes[several] - DROPPED, np.flatnonzero(several) - firsts]
    return Tape(codes, np.repeat(raw.origin, counts), np.repeat(raw.end, counts))


def signs(raw: Tape) -> tuple[Indexes, Indexes]:
    """The positions of the raw tape that indicate a disguise, and the index of each technique."""
    codes = raw.codes
    technique = characters().technique_of(codes)
    at = np.flatnonzero(technique)
    if not len(at):
        return at, at
    previous, following = codes[at - 1], codes[(at + 1) % len(codes)]
    natural = (codes[at] == _JOINER) & ((previous >= _EMOJI) | (previous == 0xFE0F))  # 👩‍👧
    # A look-alike letter inside a word of its own script is normal; only beside Latin letters is it a disguise.
    natural |= (technique[at] == HOMOGLYPH) & ~(_latin(previous) | _latin(following))
    at = at[~natural]
    return at, technique[at].astype(np.intp)


def _latin(codes: np.ndarray) -> Flags:
    lower = codes | 0x20
    return (lower >= 0x61) & (lower <= 0x7A)
