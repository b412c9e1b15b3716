"""Roll-ups hold what the rows hold, however the rows came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import (
    Category,
    Decision,
    DeliveryReport,
    Reason,
    RecipientException,
    ShadowOutcome,
    Suppressed,
    SuppressedBy,
    Verdict,
)
from pipeline.lake.privacy import Privacy
from pipeline.lake.rollups import RECIPIENTS, REPORTS, RULES, TRAFFIC, Rollup
from pipeline.lake.tables import Origin
from tests.harness.examples import examples
from tests.harness.lake.events import decision, submission

PRIVACY = Privacy(b"secret")
BEGIN = 1_795_305_600_000  # midnight UTC
FINAL = {Verdict.RELEASE: "released", Verdict.REVIEW: "reviewed", Verdict.REJECT: "rejected"} | {
    Verdict.BLACKLIST: "blacklisted"
}
rules = st.sampled_from(["volume", "word", "score"])
verdicts = st.sampled_from(list(Verdict))


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    accepted = BEGIN + draw(st.integers(0, 3)) * HOUR_MS - draw(st.integers(0, 1))
    excepted = draw(st.lists(rules, max_size=3))
    made = decision("d", draw(st.integers(0, 2)), draw(verdicts), draw(st.sampled_from(["1069", "1068"])), accepted)
    return replace(
        made,
        decided_at=accepted + draw(st.sampled_from([0, DAY_MS])),
        accepted_at=draw(st.sampled_from([accepted, accepted, 0])),  # 0: a record without a time
        messages=len(excepted) + draw(st.integers(0, 3)),
        exceptions=tuple(
            RecipientException(recipient=f"1390013000{n}", verdict=Verdict.REJECT, rule=rule)
            for n, rule in enumerate(excepted)
        ),
        reasons=tuple(
            Reason(rule=rule, verdict=draw(verdicts), severity=1, message="", values={})
            for rule in draw(st.lists(rules, max_size=2, unique=True))
        ),
        shadow=tuple(
            ShadowOutcome(rule=rule, verdict=Verdict.HOLD, policy=draw(st.sampled_from([None, "p2"])))
            for rule in draw(st.lists(rules, max_size=2, unique=True))
        ),
        suppressed=tuple(
            Suppressed(rule=rule, verdict=Verdict.HOLD, cause=SuppressedBy.SNOOZE, scope="port/1")
            for rule in draw(st.lists(rules, max_size=1))
        ),
        category=draw(st.sampled_from([None, Category.LOAN])),
        campaign=draw(st.sampled_from(["", "c1"])),
        degraded=draw(st.booleans()),
    )


def _raw(rollup: Rollup, events: Sequence[Any], first: int = 0) -> pa.Table:
    origins = [Origin("log", rollup.of.name, n % 2, first + n, BEGIN) for n in range(len(events))]
    return rollup.of.build(events, origins, PRIVACY)


def _hour(d: Decision) -> int:
    return (d.accepted_at or d.decided_at) // HOUR_MS * HOUR_MS


def _sums(rows: pa.Table, *keys: str) -> dict[tuple[Any, ...], Counter[str]]:
    """The sums of a roll-up by these keys, zeros left out."""
    found: dict[tuple[Any, ...], Counter[str]] = {}
    measures = [name for name in rows.column_names if rows.schema.field(name).type == pa.int64()]
    for row in rows.to_pylist():
        row["hour"] = int(row["hour"].timestamp() * 1000)
        found.setdefault(tuple(row[key] for key in keys), Counter()).update({name: row[name] for name in measures})
    return {key: +count for key, count in found.items() if +count}


@given(st.lists(decisions(), max_size=12))
@settings(max_examples=examples(60))
def test_traffic_counts_each_message_by_its_verdict(given: list[Decision]) -> None:
    expected: dict[tuple[Any, ...], Counter[str]] = {}
    for d in given:
        rule = d.reasons[0].rule if d.reasons else None
        count = expected.setdefault((_hour(d), d.port, d.category, d.campaign or None, rule), Counter())
        count["decisions"] += 1
        count["degraded"] += d.degraded
        count["messages" if d.round == 0 else "returned"] += d.messages
        if d.verdict is Verdict.HOLD:
            count["held"] += d.messages
            continue
        count[FINAL[d.verdict]] += d.messages - len(d.exceptions)
        for exception in d.exceptions:
            count[FINAL[exception.verdict]] += 1
    found = _sums(TRAFFIC.rows(_raw(TRAFFIC, given)), "hour", "port", "category", "campaign", "rule")
    assert found == {key: +count for key, count in expected.items()}


@given(st.lists(decisions(), max_size=12))
@settings(max_examples=examples(60))
def test_rules_count_each_match_by_its_effect(given: list[Decision]) -> None:
    expected: dict[tuple[Any, ...], Counter[str]] = {}

    def hit(d: Decision, rule: str, verdict: Verdict, effect: str, messages: int, decisions: int = 1) -> None:
        key = _hour(d), d.port, rule, verdict.value, effect, d.round == 0
        expected.setdefault(key, Counter()).update({"decisions": decisions, "messages": messages})

    for d in given:
        for n, reason in enumerate(d.reasons):
            hit(d, reason.rule, reason.verdict, "counted" if n else "deciding", d.messages)
        for shadow in d.shadow:
            if shadow.policy is None:
                hit(d, shadow.rule, shadow.verdict, "shadow", d.messages)
        for suppressed in d.suppressed:
            hit(d, suppressed.rule, suppressed.verdict, "suppressed", d.messages)
        for rule in {exception.rule for exception in d.exceptions}:
            excepted = [x for x in d.exceptions if x.rule == rule]
            hit(d, rule, excepted[0].verdict, "exception", len(excepted))
    found = _sums(RULES.rows(_raw(RULES, given)), "hour", "port", "rule", "verdict", "effect", "first")
    assert found == {key: +count for key, count in expected.items()}


@given(st.lists(decisions(), max_size=12), st.lists(st.integers(0, 12), max_size=3), st.integers(-1, 12))
@settings(max_examples=examples(60))
def test_how_rows_are_cut_into_flushes_does_not_matter(given: list[Decision], cuts: list[int], counted: int) -> None:
    """And rows that were counted before a sink ended are not counted again."""
    for rollup in (TRAFFIC, RULES):
        whole = _raw(rollup, given)
        places = [0, *sorted(min(cut, len(given)) for cut in cuts), len(given)]
        cut = [rollup.rows(whole.slice(begin, end - begin)) for begin, end in pairwise(places)]
        assert rollup.merged(pa.concat_tables(cut)) == rollup.rows(whole)
        before = rollup.rows(whole.slice(0, counted + 1))
        after = rollup.rows(whole, [("log", 0, counted), ("log", 1, counted)])
        assert rollup.merged(pa.concat_tables([before, after])) == rollup.rows(whole)


def test_reports_are_counted_by_channel_and_status() -> None:
    reports = [
        DeliveryReport(id=f"s{n}/1", channel="c", carrier_id="0", status=status, reported_at=BEGIN + n, port="1069")
        for n, status in enumerate(["DELIVRD", "DELIVRD", "UNDELIV"])
    ]
    found = _sums(REPORTS.rows(_raw(REPORTS, reports)), "hour", "channel", "port", "status")
    assert found == {
        (BEGIN, "c", "1069", "DELIVRD"): Counter(reports=2),
        (BEGIN, "c", "1069", "UNDELIV"): Counter(reports=1),
    }


def test_accepted_messages_are_counted_by_carrier_and_region() -> None:
    """Once, however often their submission came back; and rows of a version without regions count without one."""
    one = replace(
        submission("a", at=BEGIN), recipients=("13800138000", "13800138001", "13012345678"), content="您" * 80
    )
    back = replace(one, round=1)
    raw = _raw(RECIPIENTS, [one, back])
    found = _sums(RECIPIENTS.rows(raw), "hour", "carrier", "region")
    assert found == {
        (BEGIN, "China Mobile", "北京"): Counter(messages=2, parts=4),
        (BEGIN, "China Unicom", "重庆"): Counter(messages=1, parts=2),
    }
    for name in ("regions", "parts"):
        at = raw.schema.get_field_index(name)
        raw = raw.set_column(at, raw.schema.field(at), pa.nulls(raw.num_rows, raw.schema.field(at).type))
    assert _sums(RECIPIENTS.rows(raw), "carrier", "region") == {
        ("China Mobile", ""): Counter(messages=2, parts=2),
        ("China Unicom", ""): Counter(messages=1, parts=1),
    }
