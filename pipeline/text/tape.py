"""A tape: a batch of texts end to end in one array of code points, so that each step is a whole-array operation.

Python code for each character, or even for each text, would cost more than the reading itself. Each step makes a new
tape and keeps the origin of each code point. So a find in the last tape can be shown in the raw text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BORDER = 0  # the code point after each text; no text contains it
_NO_CHARACTER = "\ufdd0"  # replaces NUL in a text; Unicode never assigns this code point

Codes = NDArray[np.uint32]
Indexes = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tape:
    """Texts end to end, a BORDER after each.

    `codes[i]` was read from the raw tape's positions `origin[i]` up to `end[i]`, exclusive. Neither ever decreases from
    one position to the next.
    """

    codes: Codes
    origin: Indexes
    end: Indexes

    def keep(self, kept: Flags) -> Tape:
        """The tape of only the positions in `kept`, which must include all borders."""
        return self if kept.all() else Tape(self.codes[kept], self.origin[kept], self.end[kept])

    def replace(self, codes: Codes) -> Tape:
        """The tape with the same positions and other `codes`."""
        return Tape(codes, self.origin, self.end)

    @property
    def borders(self) -> Indexes:
        """The position of each text's border. Text t begins after the border of text t - 1."""
        return np.flatnonzero(self.codes == BORDER)

    def holding(self, marked: Flags) -> Flags:
        """Flags of all positions of the texts that have a marked position."""
        owner = np.cumsum(self.codes == BORDER) - (self.codes == BORDER)
        wanted = np.zeros(int(owner[-1]) + 1, dtype=np.bool_)
        wanted[owner[marked]] = True
        held: Flags = wanted[owner]
        return held

    def joined(self) -> str:
        """The whole tape as one str."""
        return self.codes.tobytes().decode("utf-32-le", "surrogatepass")

    def texts(self) -> list[str]:
        """The texts of this tape."""
        return self.joined().split("\0")[:-1]


def lay(texts: Sequence[str]) -> Tape:
    """The raw tape of texts: each code point is its own origin. Any str is accepted."""
    joined = "\0".join(texts) + "\0" if texts else ""
    if joined.count("\0") != len(texts):
        joined = "".join(text.replace("\0", _NO_CHARACTER) + "\0" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    origin = np.arange(len(codes), dtype=np.intp)
    return Tape(codes, origin, origin + 1)


def before(values: Flags) -> Flags:
    """The value before each position. The first position gets the last value, which belongs to a border."""
    return np.concatenate((values[-1:], values[:-1]))


def after(values: Flags) -> Flags:
    """The value after each position. The last position, a border, gets the first value."""
    return np.concatenate((values[1:], values[:1]))
