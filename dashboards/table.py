"""Tables of the console, safe to save or copy into a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pipeline.text.spreadsheet import defused


def table(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame with texts that a spreadsheet does not read as formulas."""
    return pd.DataFrame([[defused(cell) for cell in row] for row in rows], columns=list(columns))


def at_right(*columns: str) -> dict[str, Any]:
    """The configuration of columns whose numbers are written out: they stand at the right, digit below digit."""
    return {column: st.column_config.TextColumn(alignment="right") for column in columns}
