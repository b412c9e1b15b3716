"""The complaints that warn the owner of a port, suspend it, or terminate it."""

from __future__ import annotations

import pytest

from pipeline.actions.conduct.complaint_limits import action_for


@pytest.mark.parametrize(
    ("month", "since_resumed", "action"),
    [
        (10, 10, None),
        (11, 11, "warn"),
        (15, 15, "warn"),
        (16, 16, "suspend"),
        (50, 50, "suspend"),
        (51, 51, "terminate"),
        (30, 15, "warn"),  # it was suspended for the others, and resumed
        (51, 0, "terminate"),
    ],
)
def test_the_limits_of_the_domain(month: int, since_resumed: int, action: str | None) -> None:
    assert action_for(month, since_resumed) == action
