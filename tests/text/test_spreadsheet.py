"""A stranger's text is never a formula in a reader's spreadsheet, and other cells stay as they are."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.query import render
from pipeline.text.spreadsheet import defused

SIGNS = ["=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠", "﹢", "﹣"]
BEFORE = ["", " ", "\t", "\r", "\n", "\r\n", '"', "'", "' ", '\u00a0"', "\ufeff", "\u200b", "\u3000"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", BEFORE, ids=ascii)
def test_a_formula_is_text(sign: str, before: str) -> None:
    cell = before + sign + "HYPERLINK(A1)"
    assert defused(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "1380", "【银行】您好", "a=b", "1-2", "王+李", 5, -5, -0.5, None, True, ["=1"]])
def test_anything_else_stays(cell: object) -> None:
    assert defused(cell) == cell


@given(st.text(min_size=1, max_size=12))
def test_no_cell_of_a_csv_begins_a_formula(text: str) -> None:
    out = io.StringIO()
    render(pa.table({text: [text], "a longer name": [-1]}), "csv", out)
    head, row = csv.reader(io.StringIO(out.getvalue(), newline=""))
    for cell in (head[0], row[0]):
        assert cell == defused(text)
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row[1] == "-1", "a number stays one"


def test_json_is_exact() -> None:
    out = io.StringIO()
    render(pa.table({"t": ["=1+1"]}), "json", out)
    assert out.getvalue() == '{"t": "=1+1"}\n'
