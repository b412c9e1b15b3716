"""Hits are counted once a decision, by hour, of complete hours only."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.actions.watch.hits import DAYS, Hits, history
from pipeline.actions.watch.rates import Hour
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.lake.views import connect
from pipeline.settings import Settings
from tests.harness.lake.rule_hits import decided, hours, put

NOW = 489_000 * HOUR_MS + 90_000
HOUR = NOW // HOUR_MS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_an_empty_lake_has_no_history(settings: Settings) -> None:
    told = history(connect(settings).cursor(), NOW)
    assert (told.until, told.days, told.totals) == (HOUR * HOUR_MS, 0, {})


def test_a_hit_is_a_match_of_any_kind_once_a_decision(settings: Settings) -> None:
    at = NOW - HOUR_MS
    put(
        settings,
        [
            decided(at, {"a": "counted", "b": "counted"}),
            decided(at, {"b": "counted"}),
            decided(at, {"a": "shadow"}),
            decided(at, {"a": "suppressed", "b": "shadow"}),
            decided(at, {"r": "counted"}, source="record"),
            decided(at, {"a": "counted"}, decided_round=1),  # the same submission again
            decided(NOW),
        ],
    )
    told = history(connect(settings).cursor(), NOW)
    assert told.totals == {
        "a": Hits(hits=3, counted=1, deciding=1, shadow=1, suppressed=1),
        "b": Hits(hits=3, counted=2, deciding=1, shadow=1, suppressed=0),
        "r": Hits(hits=1, counted=1, deciding=1, shadow=0, suppressed=0),
    }
    assert told.hour("a", "submission", HOUR - 1) == Hour(3, 4)
    assert told.hour("r", "record", HOUR - 1) == Hour(1, 1)
    assert told.days == 1


@pytest.mark.long
def test_an_hour_is_complete_when_a_later_decision_is_there(settings: Settings) -> None:
    put(settings, hours("a", {HOUR - 25: (1, 2), HOUR - 2: (1, 3), HOUR - 1: (2, 4)}))
    told = history(connect(settings).cursor(), NOW)
    assert told.until == (HOUR - 1) * HOUR_MS  # of the last hour perhaps not all has come
    put(settings, [decided(NOW)])
    told = history(connect(settings).cursor(), NOW)
    assert told.until == HOUR * HOUR_MS
    assert told.hour("a", "submission", HOUR - 1) == Hour(2, 4)
    assert told.earlier("a", "submission", HOUR - 1)[:2] == [Hour(1, 2), Hour(0, 0)]


def test_older_hours_than_the_period_and_a_future_clock_do_not_count(settings: Settings) -> None:
    put(settings, [*hours("a", {HOUR - 24 * DAYS - 1: (5, 5), HOUR - 24 * DAYS: (1, 1)}), decided(NOW)])
    put(settings, [decided(NOW + DAY_MS, {"a": "counted"})])
    told = history(connect(settings).cursor(), NOW)
    assert (told.until, told.totals["a"].hits) == (HOUR * HOUR_MS, 1)
