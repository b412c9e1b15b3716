"""Declared counters: name, key, where, window, aggregate; and the interface of the state they live in.

A counter's identity includes its definition: changing the key, the condition or the window starts
it anew (`policy check` says so) instead of mixing two meanings in one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal, Protocol

from pipeline.rules.windows import BUCKETS, Window

KeyPart = Literal["port", "sender", "fingerprint"]
Aggregate = Literal["messages", "submissions"]


@dataclass(frozen=True)
class Counter:
    """One declared counter. `window_ms` is the span; `where` a CEL condition or None for all."""

    name: str
    on: Literal["submission", "record"]
    key: tuple[KeyPart, ...]
    window_ms: int
    aggregate: Aggregate
    where: str | None
    description: str

    @cached_property
    def width(self) -> int:
        """Bucket width in ms."""
        return max(1, self.window_ms // BUCKETS)

    @cached_property
    def identity(self) -> str:
        """Name and a hash of the definition: what the state and its changelog are keyed by."""
        definition = f"{self.on}|{self.key}|{self.window_ms}|{self.aggregate}|{self.where}"
        return f"{self.name}@{sha256(definition.encode()).hexdigest()[:8]}"


class Counters(Protocol):
    """Keyed counters as `screen` sees them. Implemented in memory here and by the stream's state."""

    def begin(self, index: int) -> None:
        """What follows belongs to event `index` of the batch."""

    def add(self, counter: Counter, key: str, at: int, n: int) -> int:
        """Count n at `at` (ms) and return the window's total, this event included."""

    def read(self, counter: Counter, key: str, at: int) -> int:
        """The window's total at `at` (ms); moves nothing."""


class MemoryCounters:
    """Counters of one process and one run: `antispam screen`, backtests and tests."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str], Window] = {}

    def begin(self, index: int) -> None:
        """One stream of events, nothing to tell apart."""

    def add(self, counter: Counter, key: str, at: int, n: int) -> int:
        """See Counters.add."""
        window = self.windows.get((counter.identity, key))
        if window is None:
            window = self.windows[counter.identity, key] = Window()
        return window.add(at, n, counter.width)

    def read(self, counter: Counter, key: str, at: int) -> int:
        """See Counters.read."""
        window = self.windows.get((counter.identity, key))
        return 0 if window is None else window.read(at, counter.width)
