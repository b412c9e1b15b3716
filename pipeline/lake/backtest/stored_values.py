"""What live decisions saw and a replay reads again: values of counters, and campaigns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pipeline.events import Campaign
from pipeline.rules.counting.counters import Amount, Counter, MemoryCounters
from pipeline.rules.policies.policy import CampaignFrom
from pipeline.text.normal import Normals

EXPIRE_EVERY = 50_000  # events between two looks for windows that are over


class Seen(NamedTuple):
    """The counters of one live decision: its values by name, and the identities of what its policy counted."""

    values: Mapping[str, int]
    identities: Collection[str]


class ReplayedCounters:
    """Counters of a replay: stored values where the definition is unchanged, windows of its own for the others.

    A stored value is exact whatever happened to the worker, and needs no events from before the period. It also
    serves counters whose keys come from many ports.
    """

    def __init__(self, late_ms: int) -> None:
        """Records come up to `late_ms` after their event time."""
        self._memory = MemoryCounters()
        self._late_ms = late_ms
        self._now = 0
        self._batch: Sequence[Seen] = ()
        self._stored: Mapping[str, int] = {}
        self._unchanged: Collection[str] = ()
        self._moved = 0

    def load(self, batch: Sequence[Seen], now: int) -> None:
        """Take what live saw for the events of the next batch.

        `now` (ms) is when live decided it. Windows end by this time: one fast clock of an SMSC must not end the others.
        """
        self._batch, self._now = batch, now

    def begin(self, index: int) -> None:
        """See Counters.begin."""
        self._stored, self._unchanged = self._batch[index]

    def add(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.add."""
        if counter.identity in self._unchanged:
            return self._stored.get(counter.name, 0)
        self._moved += 1
        if self._moved % EXPIRE_EVERY == 0:
            self._expire()
        value = self._memory.add(counter, key, at, amount)
        self._memory.windows[counter.identity, key].touched = self._now + counter.kept_ms + self._late_ms
        return value

    def read(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.read."""
        if counter.identity in self._unchanged:
            return self._stored.get(counter.name, 0)
        return self._memory.read(counter, key, at, amount)

    def has(self, counter: Counter, key: str) -> bool:
        """See Counters.has."""
        if counter.identity in self._unchanged:
            return counter.name in self._stored
        return self._memory.has(counter, key)

    def _expire(self) -> None:
        """Drop the windows that are over: memory holds the live keys only."""
        windows = self._memory.windows
        for key in [key for key, window in windows.items() if window.touched < self._now]:
            del windows[key]


class StoredCampaigns:
    """The campaigns that live decisions named, by text: for one batch, in which a text has one state."""

    def __init__(self, known: Mapping[str, Campaign]) -> None:
        self._known = known

    def __len__(self) -> int:
        return len(self._known)

    def find(self, normals: Normals, at: int) -> list[Campaign | None]:
        """See FindsCampaigns. The stored state does not depend on `at`."""
        return [self._known.get(text) for text in normals.raw.texts()]


def stored_campaign(ident: str | None, counters: Mapping[str, int], least: CampaignFrom) -> Campaign | None:
    """The campaign that a decision named, with the values it saw; None if it is smaller than the policy's size."""
    if not ident:
        return None
    messages, senders = counters.get("campaign_messages", 0), counters.get("campaign_senders", 0)
    if messages < least.messages or senders < least.senders:
        return None
    return Campaign(
        id=ident,
        messages=messages,
        ports=counters.get("campaign_ports", 0),
        senders=senders,
        growth=counters.get("campaign_growth_5m", 0),
        first_seen=0,
        last_seen=0,
        at=0,
        sketches=(),
    )
