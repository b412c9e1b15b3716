"""View "lookalike": characters that differ by a stroke read as one (末 as 未, 货 as 贷)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.text.tables import rows
from pipeline.text.tape import Tape

_TABLE_SIZE = 0xA000


@cache
def _table() -> NDArray[np.uint32]:
    table = np.arange(_TABLE_SIZE, dtype=np.uint32)
    for (alike,) in rows("lookalikes"):
        for char in alike:
            table[ord(char)] = ord(alike[0])
    return table


def lookalike(joined: Tape) -> Tape:
    """The view: each character is replaced by the first of its look-alikes."""
    low = joined.codes < _TABLE_SIZE
    return joined.replace(np.where(low, _table().take(joined.codes, mode="clip"), joined.codes))
