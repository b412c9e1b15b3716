"""The fingerprint of a content: counters treat messages with equal fingerprints as the same text.

The copies of one text to many people differ in amounts, codes, dates and spacing, and in signs inserted to make them
look different. The fingerprint ignores these, so fifty renderings of one template count as fifty of one content.
Words are kept: texts with different meaning must never share a count. Texts with deliberately varied wording are
recognised as campaigns instead.

The fingerprint is computed from the folded text. Folding reads each character alone, so an ignored character
cannot change the reading of its neighbours.
"""

from __future__ import annotations

import re

import xxhash

from pipeline.text.characters import SEPARATOR, characters
from pipeline.text.normal import Normals, normalise_batch

_zero_digit_runs = re.compile(r"[0-9]+").sub


def fingerprints(normals: Normals) -> list[str]:
    """16 hex digits (xxHash64) for each text; the same in all batches, processes and releases.

    Ignores everything that `folding` undoes (width, circles, traditional characters, look-alike letters, case,
    invisible characters), all whitespace, symbols and emoji, and the value and length of a run of digits. Sentence
    marks count. A text of symbols only is hashed with its symbols.
    """
    folded = normals.folded
    kept = folded.keep(characters().kind_of(folded.codes) != SEPARATOR)
    same = _zero_digit_runs("0", "".join(kept.joined().split())).split("\0")[:-1]
    if "" in same:
        same = [some or "".join(all_.split()) for some, all_ in zip(same, folded.texts(), strict=True)]
    return [xxhash.xxh64_hexdigest(text.encode("utf-8", "surrogatepass")) for text in same]


def fingerprint(content: str) -> str:
    """The fingerprint of one text; any str is accepted, lone surrogates included."""
    return fingerprints(normalise_batch([content]))[0]
