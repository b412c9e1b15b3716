"""What `antispam query --describe` says of views and columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import AntispamError
from pipeline.lake.meanings import COLUMNS, OF_VIEW, ROWS
from pipeline.lake.query import describe
from pipeline.lake.views import connect
from pipeline.settings import Settings


def test_every_view_and_column_has_a_meaning_and_no_meaning_is_left_over(tmp_path: Path) -> None:
    with connect(Settings(data_dir=tmp_path)) as lake:
        columns = lake.sql(
            """SELECT table_name, column_name, comment FROM duckdb_columns()
               WHERE schema_name = 'main' AND NOT internal"""
        ).fetchall()
        views = dict(lake.sql("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall())
    assert views == ROWS
    assert [(view, column) for view, column, comment in columns if comment is None] == []
    own = {(view, column) for view, of_view in OF_VIEW.items() for column in of_view}
    there = {(view, column) for view, column, _ in columns}
    assert own - there == set()
    assert set(COLUMNS) - {column for _, column in there - own} == set()


def test_describe_lists_views_or_the_columns_of_one() -> None:
    assert describe(None).to_pydict() == {"view": list(ROWS), "row": list(ROWS.values())}
    first = describe("traffic_daily").to_pylist()[0]
    assert (first["column"], first["type"]) == ("day", "DATE")
    assert "zone of the console" in first["meaning"]
    with pytest.raises(AntispamError, match="no view 'texts'; one of submissions"):
        describe("texts")
