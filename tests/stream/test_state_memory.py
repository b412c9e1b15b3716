"""A million senders live at once: a worker must hold their windows in 1.2 GB, with all else that it has loaded."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.decision.configuration import default_policy
from pipeline.rules.counting.counters import Counter
from pipeline.rules.policies.policy import parse_policy
from pipeline.stream.state import BatchCounters, PartitionState

SENDERS = 20_000
POLL = 500
NOW = 1_790_000_000_000
BYTES = 850  # of a sender at most. A worker without senders takes 300 MB.


def of_persons() -> list[Counter]:
    """The counters of the shipped policy that each message of a person moves."""
    counters = parse_policy(default_policy()).counters
    return [
        each for each in counters if each.on == "record" and each.where and each.where.startswith('record_kind == "MO"')
    ]


def write_messages(state: PartitionState, changelog: dict[bytes, tuple[bytes, int]]) -> None:
    """Each sender writes one to three messages to different people, 80 seconds apart; a poll has 500 of them."""
    counters, values = of_persons(), PartitionState()
    for turn in range(3):
        writing = range(0, SENDERS, turn + 1)
        for first in range(0, len(writing), POLL):
            now = NOW + turn * 80_000 + first
            senders = writing[first : first + POLL]
            poll = BatchCounters([(state, 0, turn * SENDERS + n) for n in senders], now, values)
            for index, n in enumerate(senders):
                poll.begin(index)
                sender, recipient = str(13_000_000_000 + n), 15_000_000_000 + n * 7919 + turn * 31
                for counter in counters:
                    poll.add(counter, sender, now - n % 900, (recipient,) if counter.up_to else 1)
            for key, value in state.changes():
                changelog.pop(key, None)  # as a compacted topic: what was written last lies last
                changelog[key] = value or b"", now


@contextmanager
def measured(senders: list[float]) -> Iterator[None]:
    """Note how many bytes a sender took that were allocated in the block and are still held."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        gc.collect()
        senders.append(tracemalloc.get_traced_memory()[0] / SENDERS)
    finally:
        tracemalloc.stop()


@pytest.mark.long
def test_the_windows_of_a_sender_take_few_bytes_when_they_are_live_and_when_they_are_restored() -> None:
    changelog: dict[bytes, tuple[bytes, int]] = {}
    write_messages(PartitionState(), changelog)
    size: list[float] = []
    live, restored = PartitionState(), PartitionState()
    with measured(size):
        write_messages(live, {})
    with measured(size):
        for key, (value, at) in changelog.items():
            restored.load(key, value, at)
    assert len(of_persons()) == 4
    assert len(live) == len(restored) == 4 * SENDERS
    assert max(size) < BYTES
