"""Copies for BI: whole, documented, and without a number or a text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.lake import delta
from pipeline.lake.export import export
from pipeline.lake.meanings import ROWS
from pipeline.lake.privacy import Privacy
from pipeline.lake.rolling import roll_up
from pipeline.lake.tables import DECISIONS, SUBMISSIONS, TEXTS, Origin
from pipeline.settings import Settings
from tests.harness.lake.events import PHONE, SECRET_TEXT, decision, submission

pytestmark = pytest.mark.long

BEGIN = 1_795_305_600_000  # midnight UTC
PRIVACY = Privacy(b"secret")
SECRETS = (PHONE, "13900139000", "482913", "王女士", "u77", "Xy12", SECRET_TEXT)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lake of two days."""
    settings = Settings(data_dir=tmp_path / "data")
    for table, made in ((SUBMISSIONS, submission), (TEXTS, submission), (DECISIONS, decision)):
        events = [made(f"s{day}-{PHONE}", at=BEGIN + day * DAY_MS) for day in range(2)]
        origins = [Origin("log", table.name, 0, n, BEGIN) for n in range(2)]
        rows = table.build(events, origins, PRIVACY)
        delta.append(delta.open_table(settings.lake_dir, table), rows, {"log/0": None}, {"log/0": 1})
    roll_up(settings.lake_dir)
    return settings


def test_a_database_has_every_view_with_its_meanings(settings: Settings, tmp_path: Path) -> None:
    counts = export(settings, tmp_path / "bi.duckdb")
    assert set(counts) == set(ROWS)
    assert counts["messages"] == 4
    assert counts["traffic_daily"] == 2
    with duckdb.connect(tmp_path / "bi.duckdb", read_only=True) as copy:
        assert copy.sql("SELECT sum(decisions) FROM traffic_hourly").fetchall() == [(2,)]
        bare = "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
        assert copy.sql(bare).fetchall() == []
        told = copy.sql("SELECT comment FROM duckdb_tables() WHERE table_name = 'messages'").fetchall()
    assert told == [(ROWS["messages"],)]


def test_files_of_chosen_views_and_days(settings: Settings, tmp_path: Path) -> None:
    day = datetime.fromtimestamp(BEGIN / 1000, UTC).date()
    counts = export(settings, tmp_path / "bi", ["messages", "ports"], until=day)
    assert counts == {"messages": 2, "ports": 1}
    assert sorted(path.name for path in (tmp_path / "bi").iterdir()) == ["messages.parquet", "ports.parquet"]
    rows = duckdb.execute(f"SELECT DISTINCT submission FROM '{tmp_path}/bi/messages.parquet'").fetchall()
    assert rows == [(PRIVACY.ident(f"s0-{PHONE}"),)]


@pytest.mark.parametrize("target", ["bi.duckdb", "bi"])
def test_a_copy_has_no_number_and_no_text(settings: Settings, tmp_path: Path, target: str) -> None:
    export(settings, tmp_path / target)
    with duckdb.connect(tmp_path / target if target.endswith("duckdb") else ":memory:") as copy:
        for view in ROWS:
            rows = copy.sql(f"FROM {view if target.endswith('duckdb') else repr(f'{tmp_path}/bi/{view}.parquet')}")
            assert [secret for secret in SECRETS if secret in str(rows.fetchall())] == [], view


def test_a_new_copy_takes_the_place_of_the_old_one_and_readers_keep_theirs(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "bi.duckdb"
    export(settings, place, ["ports"])
    with duckdb.connect(place, read_only=True) as reader:
        export(settings, place, ["messages"])
        assert reader.sql("SELECT count(*) FROM ports").fetchall() == [(1,)]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["bi.duckdb"]
    with duckdb.connect(place, read_only=True) as reader:
        assert reader.sql("SELECT count(*) FROM messages").fetchall() == [(4,)]


def test_a_copy_that_cannot_be_made_is_refused_in_one_line(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(AntispamError, match="no view 'texts'; one of submissions"):
        export(settings, tmp_path / "bi", ["texts"])
    (tmp_path / "file").touch()
    for target in ("file", "nowhere/bi.duckdb"):
        with pytest.raises(AntispamError, match="export: ") as refused:
            export(settings, tmp_path / target, ["ports"])
        assert "\n" not in str(refused.value)
