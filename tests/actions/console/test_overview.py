"""The figures of the overview: right, with their times, and limited to the user's scope."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.actions.console.overview import standing, traffic
from pipeline.durations import HOUR_MS
from pipeline.events import Verdict
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.console_data import CASES, fill_lake, fill_rest, open_cases, register_ports

NOW = 1_790_000_000_000
VIEWER = User("vic", Role.VIEWER)
SOUTH = User("sue", Role.VIEWER, {"province": "广东"})


def test_what_waits_is_counted_with_the_age_of_the_oldest(any_db: Database) -> None:
    register_ports(any_db, NOW - HOUR_MS)
    open_cases(any_db, NOW)
    fill_rest(any_db, NOW)
    seen = standing(any_db, VIEWER, NOW)
    assert (seen.cases, seen.oldest_case) == (len(CASES), NOW - len(CASES) * 180_000)
    assert seen.next_due == NOW + HOUR_MS - len(CASES) * 180_000
    assert seen.overdue_cases == 0
    assert standing(any_db, VIEWER, NOW + HOUR_MS).overdue_cases == len(CASES)
    assert (seen.holds, seen.overdue_holds, seen.oldest_hold) == (1, 0, NOW - 8000)
    assert standing(any_db, VIEWER, NOW + 2001).overdue_holds == 1
    assert (seen.undecided, seen.oldest_undecided) == (1, NOW - 300)
    assert seen.alerts == {"critical": 1, "severe": 1, "warning": 2}
    assert seen.outbox > 0
    assert {c.name: (c.open, c.submitted, c.delivered, c.failed) for c in seen.channels} == {
        "default": (0, 0, 14, 6),
        "unicom": (6, 7, 7, 0),
    }


def test_a_scope_limits_every_figure(any_db: Database) -> None:
    register_ports(any_db, NOW - HOUR_MS)
    open_cases(any_db, NOW)
    fill_rest(any_db, NOW)
    south = standing(any_db, SOUTH, NOW)
    north = standing(any_db, User("nan", Role.VIEWER, {"city": "北京"}), NOW)
    nowhere = standing(any_db, User("nils", Role.VIEWER, {"city": "昆明"}), NOW)
    assert (south.cases, north.cases, nowhere.cases) == (3, 3, 0)
    assert (south.holds, north.holds, nowhere.holds) == (1, 0, 0)
    assert (south.undecided, north.undecided) == (1, 0)
    assert sum(south.alerts.values()) + sum(north.alerts.values()) == 4
    assert not nowhere.alerts
    assert not nowhere.channels


def test_traffic_counts_each_message_under_its_own_verdict(operational_db: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    fill_lake(settings, NOW, 60)
    lake = LakeReader(settings)
    seen = traffic(operational_db, lake.cursor(), VIEWER, NOW - HOUR_MS, NOW + 60_000, 60_000)
    assert sum(seen.messages.values()) == 3 * 60
    assert seen.messages[Verdict.REJECT] >= 60, "an exception's recipient counts under its own verdict"
    assert sum(count for _, _, count in seen.series) == 180
    assert all(start % 60_000 == 0 for start, _, _ in seen.series)
    assert seen.p50_ms is not None
    assert seen.p99_ms is not None
    assert 40 <= seen.p50_ms <= seen.p99_ms <= 48
    earlier = traffic(operational_db, lake.cursor(), VIEWER, NOW - 9 * HOUR_MS, NOW - 8 * HOUR_MS, 60_000)
    assert (dict(earlier.messages), earlier.p50_ms, earlier.newest) == ({}, None, None)


def test_a_repeated_decision_counts_once(operational_db: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    fill_lake(settings, NOW, 12)
    cursor = LakeReader(settings).cursor()
    once = traffic(operational_db, cursor, VIEWER, NOW - HOUR_MS, NOW + 60_000, 60_000)
    cursor.execute(
        """CREATE OR REPLACE TEMP TABLE decisions AS
           SELECT * FROM memory.main.decisions
           UNION ALL
           SELECT * REPLACE ("offset" + 1000 AS "offset", 'blacklist' AS verdict) FROM memory.main.decisions"""
    )
    assert cursor.execute("SELECT count(*) FROM decisions").fetchone() == (24,)
    again = traffic(operational_db, cursor, VIEWER, NOW - HOUR_MS, NOW + 60_000, 60_000)
    assert again.messages == once.messages


def test_traffic_of_a_scope(operational_db: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    register_ports(operational_db, NOW)
    fill_lake(settings, NOW, 60)
    cursor = LakeReader(settings).cursor()
    south = traffic(operational_db, cursor, SOUTH, NOW - HOUR_MS, NOW + 60_000, 60_000)
    assert sum(south.messages.values()) == 90
    with pytest.raises(Forbidden):
        traffic(operational_db, cursor, User("x", Role.VIEWER, must_change=True), 0, 1, 1)
