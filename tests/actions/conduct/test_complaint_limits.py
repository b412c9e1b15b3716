"""The complaints that suspend or terminate a port."""

from __future__ import annotations

import pytest

from pipeline.actions.conduct.complaint_limits import action_for


@pytest.mark.parametrize(
    ("month", "since_resumed", "action"),
    [
        (15, 15, None),
        (16, 16, "suspend"),
        (50, 50, "suspend"),
        (51, 51, "terminate"),
        (30, 15, None),  # it was suspended for the others, and resumed
        (51, 0, "terminate"),
    ],
)
def test_the_limits_of_the_domain(month: int, since_resumed: int, action: str | None) -> None:
    assert action_for(month, since_resumed) == action
