"""Times of validity and schedule are read as absolute times with a zone, or as spans."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.due_time import due_time
from pipeline.protocols.frames import ProtocolError

NOW = 1_796_000_000_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", None),
        ("261121143005032+", "2026-11-21T06:30:05+00:00"),
        ("261121143005720-", "2026-11-21T19:30:05.700000+00:00"),
        ("261121143005000+", "2026-11-21T14:30:05+00:00"),
    ],
)
def test_absolute_times(text: str, at: str | None) -> None:
    expected = None if at is None else int(datetime.fromisoformat(at).timestamp() * 1000)
    assert due_time(text, NOW) == expected


def test_a_span_counts_from_now() -> None:
    assert due_time("000001020304000R", NOW) == NOW + ((26 * 60 + 3) * 60 + 4) * 1000


@pytest.mark.parametrize("text", ["261321143005032+", "261121253005032+", "2611211430", "x" * 16, "26112114300503２+"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="time: "):
        due_time(text, NOW)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 - hypothesis adds the zone
    st.integers(-48, 48),
)
def test_an_absolute_time_means_the_same_in_every_zone(at: datetime, quarters: int) -> None:
    zone = timezone(timedelta(minutes=15 * quarters))
    local = at.replace(tzinfo=zone, microsecond=0)
    text = f"{local:%y%m%d%H%M%S}0{abs(quarters):02d}{'-' if quarters < 0 else '+'}"
    assert due_time(text, NOW) == int(local.timestamp()) * 1000
