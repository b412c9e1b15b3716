"""Rows of the lake: complete, typed, and free of what is private."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import topics
from pipeline.durations import DAY_MS
from pipeline.events import DeadLetter, Outbound, Record, RecordKind, Submission, encode
from pipeline.lake import delta, tables
from pipeline.lake.batch import Batch, Received
from pipeline.lake.first import REMEMBERED, FirstDecisions, recall
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import FULL, SHARED, Origin, Table
from tests.harness.lake.events import PHONE, SECRET_TEXT, decision, now_ms, submission

PRIVACY = Privacy(b"secret")
NOTHING_YET = {table.name: None for table in SHARED + FULL}


def received(topic: str, value: bytes | None, offset: int = 0) -> Received:
    return Received(topic, 0, offset, now_ms(), b"key", value)


def batch_of(*records: Received, versions: dict[str, int | None] | None = None) -> Batch:
    batch = Batch(PRIVACY)
    for record in records:
        batch.read([record], "log", record.topic, versions or NOTHING_YET, lambda _: True)
    return batch


def test_every_topic_but_those_of_the_pipeline_itself_has_a_table() -> None:
    state = {"state.submissions", "state.records", "state.counters", "state.parts"}
    own = {*state, "parts", "counter-increments", "counter-values", "ingest-progress", "audit-heads"}
    kept = {topic.name for topic in topics.FIXED} - own
    assert kept <= set(tables.SUBSCRIPTION)
    assert tables.table_of("outbound.cmcc.bulk") is tables.OUTBOUND


def test_a_decision_keeps_everything_but_numbers() -> None:
    origin = Origin("log", "decisions", 0, 7, now_ms())
    (row,) = tables.DECISIONS.build([decision("d1", at=1_795_308_000_123)], [origin], PRIVACY).to_pylist()
    assert (row["id"], row["offset"], row["verdict"], row["score"]) == ("d1", 7, "review", 0.5)
    assert row["decided_at"] == datetime.datetime(2026, 11, 22, 0, 40, 0, 123000, datetime.UTC)
    assert row["exceptions"][0]["recipient"] == PRIVACY.number(PHONE)
    assert row["reasons"][0]["message"] == f"51 to {PRIVACY.number(PHONE)} in 5 min"
    assert msgspec.json.decode(row["reasons"][0]["values"])["same_content_5m"] == 51
    assert row["reasons"][0]["spans"][0] == {"start": 0, "end": 2, "word": "*" * 11, "category": "", "via": ""}
    assert row["counters"] == [("same_content_5m", 51)]
    assert row["shadow"] == [{"rule": "s", "verdict": "hold"}]
    assert row["beside"] == [{"policy": "p2", "rule": "t", "verdict": "reject"}]
    assert PHONE not in str(row)


def test_a_text_lies_whole_in_the_full_table_only() -> None:
    built = batch_of(received("submissions.bulk", encode(submission("s1")))).build()
    shared, full = built["submissions"], built["texts"]
    assert full is not None
    assert shared is not None
    assert full.to_pylist()[0]["content"] == SECRET_TEXT
    assert full.to_pylist()[0]["recipients"] == [PHONE, "13900139000"]
    assert shared.to_pylist()[0]["messages"] == 2
    assert PHONE not in str(shared.to_pylist())
    assert "482913" not in str(shared.to_pylist())
    assert "王女士" not in str(shared.to_pylist())


def test_a_text_keeps_every_field_of_its_event() -> None:
    given = msgspec.structs.replace(submission("s1"), batch="b", batch_size=7, round=1, reviewed=True, valid_until=9)
    texts = batch_of(received("submissions.bulk", encode(given))).build()["texts"]
    assert texts is not None
    (row,) = texts.to_pylist()
    assert row["form"] == tables.REPLAY_FORM
    assert SECRET_TEXT not in row["rest"]
    rest = msgspec.json.decode(row["rest"].encode(), type=Submission)
    own = {"id": row["id"], "port": row["sender"], "recipients": tuple(row["recipients"]), "content": row["content"]}
    assert msgspec.structs.replace(rest, **own) == given


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"",
        None,
        b'{"id": 1}',
        b"\xff\xfe",
        b'{"id": "\xff"}',
        b'{"x": ' + b"[" * 50_000,
        encode(submission("big")).replace(b'"accepted_at"', b'"batch_size":99999999999999999999,"accepted_at"'),
    ],
)
def test_what_cannot_be_kept_becomes_a_dead_letter(value: bytes | None) -> None:
    good = encode(submission("good"))
    batch = batch_of(
        received("submissions.bulk", good, 0),
        received("submissions.bulk", value, 1),
        received("submissions.bulk", good, 2),
    )
    built = batch.build()
    assert batch.undecodable == 1
    letters, raw, kept = built["dead_letters"], built["dead_bytes"], built["submissions"]
    assert letters is not None
    assert raw is not None
    assert kept is not None
    assert kept.column("offset").to_pylist() == [0, 2]
    assert letters.column("origin_offset").to_pylist() == [1]
    assert "cannot be " in str(letters.column("cause").to_pylist())
    assert raw.column("value").to_pylist() == [value]


def test_a_dead_letter_that_cannot_be_kept_becomes_another() -> None:
    letter = DeadLetter(topic="t", partition=10**30, offset=0, cause="c", at=0, key=None, value=b"v")
    built = batch_of(received("dead-letters", encode(letter), 5)).build()
    letters = built["dead_letters"]
    assert letters is not None
    assert letters.column("origin_topic").to_pylist() == ["dead-letters"]


def test_the_cause_names_no_number() -> None:
    bad = encode(submission("s")).replace(b'"priority"', b'"x"')
    bad = bad[:-1] + b',"priority":"' + PHONE.encode() + b'"}'
    letters = batch_of(received("submissions.bulk", bad)).build()["dead_letters"]
    assert letters is not None
    assert PHONE not in str(letters.column("cause").to_pylist())


def test_a_table_takes_only_what_it_has_not() -> None:
    records = [received("submissions.bulk", encode(submission(f"s{n}")), n) for n in range(4)]
    ahead = {**NOTHING_YET, "texts": 2}  # a crash fell between the two commits
    built = batch_of(*records, versions=ahead).build()
    assert built["texts"] is not None
    assert built["texts"].column("offset").to_pylist() == [3]
    assert built["submissions"] is not None
    assert built["submissions"].num_rows == 4


@given(st.integers(-(10**20), 10**20))
def test_no_time_from_outside_opens_a_day_out_of_reach(at: int) -> None:
    stamped = 1_795_308_000_000
    record = Record(id="r", kind=RecordKind.MO, sender=PHONE, recipient=PHONE, content="", submitted_at=at)
    row = tables.RECORDS.build([record], [Origin("l", "records", 0, 0, stamped)], PRIVACY).to_pylist()[0]
    today = datetime.date(2026, 11, 22)
    assert today - datetime.timedelta(days=tables.OLDEST_DAYS) <= row["dt"] <= today + datetime.timedelta(days=1)


def test_a_record_of_yesterday_lies_under_yesterday() -> None:
    stamped = 1_795_308_000_000
    record = Record(
        id="r", kind=RecordKind.MO, sender=PHONE, recipient="10086", content="", submitted_at=stamped - DAY_MS
    )
    row = tables.RECORDS.build([record], [Origin("l", "records", 0, 0, stamped)], PRIVACY).to_pylist()[0]
    assert row["dt"] == datetime.date(2026, 11, 21)
    assert (row["sender"], row["recipient"]) == (PRIVACY.number(PHONE), "10086")


def test_the_first_decision_of_a_round_is_kept() -> None:
    first = FirstDecisions()
    kept = [
        first.is_first(msgspec.structs.replace(decision(ident, decided_round, port=sender[:1]), sender=sender), PRIVACY)
        for ident, decided_round, sender in [
            ("a", 0, "1"),
            ("a", 0, "1"),
            ("a", 1, "1"),
            ("a", 0, "2"),
            ("b", 0, "1"),
            ("a", 0, "101"),
        ]
    ]
    assert kept == [True, False, True, True, True, True]


def test_memory_of_decisions_is_bounded() -> None:
    first = FirstDecisions()
    assert all(first.remember("s", "p", str(n), 0) for n in range(REMEMBERED + 1))
    assert not first.remember("s", "p", str(REMEMBERED), 0)
    assert first.remember("s", "p", "0", 0)  # long gone


def test_memory_of_decisions_comes_back_from_the_table(tmp_path: Path) -> None:
    written = [decision(f"{PHONE}-{n}") for n in range(10)]
    origins = [Origin("log", "decisions", n % 2, n, now_ms()) for n in range(10)]
    table = delta.open_table(tmp_path, tables.DECISIONS)
    delta.append(table, tables.DECISIONS.build(written, origins, PRIVACY), {"a": None}, {"a": 9})
    first = recall(table, "log", {0: 8, 1: None, 2: 3})[0]
    assert not first.is_first(written[4], PRIVACY)
    assert first.is_first(written[5], PRIVACY)  # of partition 1
    assert recall(table, "another log", {0: 8})[0].is_first(written[4], PRIVACY)


def _outbound() -> Outbound:
    return Outbound(submission=submission("s"), recipients=(PHONE,), round=0, decided_at=now_ms())


@pytest.mark.parametrize("table", SHARED + FULL, ids=lambda t: t.name)
def test_every_table_can_be_made_and_takes_no_rows(tmp_path: Path, table: Table) -> None:
    made = delta.open_table(tmp_path, table)
    delta.append(made, table.schema.empty_table(), {"a": None}, {"a": 3})
    found = delta.find_table(tmp_path, table)
    assert found is not None
    assert found.transaction_version("a") == 3


def test_outbound_keeps_the_recipients_that_are_left() -> None:
    row = tables.OUTBOUND.build([_outbound()], [Origin("l", "outbound.c.bulk", 0, 0, now_ms())], PRIVACY).to_pylist()[0]
    assert row["recipients"] == [PRIVACY.number(PHONE)]
    assert isinstance(_outbound().submission, Submission)
