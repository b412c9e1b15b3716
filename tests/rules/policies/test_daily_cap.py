"""A capped rule enforces exactly n decisions a day of a port; the rest stays in the decision, and one alert tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.candidate import Candidate
from pipeline.decision.configuration import Config
from pipeline.decision.screening import Screened, screen
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import Record, Submission
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.snoozes import Snooze, SnoozeKind, Snoozes
from tests.harness.screening_events import config, port, record, submission

MIDNIGHT = 1_760_025_600_000  # 2025-10-10 00:00 in Shanghai
CAPPED = """\
rules:
  - {id: capped, event: submission, description: capped, when: messages > 0, verdict: reject, daily_cap: 2}
  - {id: of-records, event: record, description: capped, when: record_kind == "MO", verdict: reject, daily_cap: 1}
"""
POLICY = parse_policy(CAPPED)


def screened(events: Sequence[Submission | Record], state: MemoryCounters, known: Config) -> list[Screened]:
    outcomes = screen(events, state, known, MIDNIGHT)
    assert all(isinstance(outcome, Screened) for outcome in outcomes)
    return outcomes  # type: ignore[return-value]


def at(hour: float, n: int = 0, **fields: Any) -> Submission:
    return submission(at=int(MIDNIGHT + hour * HOUR_MS), id=f"s-{n}-{hour}", **fields)


KNOWN = config(port(), port("10690002"), policy=POLICY)


def test_beyond_the_cap_the_match_stays_without_effect_until_midnight() -> None:
    state = MemoryCounters()
    hours = [at(-1), at(-0.5), at(-0.1), at(0), at(12), at(23.9), at(24)]
    found = screened(hours, state, KNOWN)
    verdicts = [each.decision.verdict.value for each in found]
    assert verdicts == ["reject", "reject", "release", "reject", "reject", "release", "reject"]
    [kept] = found[2].decision.suppressed
    assert (kept.rule, kept.verdict, kept.cause, kept.scope, kept.until) == (
        "capped", "reject", "daily_cap", "port/10690001", None,
    )  # fmt: skip
    assert found[2].decision.counters == {"cap/capped": 3}


def test_each_port_has_its_own_cap_and_the_first_match_beyond_raises_one_alert() -> None:
    state = MemoryCounters()
    ones = screened([at(1, n) for n in range(5)], state, KNOWN)
    [other] = screened([at(1, port="10690002")], state, KNOWN)
    assert other.decision.verdict == "reject"
    alerts = [(n, alert) for n, each in enumerate(ones) for alert in each.alerts]
    [(n, alert)] = alerts
    assert (n, alert.rule, alert.part, alert.values) == (2, "daily-cap", "capped", {"rule": "capped", "cap": 2})


def test_a_later_round_reads_the_count() -> None:
    state = MemoryCounters()
    screened([at(1, 1), at(1, 2)], state, KNOWN)
    again = at(1, 1, round=1)
    assert [each.decision.verdict for each in screened([again, again], state, KNOWN)] == ["reject", "reject"]
    screened([at(2)], state, KNOWN)
    [capped] = screened([again], state, KNOWN)
    assert (capped.decision.verdict, capped.alerts) == ("release", ())


def test_a_snoozed_match_does_not_count() -> None:
    state = MemoryCounters()
    snooze = Snooze(rule="capped", kind=SnoozeKind.PORT, value="10690001", reason="x", until=MIDNIGHT + DAY_MS)
    snoozed = config(policy=POLICY, snoozes=Snoozes([snooze]))
    screened([at(1, n) for n in range(5)], state, snoozed)
    assert [each.decision.verdict for each in screened([at(2), at(3)], state, KNOWN)] == ["reject", "reject"]


def test_records_are_capped_by_sender_and_name_no_number() -> None:
    found = screened([record(at=MIDNIGHT + n, id=f"r-{n}") for n in range(3)], MemoryCounters(), KNOWN)
    assert [each.decision.verdict.value for each in found] == ["reject", "release", "release"]
    assert {s.scope for each in found for s in each.decision.suppressed} == {"sender"}


def test_a_candidate_with_the_same_rule_counts_an_event_once() -> None:
    both = config(policy=POLICY, candidate=Candidate(parse_policy(CAPPED + "# other\n"), 0))
    found = screened([at(1, n) for n in range(4)], MemoryCounters(), both)
    assert [each.decision.verdict.value for each in found] == ["reject", "reject", "release", "release"]
    assert [each.decision.shadow[0].verdict.value for each in found] == ["reject", "reject", "release", "release"]


def test_the_state_keeps_the_count_of_a_changed_cap_and_drops_that_of_a_changed_condition() -> None:
    [counter] = [c for c in POLICY.kept if c.on == "submission"]

    def identities(text: str) -> set[str]:
        return {c.identity for c in parse_policy(text).kept}

    assert counter.identity in identities(CAPPED.replace("daily_cap: 2", "daily_cap: 9"))
    assert counter.identity not in identities(CAPPED.replace("messages > 0", "messages > 1"))


@pytest.mark.parametrize("cap", ["0", "-1", "yes", "1.5", "1000001", '"5"'])
def test_a_cap_is_a_number_of_decisions(cap: str) -> None:
    with pytest.raises(Exception, match="daily_cap is a number of decisions a day"):
        parse_policy(CAPPED.replace("daily_cap: 2", f"daily_cap: {cap}"))


@given(st.lists(st.tuples(st.integers(0, 47), st.booleans()), max_size=30), st.integers(1, 29))
def test_no_port_gets_more_decisions_a_day_and_cuts_change_nothing(sent: list[tuple[int, bool]], cut: int) -> None:
    events = [at(hour, n, port="10690002" if other else "10690001") for n, (hour, other) in enumerate(sorted(sent))]
    whole = screened(events, MemoryCounters(), KNOWN)
    state = MemoryCounters()
    parts = screened(events[:cut], state, KNOWN) + screened(events[cut:], state, KNOWN)
    assert [x.decision.verdict for x in whole] == [x.decision.verdict for x in parts]
    per_day: dict[tuple[str, int], list[int]] = {}
    for event, each in zip(events, whole, strict=True):
        day = (event.port, (event.accepted_at - MIDNIGHT) // DAY_MS)
        tally = per_day.setdefault(day, [0, 0])
        tally[0] += 1
        tally[1] += each.decision.verdict == "reject"
    assert all(enforced == min(count, 2) for count, enforced in per_day.values())
