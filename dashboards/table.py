"""The tables of the console: a reader may save or copy them into a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from pipeline.text.spreadsheet import defused


def table(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame whose texts no spreadsheet takes for a formula."""
    return pd.DataFrame([[defused(cell) for cell in row] for row in rows], columns=list(columns))
