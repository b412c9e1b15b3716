"""Declared counters: what makes one another, and how they are kept in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.screening import Screened, screen
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.rules.counting.counters import Counter, MemoryCounters, reset
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports
from tests.harness.screening_events import NOW, config, submission

VOLUME = Counter("volume", "submission", ("port",), 300_000, "messages", None, "messages of the port")


@pytest.mark.parametrize(
    "change",
    [
        {"key": ("port", "fingerprint")},
        {"window_ms": 600_000},
        {"aggregate": "submissions"},
        {"where": "messages > 1"},
        {"on": "record"},
        {"name": "other"},
        {"aggregate": "distinct", "of": "recipient", "up_to": 100},
        {"zone": "Asia/Shanghai"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_definition_is_another_counter(change: dict[str, Any]) -> None:
    assert replace(VOLUME, **change).identity != VOLUME.identity


def test_another_description_is_the_same_counter() -> None:
    assert replace(VOLUME, description="said better").identity == VOLUME.identity


def test_a_definition_is_the_same_in_every_process() -> None:
    assert VOLUME.identity == "volume@a3280d39"  # state and changelogs of running systems are keyed by it


def test_keys_and_counters_do_not_mix() -> None:
    state, hourly = MemoryCounters(), replace(VOLUME, name="hourly", window_ms=3_600_000)
    assert state.add(VOLUME, "1069", 1000, 3) == 3
    assert state.add(VOLUME, "1070", 1000, 4) == 4
    assert state.add(hourly, "1069", 1000, 5) == 5
    assert state.add(VOLUME, "1069", 2000, 1) == 4
    assert state.read(hourly, "1069", 2000, 1) == 5


def test_reading_a_key_never_seen_says_0_and_leaves_nothing() -> None:
    state = MemoryCounters()
    assert state.read(VOLUME, "1069", 1000, 1) == 0
    assert not state.windows


def test_a_short_window_still_has_a_bucket() -> None:
    assert replace(VOLUME, window_ms=1000).width >= 1


def at(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def day(zone: str) -> Counter:
    return replace(VOLUME, window_ms=DAY_MS, zone=zone)


def test_a_day_begins_at_midnight_of_its_zone() -> None:
    state, shanghai, london = MemoryCounters(), day("Asia/Shanghai"), day("Europe/London")
    evening, morning = at("2026-03-28T23:59:59.999+08:00"), at("2026-03-29T00:00:00+08:00")
    assert state.add(shanghai, "1069", evening, 3) == 3
    assert state.add(shanghai, "1069", morning, 1) == 1
    assert state.add(london, "1069", evening, 3) == 3
    assert state.add(london, "1069", morning, 1) == 4
    assert state.read(london, "1069", at("2026-03-28T23:59:59+00:00"), 1) == 4
    # From 29 March on, London's day begins an hour earlier.
    assert state.read(london, "1069", at("2026-03-30T00:00:00+01:00"), 1) == 0
    assert state.add(london, "1069", at("2026-03-29T23:59:59+01:00"), 1) == 1


def test_an_hour_is_the_clock_s_in_zones_of_quarters_too() -> None:
    state, nepal = MemoryCounters(), replace(VOLUME, window_ms=HOUR_MS, zone="Asia/Kathmandu")  # UTC+05:45
    assert state.add(nepal, "1069", at("2026-03-10T09:59:59+05:45"), 1) == 1
    assert state.add(nepal, "1069", at("2026-03-10T10:00:00+05:45"), 1) == 1
    assert state.add(nepal, "1069", at("2026-03-10T10:59:59+05:45"), 1) == 2


def test_distinct_and_sequence_remember_values_and_others_count() -> None:
    state = MemoryCounters()
    people = replace(VOLUME, aggregate="distinct", of="recipient", up_to=3)
    walked = replace(VOLUME, aggregate="sequence", up_to=100)
    assert [state.add(people, "1069", 1000, (value,)) for value in (7, 7, 8, 9, 10)] == [1, 1, 2, 3, 3]
    assert state.read(people, "1069", 400_000, (7,)) == 0
    numbers = [13_800_000_000 + 3 * i for i in range(6)]
    assert [state.add(walked, "1069", 1000, (number,)) for number in numbers] == [0, 0, 0, 0, 5, 6]
    assert state.add(walked, "1069", 1000, (15_012_345_678,)) == 0
    assert state.read(walked, "1069", 1000, (numbers[0],)) == 6


POLICY = """\
counters:
  - {name: codes, event: submission, key: [port, recipient], where: kind == "notice", window: 5m, description: d}
  - {name: extensions, event: submission, key: [port], window: 5m, aggregate: distinct, of: sender, description: d}
  - {name: linked, event: submission, key: [domain, sender], window: 5m, aggregate: submissions, description: d}
  - {name: length, event: submission, key: [port], window: 5m, aggregate: sum, of: content_length, description: d}
  - {name: named, event: submission, key: [port, signature], window: 5m, description: d}
rules: []
"""


def test_an_event_moves_the_counter_of_each_of_its_recipients_and_domains() -> None:
    state, using = MemoryCounters(), config(policy=parse_policy(POLICY))

    def counted(content: str, *recipients: str, sender: str = "10690001") -> dict[str, int]:
        event = submission(content, port=sender, recipients=recipients)
        (outcome,) = screen([event], state, using, NOW)
        assert isinstance(outcome, Screened)
        return outcome.decision.counters

    calm = {"extensions": 1, "length": 4}
    assert counted("您的快递", "13800000001", "13800000002") == {"codes": 1, **calm}
    assert counted("您的快递", "13800000002", sender="106900015") == {"codes": 2, "extensions": 2, "length": 8}
    text = "【示例】见 https://a.example.com/x 和 https://b.example.org/y"
    assert counted(text, "13800000001", "13800000003", sender="106900015") == {
        "codes": 2,  # of the recipient with most
        "extensions": 2,
        "linked": 1,
        "length": 8 + len(text),
        "named": 2,
    }
    assert counted("见 https://b.example.org/z", "13800000009", sender="106900015")["linked"] == 2
    assert counted("见 https://b.example.org/z", "13800000009")["linked"] == 1


def test_the_port_comes_first_in_a_key_however_it_is_declared() -> None:
    state = MemoryCounters()
    text = POLICY.split("rules")[0].replace("[domain, sender]", "[fingerprint, port]") + "rules: []\n"
    event = submission("您的快递")
    screen([event], state, config(policy=parse_policy(text)), NOW)
    (key,) = [key for identity, key in state.windows if identity.startswith("linked@")]
    assert key.startswith("10690001|")


def test_counters_of_another_definition_begin_anew() -> None:
    hourly, people = replace(VOLUME, name="hourly"), replace(VOLUME, name="people")
    changed = replace(hourly, window_ms=HOUR_MS)
    assert reset([VOLUME, hourly], [replace(VOLUME, description="better"), changed, people]) == ["hourly"]


@pytest.mark.parametrize(
    ("on", "key", "shared"),
    [
        ("submission", ("port",), False),
        ("submission", ("domain", "sender"), False),
        ("submission", ("recipient",), True),
        ("submission", ("enterprise", "domain"), True),
        ("record", ("sender", "recipient"), False),
        ("record", ("campaign",), True),
    ],
)
def test_a_key_without_the_partition_of_its_stream_is_counted_by_the_second_stage(
    on: Literal["submission", "record"], key: tuple[str, ...], shared: bool
) -> None:
    assert replace(VOLUME, on=on, key=key).shared is shared


EVERY_KIND = (
    VOLUME,
    replace(VOLUME, zone="Asia/Shanghai", window_ms=DAY_MS),
    replace(VOLUME, aggregate="distinct", of="recipient", up_to=5),
    replace(VOLUME, aggregate="distinct", of="recipient", up_to=40),
    replace(VOLUME, aggregate="sequence", up_to=20),
)


@given(st.lists(st.tuples(st.integers(0, 700_000), st.integers(1, 12)), min_size=1, max_size=30))
def test_the_value_with_an_event_is_the_one_that_the_event_would_leave(moves: list[tuple[int, int]]) -> None:
    for counter in EVERY_KIND:
        state = MemoryCounters()
        for at, n in moves:
            amount = tuple(range(n, n + 6)) if counter.up_to else n
            window = state.windows.get((counter.identity, "k"))
            before = window.dump() if window else None
            value = counter.with_event(window, NOW + at, amount)
            assert before == (window.dump() if window else None)
            assert state.add(counter, "k", NOW + at, amount) == value


def test_the_enterprise_of_a_port_is_a_key_and_a_port_without_one_has_none() -> None:
    text = "counters:\n  - {name: ofall, event: submission, key: [enterprise], window: 5m, description: d}\nrules: []\n"
    ports = Ports([Port(PortEntry(code="10690001", enterprise="e1")), Port(PortEntry(code="10690002"))])
    using, state = replace(config(policy=parse_policy(text)), ports=ports), MemoryCounters()
    screen([submission("您好", port="10690001"), submission("您好", port="10690002")], state, using, NOW)
    assert [key for _, key in state.windows] == ["e1"]
