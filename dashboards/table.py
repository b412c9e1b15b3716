"""Tables of the console, safe to save or copy into a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from pipeline.text.spreadsheet import defused


def table(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame with texts that a spreadsheet does not read as formulas."""
    return pd.DataFrame([[defused(cell) for cell in row] for row in rows], columns=list(columns))
