"""Lag per lane, and how long a client is told to wait."""

from __future__ import annotations

import pytest

from pipeline.events import Priority
from pipeline.ingest.broker import Lag
from pipeline.ingest.lag import LONGEST, OF_PARTS, PARTS_LANE, lags

EXPRESS, BULK = "submissions.express", "submissions.bulk"


def test_lanes_are_counted_apart_and_never_below_zero() -> None:
    ends = {(EXPRESS, 0): 10, (EXPRESS, 1): 3, (BULK, 0): 500}
    positions = {(EXPRESS, 0): 4, (EXPRESS, 1): 5, (BULK, 0): 100, (BULK, 1): 0}
    found, done = lags(ends, positions, None, 0.0, 1000)
    assert (found[Priority.EXPRESS].behind, found[Priority.BULK].behind) == (6, 400)
    assert done == {Priority.EXPRESS: 9, Priority.BULK: 100}


def test_the_lag_of_parts_is_their_own() -> None:
    found, _ = lags({("parts", 0): 10}, {("parts", 0): 4}, None, 0.0, 1000, OF_PARTS)
    assert found == {PARTS_LANE: Lag(6, 1)}


@pytest.mark.parametrize(
    ("behind", "speed", "seconds"),
    [(100, 10, 1), (200, 10, 10), (200, 0, LONGEST), (100_000, 10, LONGEST), (101, 10, 1)],
)
def test_the_wait_is_the_excess_over_the_speed(behind: int, speed: int, seconds: int) -> None:
    before: tuple[float, dict[str, int]] = (0.0, {Priority.EXPRESS: 0, Priority.BULK: 0})
    found, _ = lags({(BULK, 0): behind + speed * 2}, {(BULK, 0): speed * 2}, before, 2.0, 100)
    assert (found[Priority.BULK].behind, found[Priority.BULK].seconds) == (behind, seconds)
