"""A month follows the other, and has the days of its zone."""

from __future__ import annotations

import pytest

from pipeline.errors import AntispamError
from pipeline.rules.clock.months import before, bounds, month_of

SHANGHAI = "Asia/Shanghai"


def test_a_month_ends_where_the_next_begins() -> None:
    month = "2026-03"
    for _ in range(15):
        first, last = bounds(month, SHANGHAI)
        assert (month_of(first, SHANGHAI), month_of(last - 1, SHANGHAI)) == (month, month)
        assert bounds(before(month), SHANGHAI)[1] == first
        month = before(month)
    assert month == "2024-12"


def test_the_zone_decides_where_a_day_belongs() -> None:
    first, _ = bounds("2026-03", SHANGHAI)
    assert month_of(first, "UTC") == "2026-02"


@pytest.mark.parametrize("month", ["", "2026", "2026-3", "2026-00", "2026-13", "1999-01", "2026-03-01", "２０２６-03"])
def test_what_is_no_month_is_refused(month: str) -> None:
    with pytest.raises(AntispamError, match="month"):
        bounds(month, SHANGHAI)
