"""Known campaigns: the published campaigns as a worker holds them, and the campaign of a text.

Workers only look texts up. Only the campaign stage decides which texts are variants of each other.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from pipeline.campaigns.hot import QUIET_MS
from pipeline.campaigns.index import GROWTH_MS, TTL_MS, number_of
from pipeline.campaigns.sketches import sketch, unpacked
from pipeline.campaigns.text_index import MAX_MEMBERS, TextIndex
from pipeline.events import Campaign
from pipeline.text.normal import Normals

MOST = 8192  # campaigns held, the last published ones: up to 60 MB


class FindsCampaigns(Protocol):
    """Finds the campaigns of texts; false while it knows none."""

    def __len__(self) -> int:
        """The number of campaigns it knows."""

    def find(self, normals: Normals, at: int) -> list[Campaign | None]:
        """The campaign of each text; None for a text of no campaign alive at `at` (ms)."""


class KnownCampaigns:
    """The campaigns a worker knows; false while it knows none."""

    def __init__(self, ttl_ms: int = TTL_MS) -> None:
        self._index = TextIndex(MOST * MAX_MEMBERS, ttl_ms)
        self._told: dict[int, tuple[Campaign, int]] = {}  # campaign and row of its first text, the last published last

    def __len__(self) -> int:
        return len(self._told)

    def learn(self, campaign: Campaign) -> bool:
        """Take in a published campaign; returns whether it was unknown. Raises ValueError for an invalid one."""
        number = number_of(campaign.id)
        sketches = unpacked(campaign.sketches[:MAX_MEMBERS])
        if not len(sketches):
            raise ValueError("a campaign without texts")
        index = self._index
        before = self._told.pop(number, None)
        known = len(before[0].sketches) if before else 0
        row = before[1] if before else None
        if row is not None and int(index.id[row]) != number:  # another campaign has taken the row since
            known, row = 0, None
        places = index.places(sketches)
        for t in range(min(known, len(sketches)), len(sketches)):
            kept = index.keep(sketches, places, t, campaign.last_seen, row, number)
            row = kept if row is None else row
        if row is None:
            raise ValueError("a campaign without texts")
        index.see(row, campaign.last_seen)
        self._told[number] = campaign, row
        if len(self._told) > MOST:
            del self._told[next(iter(self._told))]
        return before is None

    def find(self, normals: Normals, at: int) -> list[Campaign | None]:
        """The campaign of each text as last published; None for a text of no campaign alive at `at` (ms)."""
        sketches = sketch(normals)
        places = self._index.places(sketches)
        found: list[Campaign | None] = []
        for near in self._index.near_each(sketches, places, at):
            told = None if near is None else self._told.get(int(self._index.id[near.group]))
            found.append(None if told is None else _as_of(told[0], at))
        return found


def _as_of(told: Campaign, at: int) -> Campaign:
    """The campaign with its growth at `at` (ms).

    A campaign that is not published again has stopped growing, so its growth falls to 0 over `GROWTH_MS`.
    """
    silent = at - told.at - QUIET_MS
    if not told.growth or silent <= 0:
        return told
    return msgspec.structs.replace(told, growth=told.growth * max(0, GROWTH_MS - silent) // GROWTH_MS)
