"""Complaints and clean months move a port between the tiers, one month at a time."""

from __future__ import annotations

import pytest

from pipeline.events import Tier
from pipeline.rules.conduct.tier_conduct import Month, tier_after

CLEAN, OLD = "2025-01", "2024-12"


def months(*given: tuple[int, int, int]) -> list[Month]:
    """(complaints, messages, violations) of June, May … 2026."""
    return [Month(f"2026-{6 - n:02}", *each) for n, each in enumerate(given)]


@pytest.mark.parametrize(
    ("tier", "conduct", "expected"),
    [
        (Tier.ORDINARY, [(3, 1_000_000, 0), (0, 10, 0)], None),  # exactly 3 per million
        (Tier.ORDINARY, [(4, 1_000_000, 0), (0, 10, 0)], Tier.HIGH),
        (Tier.TRUSTED, [(4, 1_000_000, 0), (0, 10, 0)], Tier.HIGH),
        (Tier.HIGH, [(4, 1_000_000, 0), (0, 10, 0)], None),
        (Tier.ORDINARY, [(0, 10, 0), (9, 10, 5)], None),  # it is the last month that counts
        (Tier.HIGH, [(3, 1_000_000, 0), (0, 10, 0)], Tier.ORDINARY),
        (Tier.HIGH, [(0, 10, 0), (0, 10, 1)], None),
        (Tier.HIGH, [(0, 10, 0), (4, 1_000_000, 0)], None),
        (Tier.HIGH, [(0, 10, 0)], None),
        (Tier.HIGH, [(0, 0, 0), (0, 0, 0)], Tier.ORDINARY),  # it sent nothing
        (Tier.HIGH, [(1, 0, 0), (0, 10, 0)], None),  # nobody knows what it sent
        (Tier.ORDINARY, [(1, 0, 0), (0, 10, 0)], None),
        (Tier.TRUSTED, [(0, 10, 0), (0, 10, 0)], None),
        (Tier.ORDINARY, [], None),
    ],
)
def test_the_tier_follows_the_conduct(tier: Tier, conduct: list[tuple[int, int, int]], expected: Tier | None) -> None:
    assert tier_after(tier, months(*conduct), OLD) is expected


def test_a_new_port_must_have_lived_through_both_months() -> None:
    clean = months((0, 10, 0), (0, 10, 0))
    assert tier_after(Tier.HIGH, clean, "2026-04") is Tier.ORDINARY
    assert tier_after(Tier.HIGH, clean, "2026-05") is None
