"""What a replay adds up: verdicts, newly stopped and newly released, samples, and what people judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from pipeline.events import Verdict

Way = Literal["stopped", "held", "released"]
WAYS: tuple[Way, ...] = ("stopped", "held", "released")
SAMPLES = 5  # of each rule and way
_WAY: dict[str, Way] = {
    Verdict.RELEASE: "released",
    Verdict.HOLD: "held",
    Verdict.REVIEW: "stopped",
    Verdict.REJECT: "stopped",
    Verdict.BLACKLIST: "stopped",
}


def way_of(verdict: str) -> Way:
    """What a verdict means for the message: it leaves, waits for a time, or is stopped, for good or for a person."""
    return _WAY[verdict]


class Count(msgspec.Struct):
    """A number of submissions or records, and of their messages."""

    events: int = 0
    messages: int = 0

    def add(self, messages: int) -> None:
        """Count one event of so many messages."""
        self.events += 1
        self.messages += messages

    def merge(self, other: Count) -> None:
        """Add another count."""
        self.events += other.events
        self.messages += other.messages


class Changes(msgspec.Struct):
    """What comes otherwise than live decided: newly stopped, newly held, newly released."""

    stopped: Count = msgspec.field(default_factory=Count)
    held: Count = msgspec.field(default_factory=Count)
    released: Count = msgspec.field(default_factory=Count)

    def of(self, way: Way) -> Count:
        """The count of one way."""
        count: Count = getattr(self, way)
        return count

    def merge(self, other: Changes) -> None:
        """Add other changes."""
        for way in WAYS:
            self.of(way).merge(other.of(way))

    @property
    def messages(self) -> int:
        """Messages of all ways."""
        return sum(self.of(way).messages for way in WAYS)


class Sample(msgspec.Struct, frozen=True):
    """One change, masked as in the lake. The rules are those that decided; empty for a release without a reason."""

    way: Way
    rule: str
    port: str
    sender: str
    id: str
    decided_at: int
    messages: int
    live: str
    live_rule: str
    replayed: str
    replayed_rule: str
    campaign: str
    content: str


class Judged(msgspec.Struct):
    """A case that a person decided: whether the replay stops one of its submissions, and by which rules."""

    refused: bool
    stopped: bool = False
    rules: set[str] = msgspec.field(default_factory=set)


class Tally(msgspec.Struct):
    """The result of a part, or of all parts merged.

    `decisions` counts rounds, `differences` those whose verdict or exceptions differ, `other_reasons` those with equal
    verdict and other rules. `skipped` counts decisions that cannot be replayed, by cause. The groups count the last
    verdicts of submissions and records. `verdicts` has messages by `live>replayed`.
    """

    decisions: int = 0
    messages: int = 0
    differences: int = 0
    other_reasons: int = 0
    skipped: dict[str, int] = msgspec.field(default_factory=dict)
    verdicts: dict[str, int] = msgspec.field(default_factory=dict)
    total: Changes = msgspec.field(default_factory=Changes)
    rules: dict[str, Changes] = msgspec.field(default_factory=dict)
    ports: dict[str, Changes] = msgspec.field(default_factory=dict)
    campaigns: dict[str, Changes] = msgspec.field(default_factory=dict)
    samples: list[Sample] = msgspec.field(default_factory=list)
    judged: dict[str, Judged] = msgspec.field(default_factory=dict)

    def skip(self, cause: str) -> None:
        """Count a decision that cannot be replayed."""
        self.skipped[cause] = self.skipped.get(cause, 0) + 1

    def change(self, sample: Sample) -> None:
        """Count one change."""
        self.total.of(sample.way).add(sample.messages)
        for group, name in ((self.rules, sample.rule), (self.ports, sample.port), (self.campaigns, sample.campaign)):
            if name:
                group.setdefault(name, Changes()).of(sample.way).add(sample.messages)
        self._keep([sample])

    def judge(self, case: str, refused: bool, stopped: bool, rule: str) -> None:
        """Count a member of a case that a person decided."""
        judged = self.judged.setdefault(case, Judged(refused))
        judged.stopped = judged.stopped or stopped
        if stopped and rule:
            judged.rules.add(rule)

    def merge(self, other: Tally) -> None:
        """Add the result of another part. The order of merging does not matter."""
        self.decisions += other.decisions
        self.messages += other.messages
        self.differences += other.differences
        self.other_reasons += other.other_reasons
        for ours, theirs in ((self.skipped, other.skipped), (self.verdicts, other.verdicts)):
            for name, count in theirs.items():
                ours[name] = ours.get(name, 0) + count
        self.total.merge(other.total)
        for group, added in (
            (self.rules, other.rules),
            (self.ports, other.ports),
            (self.campaigns, other.campaigns),
        ):
            for name, changes in added.items():
                group.setdefault(name, Changes()).merge(changes)
        self._keep(other.samples)
        for case, judged in other.judged.items():
            mine = self.judged.setdefault(case, Judged(judged.refused))
            mine.stopped = mine.stopped or judged.stopped
            mine.rules |= judged.rules

    def _keep(self, samples: Iterable[Sample]) -> None:
        """Keep the earliest samples of each rule and way."""
        groups: dict[tuple[str, str], list[Sample]] = {}
        for sample in self.samples:
            groups.setdefault((sample.rule, sample.way), []).append(sample)
        changed = False
        for sample in samples:
            group = groups.setdefault((sample.rule, sample.way), [])
            if len(group) < SAMPLES or _order(sample) < _order(group[-1]):
                group.append(sample)
                group.sort(key=_order)
                del group[SAMPLES:]
                changed = True
        if changed:
            self.samples = [sample for _, group in sorted(groups.items()) for sample in group]


def _order(sample: Sample) -> tuple[int, str, str]:
    return sample.decided_at, sample.sender, sample.id
