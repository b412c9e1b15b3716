"""Hot campaigns: which campaigns are published to the rules, and when a published one is published again.

A campaign is published once it has the policy's size. It is published again when its number of ports changes, when
its messages or senders grow by a tenth, or when it has grown at all and ten seconds have passed. So rules soon see
every figure they may decide by, and a campaign of a million messages is not published a million times. Pure: time
is an argument.
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

# The most recent campaigns keep their sketches and first submissions in memory. A campaign that drops out returns with
# its next text.
FOLLOWED = 50_000  # campaigns not published yet, about 40 MB
TOLD = 10_000  # published campaigns
FIRST = 20  # ids of first submissions kept of each campaign
GROWN = 1.1  # growth since the last publication that causes the next
QUIET_MS = 10_000  # time since the last publication after which any growth causes the next


class Size(Protocol):
    """The size from which a campaign is published: `campaign_from` of the policy."""

    @property
    def messages(self) -> int:
        """Least number of messages."""

    @property
    def senders(self) -> int:
        """Least number of senders."""


@dataclass(slots=True)
class _Followed:
    sketches: list[Sketch] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    told: Campaign | None = None


class HotCampaigns:
    """Takes texts in and returns the campaigns to publish."""

    def __init__(self, capacity: int = CAPACITY, ttl_ms: int = TTL_MS) -> None:
        """Raises ValueError for a capacity under 2."""
        self._campaigns = Campaigns(capacity, ttl_ms)
        self._ttl = ttl_ms
        self._followed: dict[str, _Followed] = {}
        self._told: dict[str, _Followed] = {}
        self._changed: dict[str, CampaignEntry] = {}

    def take(self, texts: Sequence[str], sendings: Sequence[Sending], names: Sequence[str], size: Size) -> None:
        """Take texts in, in order. `names` are the ids of their submissions (`port/id`) or records (`/id`)."""
        sketches, numbers = sketched(texts)
        entries = self._campaigns.add_sketched(sketches, numbers, sendings)
        for entry, t, name in zip(entries, numbers, names, strict=True):
            followed = self._follow(entry.id)
            if (entry.kept or not followed.sketches) and len(followed.sketches) < MAX_MEMBERS:
                followed.sketches.append(packed(sketches, t))
            if followed.told is None and len(followed.first) < FIRST:
                followed.first.append(name)
            # Very short texts such as "好的", written by a thousand people, are no campaign.
            if sketches.counts[t] >= FEWEST_EQUAL and self._campaigns.messages(entry) >= size.messages:
                self._changed[entry.id] = entry

    def news(self, at: int, size: Size, positions: Mapping[str, int]) -> list[Campaign]:
        """The campaigns to publish at `at` (ms). `positions` are the next offsets of the sources read so far."""
        told = []
        for name, entry in list(self._changed.items()):
            campaign = self._campaigns.event(entry, at)
            followed = self._told.get(name) or self._followed.get(name)
            if campaign is None or followed is None or campaign.senders < size.senders:
                del self._changed[name]
            elif followed.told is not None and campaign.messages == followed.told.messages:
                del self._changed[name]  # only texts that are read again after a start
            elif followed.told is None or _worth_telling(followed.told, campaign):
                del self._changed[name]
                before = followed.told.positions if followed.told else {}
                followed.told = msgspec.structs.replace(
                    campaign,
                    sketches=tuple(followed.sketches),
                    first=tuple(followed.first),
                    # After a start the sources are read again from older offsets. Positions never go back, so that
                    # no text counts twice.
                    positions=before | {at: max(next_, before.get(at, 0)) for at, next_ in positions.items()},
                )
                told.append(followed.told)
                self._followed.pop(name, None)
                _put(self._told, name, followed, TOLD)
        return told

    def restore(self, campaigns: Iterable[Campaign], now: int) -> int:
        """Restore published campaigns that are alive at `now` (ms), and return their number; call before `take`.

        Raises ValueError for an invalid campaign.
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
