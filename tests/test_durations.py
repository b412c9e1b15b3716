"""Durations as policies, scenarios and the command line write them."""

from __future__ import annotations

import pytest

from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS, parse_duration
from pipeline.errors import AntispamError


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("100ms", 100),
        ("10s", 10_000),
        ("5m", 5 * MINUTE_MS),
        ("24h", 24 * HOUR_MS),
        ("1d", DAY_MS),
        ("999999s", 999_999_000),
    ],
)
def test_a_duration_is_a_number_with_its_unit(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["10", "s", "0s", "-1s", "1.5h", "5 m", "5M", "1w", "five minutes", "1000000s", "1٠s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(AntispamError, match=f"^'{text}' is not a duration such as 10s, 5m, 24h$"):
        parse_duration(text)
