"""The normal form of a text: its wording without disguises, with a map back to the raw text.

Raw text is kept everywhere; words are searched in the normal form. Each step undoes one technique of disguise and has
its own file: `folding`, `separators`, `numerals`. A batch is processed at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from pipeline.text.characters import TECHNIQUES
from pipeline.text.folding import fold, signs
from pipeline.text.joining import joined
from pipeline.text.numerals import read_numerals
from pipeline.text.pinyin import pinyin
from pipeline.text.separators import drop_separators
from pipeline.text.tape import Flags, Indexes, Tape, lay

NONE: Mapping[str, int] = MappingProxyType({})
_SEPARATORS, _NUMERALS = len(TECHNIQUES), len(TECHNIQUES) + 1
_NAMES = (*TECHNIQUES, "separators", "chinese_digits")


@dataclass(frozen=True, slots=True)
class Normal:
    """A text in normal form.

    `map[i]` is the raw index of the i-th code point of `text`; it never decreases. `techniques` counts the places where
    each disguise was undone.
    """

    text: str
    map: tuple[int, ...]
    techniques: Mapping[str, int]


@dataclass(frozen=True)
class Normals:
    """A batch: its raw tape, folded tape and normal tape; the normal texts; the techniques by text.

    The views that several readers share are made on first use.
    """

    raw: Tape
    folded: Tape
    tape: Tape
    texts: list[str]
    techniques: list[Mapping[str, int]]

    @cached_property
    def close(self) -> tuple[Tape, Flags]:
        """The view "joined" (joining.py)."""
        return joined(self.tape)

    @cached_property
    def sounds(self) -> tuple[Tape, Flags]:
        """The view "pinyin" (pinyin.py)."""
        return pinyin(self.close[0])

    def map(self, owner: int) -> Indexes:
        """The index in the raw text of each code point of a text's normal form."""
        first = int(self.raw.borders[owner - 1]) + 1 if owner else 0
        begin = int(np.searchsorted(self.tape.origin, first))
        return self.tape.origin[begin : begin + len(self.texts[owner])] - first


def normalise_batch(texts: Sequence[str]) -> Normals:
    """The normal forms of texts. Any str is accepted, including lone surrogates and NUL."""
    raw = lay(texts)
    at, which = signs(raw)
    folded = fold(raw)
    tape, gaps = drop_separators(folded)
    tape, numerals = read_numerals(tape)
    techniques: list[Mapping[str, int]] = [NONE] * len(texts)
    if len(at) or len(gaps) or len(numerals):
        where = np.concatenate((at, gaps, numerals))
        kinds = np.repeat(np.array([0, _SEPARATORS, _NUMERALS]), (len(at), len(gaps), len(numerals)))
        kinds[: len(at)] = which
        _count(techniques, np.searchsorted(raw.borders, where), kinds)
    return Normals(raw, folded, tape, tape.texts(), techniques)


def _count(techniques: list[Mapping[str, int]], owners: Indexes, kinds: Indexes) -> None:
    pairs, counts = np.unique(owners * len(_NAMES) + kinds, return_counts=True)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        owner, kind = divmod(pair, len(_NAMES))
        techniques[owner] = {**techniques[owner], _NAMES[kind]: count}


def normalise(text: str) -> Normal:
    """The normal form of one text. For many texts, `normalise_batch` is many times faster."""
    batch = normalise_batch([text])
    return Normal(batch.texts[0], tuple(batch.map(0).tolist()), batch.techniques[0])
