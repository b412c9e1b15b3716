"""Stored roll-ups: of lakes that have none, of older definitions, merged, and read meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import deltalake
import pytest

from pipeline.durations import DAY_MS
from pipeline.events import Verdict
from pipeline.lake import delta, rolling
from pipeline.lake.privacy import Privacy
from pipeline.lake.rolling import catch_up, merge, open_rollup
from pipeline.lake.rollups import TRAFFIC
from pipeline.lake.tables import DECISIONS, Origin
from pipeline.lake.upkeep import compact
from pipeline.lake.views import connect
from pipeline.settings import Settings
from tests.harness.lake.events import decision

pytestmark = pytest.mark.long

BEGIN = 1_795_305_600_000
PRIVACY = Privacy(b"secret")
APP = "log/0"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def decide(settings: Settings, first: int, count: int = 4, at: int = BEGIN, counted: bool = False) -> None:
    """Write decisions as a sink does, with their roll-up or as an older sink without."""
    table = delta.open_table(settings.lake_dir, DECISIONS)
    made = [decision(f"d{n}", verdict=Verdict.RELEASE, at=at, messages=2) for n in range(first, first + count)]
    rows = DECISIONS.build(made, [Origin("log", "decisions", 0, first + n, at) for n in range(count)], PRIVACY)
    position = {APP: first - 1 if first else None}, {APP: first + count - 1}
    if counted:
        delta.append(open_rollup(settings.lake_dir, TRAFFIC), TRAFFIC.rows(rows), *position)
    delta.append(table, rows, *position)


def traffic(settings: Settings) -> list[tuple[int, ...]]:
    sql = "SELECT sum(decisions), sum(messages), sum(released), sum(rejected) FROM traffic_hourly"
    with connect(settings) as lake:
        return lake.execute(sql).fetchall()


def caught_up(settings: Settings) -> deltalake.DeltaTable:
    made, raw = open_rollup(settings.lake_dir, TRAFFIC), delta.open_table(settings.lake_dir, DECISIONS)
    catch_up(made, raw, TRAFFIC, "log", 0)
    return made


def test_a_lake_of_an_older_version_gets_its_roll_ups_and_only_once(settings: Settings) -> None:
    decide(settings, 0)
    assert caught_up(settings).transaction_version(APP) == 3
    assert traffic(settings) == [(4, 8, 4, 4)]
    caught_up(settings)
    assert traffic(settings) == [(4, 8, 4, 4)]


def test_rows_that_an_older_sink_wrote_meanwhile_are_counted(settings: Settings) -> None:
    decide(settings, 0, counted=True)
    decide(settings, 4)
    decide(settings, 8, at=BEGIN + DAY_MS)
    assert traffic(settings) == [(4, 8, 4, 4)]
    assert caught_up(settings).transaction_version(APP) == 11
    assert traffic(settings) == [(12, 24, 12, 12)]


def test_another_definition_makes_the_roll_up_anew(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(settings, 0, counted=True)
    decide(settings, 4, counted=True)
    fewer = tuple(key for key in TRAFFIC.keys if key.name != "policy")
    other = replace(TRAFFIC, version=2, keys=fewer)
    made = open_rollup(settings.lake_dir, other)
    assert made.transaction_version(APP) == 7
    assert "policy" not in made.to_pyarrow_table().column_names
    assert sum(row["decisions"] for row in made.to_pyarrow_table().to_pylist()) == 8


def test_merging_leaves_one_row_for_each_set_of_keys_and_the_same_sums(settings: Settings) -> None:
    for n in range(6):
        decide(settings, n * 4, at=BEGIN + n // 3 * DAY_MS, counted=True)
    reader = connect(settings)
    made = open_rollup(settings.lake_dir, TRAFFIC)
    assert merge(made, TRAFFIC) == (6, 2)
    assert made.to_pyarrow_table().num_rows == 2
    assert made.transaction_version(APP) == 23
    assert traffic(settings) == [(24, 48, 24, 24)]
    assert reader.execute("SELECT sum(decisions) FROM traffic_hourly").fetchall() == [(24,)]
    assert compact(settings).merged > 0  # of the decisions; a merged roll-up is left as it is
    assert traffic(settings) == [(24, 48, 24, 24)]


def test_a_day_that_a_sink_adds_to_while_it_is_merged_is_merged_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        decide(settings, n * 4, counted=True)
    write = deltalake.write_deltalake

    def overtaken(*args: object, **options: object) -> None:
        monkeypatch.undo()
        decide(settings, 12, counted=True)
        write(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(rolling, "write_deltalake", overtaken)
    made = open_rollup(settings.lake_dir, TRAFFIC)
    assert merge(made, TRAFFIC) == (0, 0)
    assert traffic(settings) == [(16, 32, 16, 16)]
    assert merge(made, TRAFFIC) == (4, 1)
    assert traffic(settings) == [(16, 32, 16, 16)]


def test_days_are_those_of_the_consoles_zone(settings: Settings) -> None:
    decide(settings, 0, at=BEGIN + 17 * 3_600_000, counted=True)  # 17:00 UTC is 01:00 of the next day in China
    with connect(settings) as lake:
        days = lake.execute("SELECT day, port, messages FROM traffic_daily").fetchall()
    assert [(str(day), port, messages) for day, port, messages in days] == [("2026-11-23", "10690001", 8)]
