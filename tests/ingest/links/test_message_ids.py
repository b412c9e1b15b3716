"""Ids say when they were given, differ between servers, and never look like a mobile number."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.links.message_ids import MessageIds, submission_id

NOW = int(datetime(2026, 11, 21, 14, 30, 5, tzinfo=UTC).timestamp() * 1000)


def test_an_id_has_the_fields_of_cmpp() -> None:
    ident = MessageIds(server=5).next(NOW)
    assert ident == int(f"{11:04b}{21:05b}{14:05b}{30:06b}{5:06b}{5:022b}{1:016b}", 2)


def test_ids_of_one_second_differ() -> None:
    ids = MessageIds()
    assert len({ids.next(NOW) for _ in range(1 << 16)}) == 1 << 16


def test_servers_of_one_second_differ() -> None:
    assert MessageIds(1).next(NOW) != MessageIds(2).next(NOW)


@given(st.integers(0, (1 << 64) - 1))
def test_submission_ids_never_look_like_a_mobile_number(ident: int) -> None:
    found = submission_id(ident)
    assert re.fullmatch("[a-z2-7]{13}", found)
