"""Cuts: a sender that halves a refused text, and halves it again, to find what the pipeline refuses.

A text is refused. The sender tries one half, then half of a half. Each try has passages of the first text, and is about
half as long as the one before. A sender that corrects a text keeps most of it: its length stays, or falls a little.

A passage is six letters or digits in a row. A window remembers up to 32 passages of each counted text: those with the
smallest hashes. A part of a text keeps the smallest of the passages that lie in it, so a text and its part have some in
common wherever it was cut. Beside each passage stands the length class of its text: lengths of one class differ by
less than twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence, Set
from functools import lru_cache
from itertools import groupby

from xxhash import xxh3_64_intdigest

GRAM = 6  # letters or digits of a passage
KEPT = 32  # passages of a text: a quarter of it still has eight of them
SHARED = 3  # passages that a text and its part have in common, at least
MOST = 0.6  # the share of the part's passages that lie in the longer text, at least; a greeting is less of a text
ByLength = Mapping[int, Set[int]]
_CLASS_BITS = 5
_SIZE = (1 << _CLASS_BITS) - 1
_signature = re.compile(r"[【\[][^】\]]*[】\]]").sub
_marks = re.compile(r"[\W_]+").sub


@lru_cache(1_000)  # a port sends one text many times
def passages(folded: str) -> tuple[int, ...]:
    """The remembered passages of a text, each with the length class of the text in its last bits.

    `folded` is the text in folded form. Marks, spaces and signatures do not count. Empty for a text with fewer than 8
    letters or digits.
    """
    letters = _marks("", _signature("", folded))
    grams = {letters[i : i + GRAM] for i in range(len(letters) - GRAM + 1)}
    if len(grams) < SHARED:
        return ()
    hashes = sorted(xxh3_64_intdigest(gram.encode("utf-8", "surrogatepass")) >> _CLASS_BITS for gram in grams)
    size = len(letters).bit_length()
    return tuple([each << _CLASS_BITS | size for each in hashes[:KEPT]])


def by_length(seen: Collection[int]) -> ByLength:
    """The passages of texts by the length class of their text."""
    found: dict[int, set[int]] = {}
    for length, of_text in groupby(seen, key=_SIZE.__and__):  # the passages of one text follow each other
        found.setdefault(length, set()).update(of_text)
    return found


def cuts(own: Sequence[int], seen: ByLength) -> int:
    """The number of lengths, each about half of the next, in which a text was tried: this text and longer ones.

    `own` are the passages of this text, `seen` those of the counted texts. 3 means: a text, its half and its quarter.
    0 for a text without passages.
    """
    if not own:
        return 0
    size = own[0] & _SIZE
    return 1 + sum(
        _is_part({each - size + length for each in own}, texts) for length, texts in seen.items() if length > size
    )


def _is_part(mine: Set[int], theirs: Set[int]) -> bool:
    """Whether most of a text lies in longer texts of one class, by the passages that these would have kept.

    `mine` are the passages of the text with the length class of the others.
    """
    shared = len(mine & theirs)
    if shared < SHARED:
        return False
    largest = max(theirs)
    return shared >= MOST * sum(each <= largest for each in mine)
