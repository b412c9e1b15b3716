"""A day that is over its time is nowhere any more: not in a row, not in a file's free space. The next day stays."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from pipeline import topics
from pipeline.actions.alerts import news
from pipeline.actions.complaints import intake
from pipeline.actions.holds import holds
from pipeline.actions.retention.expiry import expire
from pipeline.actions.review import case_members
from pipeline.actions.status import statuses
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import AntispamError
from pipeline.events import (
    Alert,
    AlertLevel,
    Campaign,
    CaseMember,
    Complaint,
    DeadLetter,
    Decision,
    DeliveryReport,
    Event,
    Hold,
    Kind,
    ListAction,
    Outbound,
    PortAction,
    Record,
    RecordKind,
    ReviewVerdict,
    Submission,
    Verdict,
    encode,
)
from pipeline.file_exchange import COMPLAINT_SHAPES
from pipeline.lake import delta
from pipeline.lake.batch import Batch, Received
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import FULL, SHARED, table_of
from pipeline.settings import Settings
from pipeline.store import outbox, schema
from pipeline.store.database import Database
from pipeline.store.registry import list_entries
from tests.harness.case_events import add_port, member
from tests.harness.migrated import migrated_database
from tests.harness.processes.forked import run

NOW = 20_500 * DAY_MS + 5 * HOUR_MS
SUBMISSIONS = 60  # a day: enough for SQLite to split pages and free some
PORT = "10690001"


class Day:
    """One day's traffic, with a number and a text of its own in everything."""

    def __init__(self, at: int, number: str, text: str) -> None:
        self.at, self.number, self.text = at, number, text

    def submission(self, n: int) -> Submission:
        return Submission(
            id=f"{self.at}-{n}",
            port=PORT,
            recipients=(self.number,),
            content=f"{self.text}第{n}条" * 8,
            accepted_at=self.at,
        )

    def member(self, n: int) -> CaseMember:
        return msgspec.json.decode(
            member(f"{self.at}-{n}", f"f{self.at}", self.at, recipients=(self.number,), content=self.text),
            type=CaseMember,
        )

    def events(self) -> dict[str, list[Event]]:
        """Something on every topic that the lake keeps."""
        sent = [self.submission(n) for n in range(SUBMISSIONS)]
        decision = Decision(
            id=sent[0].id,
            round=0,
            verdict=Verdict.REJECT,
            exceptions=(),
            score=None,
            label=None,
            category=None,
            reasons=(),
            epoch=1,
            policy=None,
            dictionary=None,
            model=None,
            counters={},
            degraded=False,
            shadow=(),
            decided_at=self.at,
            source="submission",
            port=PORT,
            kind=Kind.NOTICE,
            messages=1,
            fingerprint="f",
            accepted_at=self.at,
            sender=PORT,
        )
        return {
            topics.SUBMISSIONS_EXPRESS.name: [*sent],
            topics.RECORDS.name: [
                Record(
                    id=f"r{self.at}",
                    kind=RecordKind.MO,
                    sender=self.number,
                    recipient=self.number,
                    content=self.text,
                    submitted_at=self.at,
                )
            ],
            topics.DECISIONS.name: [decision],
            "outbound.default.express": [
                Outbound(submission=sent[0], recipients=(self.number,), round=0, decided_at=self.at)
            ],
            topics.HOLDS.name: [Hold(submission=sent[n], rule="grace", due_at=self.at) for n in range(5)],
            topics.CASES.name: [self.member(n) for n in range(SUBMISSIONS)],
            topics.REVIEWS.name: [
                ReviewVerdict(case="c", verdict=Verdict.REJECT, reviewer="lin", decided_at=self.at, note=self.text)
            ],
            topics.PORT_ACTIONS.name: [PortAction(port=PORT, action="suspend", rule="r", evidence="e", at=self.at)],
            topics.LIST_ACTIONS.name: [
                ListAction(list="black", entity="sender", value=self.number, rule="r", evidence="e", at=self.at)
            ],
            topics.ALERTS.name: [
                Alert(id=f"a{self.at}", level=AlertLevel.SEVERE, rule="r", subject="s", message=self.text, at=self.at)
            ],
            topics.CAMPAIGNS.name: [
                Campaign(
                    id="c00000000000000aa",
                    messages=20,
                    ports=1,
                    senders=2,
                    growth=0,
                    first_seen=self.at,
                    last_seen=self.at,
                    at=self.at,
                    sketches=(),
                    first=(f"{PORT}/{sent[0].id}", f"/{self.number}"),
                )
            ],
            topics.COMPLAINTS.name: [
                Complaint(id=f"k{self.at}", port=PORT, recipient=self.number, complained_at=self.at, content=self.text)
            ],
            topics.DELIVERIES.name: [
                DeliveryReport(
                    id=f"{sent[0].id}/1", channel="default", carrier_id="1", status="DELIVRD", reported_at=self.at
                )
            ],
            topics.DEAD_LETTERS.name: [
                DeadLetter(
                    topic="records",
                    partition=0,
                    offset=1,
                    cause="c",
                    at=self.at,
                    key=self.number.encode(),
                    value=self.text.encode(),
                )
            ],
        }


OLD = Day(NOW - 161 * DAY_MS, "13800138001", "旧日的正文内容")
KEPT = Day(NOW - 160 * DAY_MS, "13900139002", "留存日的正文内容")


def fill_lake(settings: Settings, day: Day, offset: int) -> None:
    batch = Batch(Privacy(settings.privacy_secret))
    tables = {table.name: delta.open_table(settings.lake_dir, table) for table in SHARED + FULL}
    for topic, events in day.events().items():
        records = [Received(topic, 0, offset + n, day.at, None, encode(event)) for n, event in enumerate(events)]
        versions = {name: table.transaction_version(topic) for name, table in tables.items()}
        batch.read(records, "log", topic, versions, lambda _: True)
    for name, rows in batch.build().items():
        assert rows is not None, name
        moved = dict.fromkeys(batch.moved[name], offset + 999)
        delta.append(tables[name], rows, {a: tables[name].transaction_version(a) for a in moved}, moved)
    age_log(settings, day.at)
    assert batch.undecodable == 0
    assert {table_of(topic).name for topic in day.events()} == {table.name for table in SHARED}


def age_log(settings: Settings, at: int) -> None:
    """As if every entry of the lake's logs had been written then: those of the last hour are kept."""
    for path in settings.lake_dir.rglob("_delta_log/*"):
        os.utime(path, (at / 1000, at / 1000))


def fill_database(db: Database, day: Day) -> None:
    """By the projections themselves, and what senders, callbacks and reviewers leave."""
    raw = {topic: [encode(event) for event in events] for topic, events in day.events().items()}
    first = day.submission(0)
    with db.write() as connection:
        statuses.project_submissions(connection, day.at, raw[topics.SUBMISSIONS_EXPRESS.name])
        statuses.project_decisions(connection, day.at, raw[topics.DECISIONS.name])
        holds.project_holds(connection, day.at, raw[topics.HOLDS.name])
        case_members.project_members(
            connection,
            day.at,
            raw[topics.CASES.name],
        )
        intake.project_complaints(connection, day.at, raw[topics.COMPLAINTS.name], COMPLAINT_SHAPES)
        # The complaint lists its number without an end, and an entry without an end stays: an operator takes it off.
        assert list_entries.remove(connection, day.at, "ops", "unsubscribed", f"{PORT}:{day.number}", "withdrawn")
        outbox.mark_published(connection, [ident for ident, _ in outbox.unpublished(connection, 100)], day.at)
        outbox.prune(connection, day.at + 1)  # as the relay does
        news.project_alerts(connection, day.at, raw[topics.ALERTS.name])
        rows = {
            schema.deliveries: {
                "port": PORT,
                "submission": first.id,
                "n": 1,
                "part": 1,
                "recipient": day.number,
                "changed_at": day.at,
                "channel": "default",
                "state": "delivered",
            },
            schema.parked_reports: {
                "channel": "default",
                "recipient": day.number,
                "carrier_id": f"{day.at}",
                "sender": PORT,
                "status": day.text,
                "reported_at": 0,
                "parked_at": day.at,
            },
            schema.report_outbox: {"key": f"{first.id}/1", "body": day.text.encode(), "created_at": day.at},
            schema.callbacks: {"port": PORT, "url": "u", "body": day.text.encode(), "created_at": day.at, "due_at": 1},
            schema.actions: {"kind": "list", "subject": f"black/{day.number}", "actor": "a", "at": day.at},
            schema.list_entries: {
                "list": "black",
                "value": day.number,
                "entity": "sender",
                "reason": day.text,
                "added_by": "a",
                "added_at": 0,
                "expires_at": day.at,
            },
        }
        for table, row in rows.items():
            connection.execute(insert(table).values(row))


def fill_files(settings: Settings, day: Day) -> None:
    for name in ("records/smsc1/rejected/r.csv", "records/acme/results/s.csv", "uploads/u.csv"):
        path = settings.data_dir / name.replace(".csv", f"{day.at}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{day.number},{day.text}", encoding="utf-8")
        os.utime(path, (day.at / 1000, day.at / 1000))


def traces(folder: Path, day: Day) -> Iterator[str]:
    """Where the day's number, its hash or its text stands in any file under the folder."""
    privacy = Privacy(Settings(data_dir=folder).privacy_secret)
    needles = [
        form
        for word in (day.number, privacy.number(day.number), day.text)
        for form in (
            word.encode(),
            word.encode("utf-16-le"),
            msgspec.json.encode(word).strip(b'"'),
            word.encode("unicode_escape"),
        )
    ]
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":  # compressed: as a reader sees it
            content += str(pq.read_table(path, partitioning=None).to_pylist()).encode()
            content += b"".join(
                v
                for row in pq.read_table(path, partitioning=None).to_pylist()
                for v in row.values()
                if isinstance(v, bytes)
            )
        if any(needle in content for needle in needles):
            yield str(path.relative_to(folder))


@pytest.mark.long
def test_nothing_of_a_day_over_its_time_is_left_and_the_next_day_is(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, retention_days=160, status_days=160)
    db = migrated_database(settings)
    with db.write() as connection:
        add_port(connection)
    for n, day in enumerate((OLD, KEPT)):
        fill_lake(settings, day, n * 1000)
        fill_database(db, day)
        fill_files(settings, day)
    before, kept = set(traces(tmp_path, OLD)), set(traces(tmp_path, KEPT))
    # Each kind of place was really filled: database or its log, full texts, masked tables, files.
    assert any(name.startswith("operational.db") for name in before)
    assert {name.split("/")[0] for name in before} >= {"lake", "records", "uploads"}
    assert {name.split("/")[1] for name in before if name.startswith("lake/")} >= {"full", "submissions", "outbound"}

    gone = expire(db, settings, NOW, grace_hours=0)

    assert set(traces(tmp_path, OLD)) == set()
    assert gone["submissions"] == SUBMISSIONS
    left = set(traces(tmp_path, KEPT))
    assert {name for name in kept if name.endswith(".parquet") or name.startswith("records/")} <= left
    assert "operational.db" in left
    db.close()
    age_log(settings, NOW)
    # The command, by the real clock: the kept day is over its time, too.
    environment = {**os.environ, "ANTISPAM_DATA_DIR": str(tmp_path), "ANTISPAM_RETENTION_DAYS": "160"}
    again = run("expire", "--at-once", env=environment)
    assert "cases: 1" in again[1], again
    assert set(traces(tmp_path, KEPT)) == set()


def test_errors_name_no_number(tmp_path: Path) -> None:
    """SQLAlchemy would put a statement's parameters into the text of its errors, and so into logs."""
    db = migrated_database(Settings(data_dir=tmp_path))
    row = {"list": "black", "value": OLD.number, "entity": "sender", "added_by": "a", "added_at": 0}
    with db.write() as connection:
        connection.execute(insert(schema.list_entries).values(row))
    with pytest.raises(AntispamError, match="UNIQUE") as caught, db.write() as connection:
        connection.execute(insert(schema.list_entries).values(row))
    db.close()
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert OLD.number not in "".join(traceback.format_exception(caught.value))
