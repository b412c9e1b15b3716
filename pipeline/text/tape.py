"""A batch of texts laid end to end as one array of code points, so that each step is whole-array work.

Python work per character, or even per text, costs more than reading the text does. Every step makes
a new tape of the one before and carries along where each code point came from, so whatever is found
at the end can be shown in the text as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BORDER = 0  # the code point after each text; no text has it
_NO_CHARACTER = "\ufdd0"  # stands for NUL in a text; Unicode never assigns it

Codes = NDArray[np.uint32]
Indexes = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tape:
    """Texts end to end, a BORDER after each.

    `codes[i]` was read from the raw tape's positions `origin[i]` up to `end[i]`, exclusive. Both
    never fall from one position to the next.
    """

    codes: Codes
    origin: Indexes
    end: Indexes

    def keep(self, kept: Flags) -> Tape:
        """Only the positions in `kept`; borders must be among them."""
        return self if kept.all() else Tape(self.codes[kept], self.origin[kept], self.end[kept])

    def replace(self, codes: Codes) -> Tape:
        """The same positions read as `codes`."""
        return Tape(codes, self.origin, self.end)

    @property
    def borders(self) -> Indexes:
        """The position of each text's border: text t begins after the one of t - 1."""
        return np.flatnonzero(self.codes == BORDER)

    def holding(self, marked: Flags) -> Flags:
        """All positions of the texts that have a marked one."""
        owner = np.cumsum(self.codes == BORDER) - (self.codes == BORDER)
        wanted = np.zeros(int(owner[-1]) + 1, dtype=np.bool_)
        wanted[owner[marked]] = True
        held: Flags = wanted[owner]
        return held

    def joined(self) -> str:
        """The whole tape as one str."""
        return self.codes.tobytes().decode("utf-32-le", "surrogatepass")

    def texts(self) -> list[str]:
        """The texts as this tape reads them."""
        return self.joined().split("\0")[:-1]


def lay(texts: Sequence[str]) -> Tape:
    """The raw tape: every code point is its own origin. Any str is accepted."""
    joined = "\0".join(texts) + "\0" if texts else ""
    if joined.count("\0") != len(texts):
        joined = "".join(text.replace("\0", _NO_CHARACTER) + "\0" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    origin = np.arange(len(codes), dtype=np.intp)
    return Tape(codes, origin, origin + 1)


def before(values: Flags) -> Flags:
    """Each position's predecessor; the first has the last, which is a border."""
    return np.concatenate((values[-1:], values[:-1]))


def after(values: Flags) -> Flags:
    """Each position's successor; the last, a border, has the first."""
    return np.concatenate((values[1:], values[:1]))
