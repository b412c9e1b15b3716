"""A number is found without reading every hash."""

from __future__ import annotations

import pytest

from pipeline.lake.marks import mark_of
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import SUBMISSIONS, Origin
from tests.harness.lake.events import PHONE, now_ms, submission

PRIVACY = Privacy(b"secret")


def test_a_recipient_has_the_mark_of_its_hash() -> None:
    (row,) = SUBMISSIONS.build([submission("s")], [Origin("log", "t", 0, 0, now_ms())], PRIVACY).to_pylist()
    assert row["recipient_marks"] == [mark_of(hashed) for hashed in row["recipients"]]
    assert mark_of(PRIVACY.number(PHONE)) in row["recipient_marks"]
    assert mark_of("ffffffff00000000") == -1


@pytest.mark.parametrize("no_hash", ["", "0123", "g" * 16, "１" * 16, "0" * 17, "%' OR true"])
def test_what_is_no_hash_has_no_mark(no_hash: str) -> None:
    assert mark_of(no_hash) is None
