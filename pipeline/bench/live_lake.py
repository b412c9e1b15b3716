"""A lake as live traffic leaves it, without a broker: events are decided poll by poll, and written as the sink writes.

Held submissions come back when their hold ends, and campaigns become known as the campaign stage makes them known. So
a backtest of this lake meets everything but the broker.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from zlib import crc32

import msgspec

from pipeline import topics
from pipeline.campaigns.hot import HotCampaigns
from pipeline.campaigns.known import KnownCampaigns
from pipeline.decision.campaign_sending import sending_of
from pipeline.decision.configuration import Config, ConfigEntries
from pipeline.decision.screening import Failure, Screened, screen
from pipeline.durations import MINUTE_MS
from pipeline.events import ConfigChange, Decision, Event, Record, Submission, Verdict, encode
from pipeline.lake import delta
from pipeline.lake.batch import Batch, Received
from pipeline.lake.privacy import Privacy
from pipeline.lake.rolling import roll_up
from pipeline.lake.tables import FULL, SHARED
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import CampaignFrom
from pipeline.settings import Settings

PARTITIONS = 4
FLUSH_ROWS = 20_000
Follow = Callable[[Submission | Record, Screened], None]
_LANES = {"express": topics.SUBMISSIONS_EXPRESS.name, "bulk": topics.SUBMISSIONS_BULK.name}


class LiveLake:
    """Decides events in order, and fills the lake of the settings' data directory."""

    def __init__(self, settings: Settings, follow: Follow | None = None) -> None:
        """`follow` is called with each decided event, in order, so that a caller can carry decisions out."""
        self.decided: list[Decision] = []  # of the last poll
        self._follow = follow
        self._late_ms = settings.late_minutes * MINUTE_MS
        self._lake = settings.lake_place
        self._tables = {table.name: delta.open_table(self._lake, table) for table in SHARED + FULL}
        self._versions: dict[str, dict[str, int | None]] = {}
        self._privacy = Privacy(settings.privacy_secret)
        self._held: dict[tuple[str, int], list[Received]] = {}
        self._rows = 0
        self._offsets: dict[tuple[str, int], count[int]] = {}
        self._entries = ConfigEntries()
        self._state = MemoryCounters()
        self._hot, self._known = HotCampaigns(), KnownCampaigns()
        self._due: list[tuple[int, int, Submission]] = []
        self._serial = count()

    def configure(self, changes: Sequence[tuple[str, str, str | None]], at: int) -> None:
        """Publish changes (kind, name, value) as the next epoch. Raises AntispamError for a faulty value."""
        epoch = self._entries.config.epoch + 1
        last = len(changes) - 1
        published = [
            ConfigChange(epoch=epoch, kind=kind, name=name, value=value, changed_at=at, more=n < last)
            for n, (kind, name, value) in enumerate(changes)
        ]
        self.apply(published, at)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._entries.config

    def apply(self, published: Sequence[ConfigChange], at: int) -> None:
        """Put published changes in force. Raises RuntimeError for a faulty one."""
        faults = self._entries.apply(published)
        if faults:
            raise RuntimeError(faults[0])
        for change in published:
            self._put(topics.CONFIG.name, 0, change, at)

    def put(self, topic: str, key: str, event: Event, at: int) -> None:
        """Write an event of another topic, as the sink would."""
        self._put(topic, crc32(key.encode()) % PARTITIONS, event, at)
        if self._rows >= FLUSH_ROWS:
            self._flush()

    def poll(self, events: Sequence[Submission | Record], now: int) -> None:
        """Decide the events that have arrived until `now` (ms), after the rounds that are due."""
        while self._due and self._due[0][0] <= now:
            at, _, event = heapq.heappop(self._due)
            self._decide([event], at)
        if events:
            self._decide(events, now)

    def close(self, now: int) -> None:
        """Decide the rounds that are due by `now`, and write everything, the roll-ups too."""
        self.poll([], now)
        self._flush()
        roll_up(self._lake)

    def _decide(self, events: Sequence[Submission | Record], now: int) -> None:
        config = self._entries.config
        outcomes = screen(events, self._state, config, now, self._late_ms, self._known)
        self.decided = []
        for event, outcome in zip(events, outcomes, strict=True):
            if isinstance(outcome, Failure):
                raise RuntimeError(outcome.cause)
            decision = outcome.decision
            sender = decision.port if isinstance(event, Submission) else event.sender
            partition = crc32(sender.encode()) % PARTITIONS
            topic = _LANES[event.priority.value] if isinstance(event, Submission) else topics.RECORDS.name
            self._put(topic, partition, event, now)
            self._put(topics.DECISIONS.name, partition, decision, now)
            self.decided.append(decision)
            if self._follow is not None:
                self._follow(event, outcome)
            if isinstance(event, Submission) and decision.verdict is Verdict.HOLD and decision.hold_until:
                later = msgspec.structs.replace(event, round=event.round + 1)
                heapq.heappush(self._due, (max(now, decision.hold_until), next(self._serial), later))
        self._learn(events, now)
        if self._rows >= FLUSH_ROWS:
            self._flush()

    def _learn(self, events: Iterable[Submission | Record], now: int) -> None:
        config = self._entries.config
        size = config.policy.campaign_from if config.policy else CampaignFrom()
        sent = [(event.content, sending_of(event, config, "live/0", next(self._serial))) for event in events]
        counted = [(text, *sending) for text, sending in sent if sending is not None]
        if counted:
            texts, sendings, names = zip(*counted, strict=True)
            self._hot.take(texts, sendings, names, size)
        for campaign in self._hot.news(now, size, {}):
            self._known.learn(campaign)
            self._put(topics.CAMPAIGNS.name, 0, campaign, now)

    def _put(self, topic: str, partition: int, event: Event, at: int) -> None:
        offset = next(self._offsets.setdefault((topic, partition), count()))
        received = Received(topic, partition, offset, at, None, encode(event))
        self._held.setdefault((topic, partition), []).append(received)
        self._rows += 1

    def _flush(self) -> None:
        batch = Batch(self._privacy)
        taken: dict[str, int] = {}
        for (topic, partition), records in self._held.items():
            app_id = f"live/{topic}/{partition}"
            versions = self._versions.setdefault(app_id, dict.fromkeys(self._tables))
            batch.read(records, f"live/{topic}", app_id, versions, lambda _: True)
            taken[app_id] = records[-1].offset
        for name, rows in batch.build().items():
            moved = {app_id: taken[app_id] for app_id in batch.moved[name]}
            expected = {app_id: self._versions[app_id][name] for app_id in moved}
            table = self._tables[name]
            if rows is None:
                raise RuntimeError(f"no rows of {name}")
            delta.append(table, rows, expected, moved)
            for app_id, offset in moved.items():
                self._versions[app_id][name] = offset
        self._held.clear()
        self._rows = 0
