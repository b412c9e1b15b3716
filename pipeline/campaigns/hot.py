"""Which campaigns the rules should know, and when there is something new to tell of one.

A campaign is told from the policy's size on. Then each time its ports change, its messages or senders
grow by a tenth, or ten seconds have passed with something new: what a rule would decide otherwise is
told at once, and a campaign of a million messages is not told a million times. Pure: time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from pipeline.campaigns.index import CAPACITY, TTL_MS, CampaignEntry, Campaigns, Sending, sketched
from pipeline.campaigns.sketches import packed
from pipeline.campaigns.text_index import FEWEST_EQUAL, MAX_MEMBERS
from pipeline.events import Campaign, Sketch

# Campaigns whose sketches and first submissions are at hand, those seen last: not yet told (about 40 MB), and
# told. One that falls out is known again by the next of its texts.
FOLLOWED, TOLD = 50_000, 10_000
FIRST = 20  # submissions named of a campaign
GROWN = 1.1
QUIET_MS = 10_000


class Size(Protocol):
    """From how many messages and senders on a campaign is told: the policy's `campaign_from`."""

    @property
    def messages(self) -> int:
        """Messages, this many or more."""

    @property
    def senders(self) -> int:
        """Senders, this many or more."""


@dataclass(slots=True)
class _Followed:
    sketches: list[Sketch] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    told: Campaign | None = None


class HotCampaigns:
    """Takes texts in and gives what is to be told."""

    def __init__(self, capacity: int = CAPACITY, ttl_ms: int = TTL_MS) -> None:
        """Raises ValueError for a capacity under 2."""
        self._campaigns = Campaigns(capacity, ttl_ms)
        self._ttl = ttl_ms
        self._followed: dict[str, _Followed] = {}
        self._told: dict[str, _Followed] = {}
        self._changed: dict[str, CampaignEntry] = {}

    def take(self, texts: Sequence[str], sendings: Sequence[Sending], names: Sequence[str], size: Size) -> None:
        """Take texts in, in order; `names` are their submissions (`port/id`) or records (`/id`)."""
        sketches, numbers = sketched(texts)
        entries = self._campaigns.add_sketched(sketches, numbers, sendings)
        for entry, t, name in zip(entries, numbers, names, strict=True):
            followed = self._follow(entry.id)
            if (entry.kept or not followed.sketches) and len(followed.sketches) < MAX_MEMBERS:
                followed.sketches.append(packed(sketches, t))
            if followed.told is None and len(followed.first) < FIRST:
                followed.first.append(name)
            # "好的" of a thousand persons is no campaign, and would take the place of one.
            if sketches.counts[t] >= FEWEST_EQUAL and self._campaigns.messages(entry) >= size.messages:
                self._changed[entry.id] = entry

    def news(self, at: int, size: Size, positions: Mapping[str, int]) -> list[Campaign]:
        """What is to be told at `at` (ms). `positions` are the next offsets of the sources taken in so far."""
        told = []
        for name, entry in list(self._changed.items()):
            campaign = self._campaigns.event(entry, at)
            followed = self._told.get(name) or self._followed.get(name)
            if campaign is None or followed is None or campaign.senders < size.senders:
                del self._changed[name]
            elif followed.told is not None and campaign.messages == followed.told.messages:
                del self._changed[name]  # read again after a start
            elif followed.told is None or _worth_telling(followed.told, campaign):
                del self._changed[name]
                before = followed.told.positions if followed.told else {}
                followed.told = msgspec.structs.replace(
                    campaign,
                    sketches=tuple(followed.sketches),
                    first=tuple(followed.first),
                    # After a start the sources are read again from before: what was counted then stays counted.
                    positions=before | {at: max(next_, before.get(at, 0)) for at, next_ in positions.items()},
                )
                told.append(followed.told)
                self._followed.pop(name, None)
                _put(self._told, name, followed, TOLD)
        return told

    def restore(self, campaigns: Iterable[Campaign], now: int) -> int:
        """Know those of the campaigns again that are still alive at `now` (ms), before any text; how many.

        Raises ValueError for one that no campaign can be.
        """
        restored = 0
        for campaign in campaigns:
            if campaign.last_seen >= now - self._ttl:
                self._campaigns.restore(campaign)
                followed = _Followed(list(campaign.sketches), list(campaign.first), campaign)
                _put(self._told, campaign.id, followed, TOLD)
                restored += 1
        return restored

    def _follow(self, name: str) -> _Followed:
        told = self._told.pop(name, None)
        if told is not None:
            self._told[name] = told
            return told
        followed = self._followed.pop(name, None) or _Followed()
        _put(self._followed, name, followed, FOLLOWED)
        return followed


def _put(table: dict[str, _Followed], name: str, followed: _Followed, most: int) -> None:
    table[name] = followed
    if len(table) > most:
        del table[next(iter(table))]


def _worth_telling(told: Campaign, campaign: Campaign) -> bool:
    return (
        campaign.ports != told.ports
        or campaign.messages >= GROWN * told.messages
        or campaign.senders >= GROWN * told.senders
        or campaign.at - told.at >= QUIET_MS
    )
