"""The end of an entry: what a column `expires` may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.rules.expiry import NEVER, parse_expiry


def test_an_empty_text_means_no_end() -> None:
    assert parse_expiry("") == NEVER


def test_a_time_is_read_in_its_own_zone() -> None:
    assert parse_expiry("2026-01-01T08:00:00+08:00") == parse_expiry("2026-01-01T00:00:00Z") == 1_767_225_600_000


@given(st.integers(0, 253_402_300_799_999))
def test_a_millisecond_is_neither_lost_nor_added(ms: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    assert parse_expiry(at.isoformat()) == ms


SUCH_AS = "such as 2027-03-01T00:00:00+08:00"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tomorrow", f"expires 'tomorrow' is not an ISO 8601 time {SUCH_AS}"),
        ("2026-01-01", f"expires '2026-01-01' needs a time zone, {SUCH_AS}"),
        ("x" * 1000, f"expires '{'x' * 40}' is not an ISO 8601 time {SUCH_AS}"),
    ],
)
def test_another_text_is_refused_and_quoted_short(text: str, fault: str) -> None:
    with pytest.raises(AntispamError) as error:
        parse_expiry(text)
    assert str(error.value) == fault
