"""The sink on a broker: every topic arrives, whatever is wrong with a record, the disk or the broker."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from pipeline.errors import AntispamError
from pipeline.events import (
    Alert,
    AlertLevel,
    Campaign,
    CaseMember,
    Complaint,
    ConfigChange,
    DeadLetter,
    DeliveryReport,
    Hold,
    ListAction,
    Outbound,
    PortAction,
    Record,
    RecordKind,
    ReviewVerdict,
    Verdict,
    encode,
)
from pipeline.lake import delta, sink
from pipeline.lake.rollups import ROLLUPS
from pipeline.lake.sink import Counts, run_sink
from pipeline.lake.tables import FULL, SHARED
from pipeline.lake.views import connect, full_files
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from tests.harness.lake.events import PHONE, decision, now_ms, submission

pytestmark = pytest.mark.broker
DEADLINE = 60.0


def one_of_each() -> list[tuple[str, bytes]]:
    now = now_ms()
    text = submission("s1")
    action = ListAction(list="black", entity="sender", value=PHONE, rule="r", evidence="s1", at=now)
    report = DeliveryReport(id="s1/1", channel="c", carrier_id="0", status="DELIVRD", reported_at=now)
    record = Record(id="m1", kind=RecordKind.MO, sender=PHONE, recipient="10086", content="hi", submitted_at=now)
    told = Campaign(
        id="c1", messages=20, ports=2, senders=2, growth=9, first_seen=now, last_seen=now, at=now, sketches=()
    )
    return [
        ("submissions.express", encode(text)),
        ("submissions.bulk", encode(submission("s2"))),
        ("records", encode(record)),
        ("decisions", encode(decision("s1"))),
        ("outbound.cmcc.bulk", encode(Outbound(submission=text, recipients=(PHONE,), round=0, decided_at=now))),
        ("holds", encode(Hold(submission=text, rule="bulk-grace", due_at=now))),
        ("cases", encode(CaseMember(submission=text, port="1069", fingerprint="f", rule="r", decided_at=now))),
        ("reviews", encode(ReviewVerdict(case="c", verdict=Verdict.REJECT, reviewer="r", decided_at=now))),
        ("port-actions", encode(PortAction(port="1069", action="suspend", rule="r", evidence="s1", at=now))),
        ("list-actions", encode(action)),
        ("alerts", encode(Alert(id="a", level=AlertLevel.SEVERE, rule="r", subject="1069", message="m", at=now))),
        ("complaints", encode(Complaint(id="k", port="1069", recipient=PHONE, complained_at=now))),
        ("deliveries", encode(report)),
        ("campaigns", encode(told)),
        ("config", encode(ConfigChange(epoch=1, kind="port", name="1069", value="{}", changed_at=now))),
        ("dead-letters", encode(DeadLetter(topic="t", partition=0, offset=0, cause="c", at=now, key=None, value=b"v"))),
    ]


def send(broker: str, records: list[tuple[str, bytes]]) -> None:
    admin = AdminClient({"bootstrap.servers": broker, "log_level": 2})
    there = admin.list_topics(timeout=10).topics
    missing = [NewTopic(topic, 1, 1) for topic in sorted({topic for topic, _ in records}) if topic not in there]
    if missing:
        for made in admin.create_topics(missing).values():
            made.result(30)
    producer = Producer({"bootstrap.servers": broker, "log_level": 2})
    for topic, value in records:
        producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


@pytest.fixture
def settings(tmp_path: Path, fresh_embedded: EmbeddedBroker) -> Settings:
    return Settings(kafka=fresh_embedded.bootstrap, data_dir=tmp_path, session_timeout=6, lake_flush=0.2)


class Impatient(threading.Event):
    """A stop signal whose `wait` does not wait: back-off takes no time."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def sink_until(settings: Settings, done: Callable[[Counts], bool], group: str = "lake") -> Counts:
    stop = Impatient()
    deadline = time.monotonic() + DEADLINE

    def observe(counts: Counts) -> None:
        if done(counts):
            stop.set()
        assert time.monotonic() < deadline, counts

    return run_sink(settings, stop, group, observe)


def count(settings: Settings, table: str) -> int:
    row = connect(settings).execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def test_every_topic_arrives_in_its_table(settings: Settings) -> None:
    assert settings.kafka
    send(settings.kafka, one_of_each())
    names = {table.name for table in SHARED + FULL} | {rollup.name for rollup in ROLLUPS}
    counts = sink_until(settings, lambda counts: set(counts.rows) == names)
    expected = dict.fromkeys(names, 1) | {"submissions": 2, "texts": 4, "rules_hourly": 4, "recipients_hourly": 2}
    assert dict(counts.rows) == expected
    assert {table.name: count(settings, table.name) for table in SHARED} == {
        table.name: expected[table.name] for table in SHARED
    }


def test_a_record_nobody_can_read_stops_nothing_and_is_not_lost(settings: Settings) -> None:
    assert settings.kafka
    send(settings.kafka, [("decisions", b"{"), ("decisions", encode(decision("d"))), ("decisions", b"")])
    sink_until(settings, lambda counts: counts.rows["decisions"] == 1)
    assert count(settings, "dead_letters") == 2
    raw = connect(settings).execute(
        "SELECT value FROM read_parquet(?) ORDER BY origin_offset", [full_files(settings, "dead_bytes")]
    )
    assert raw.fetchall() == [(b"{",), (b"",)]


def test_a_partition_of_dead_letters_only_is_not_read_twice(settings: Settings) -> None:
    assert settings.kafka
    send(settings.kafka, [("decisions", b"{")])
    sink_until(settings, lambda counts: counts.undecodable == 1, "first")
    send(settings.kafka, [("decisions", encode(decision("d")))])
    sink_until(settings, lambda counts: counts.rows["decisions"] == 1, "second")
    assert count(settings, "dead_letters") == 1


def test_a_decision_given_again_is_kept_once_even_by_the_next_sink(settings: Settings) -> None:
    assert settings.kafka
    send(settings.kafka, [("decisions", encode(decision("d", verdict=Verdict.REJECT)))] * 2)
    counts = sink_until(settings, lambda counts: counts.rows["decisions"] == 1, "first")
    assert counts.repeated_decisions == 1
    again = [decision("d", verdict=Verdict.RELEASE), decision("e")]
    send(settings.kafka, [("decisions", encode(event)) for event in again])
    counts = sink_until(settings, lambda counts: counts.rows["decisions"] == 1, "second")
    assert counts.repeated_decisions == 1
    rows = connect(settings).execute("SELECT id, verdict FROM decisions ORDER BY id").fetchall()
    assert rows == [("d", "reject"), ("e", "review")]


def test_a_full_disk_costs_no_row_and_doubles_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.kafka
    send(settings.kafka, [("submissions.bulk", encode(submission(f"s{n}"))) for n in range(50)])
    append = delta.append
    failures = ["texts", "submissions", "submissions"]  # the second falls between the two commits

    def full(target, *args):  # type: ignore[no-untyped-def]
        if failures and target.table_uri.rstrip("/").endswith(failures[0]):
            del failures[0]
            raise OSError(errno.ENOSPC, "No space left on device")
        append(target, *args)

    monkeypatch.setattr(delta, "append", full)
    counts = sink_until(settings, lambda counts: counts.rows["submissions"] == 50)
    assert counts.failures == 3
    assert count(settings, "submissions") == 50
    texts = connect(settings).execute("SELECT count(*) FROM read_parquet(?)", [full_files(settings, "texts")])
    assert texts.fetchall() == [(50,)]


def test_a_disk_that_is_full_between_roll_up_and_decisions_counts_no_message_twice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.kafka
    send(settings.kafka, [("decisions", encode(decision(f"d{n}"))) for n in range(20)])
    append = delta.append
    failures = ["traffic_hourly", "decisions", "rules_hourly", "decisions"]

    def full(target, *args):  # type: ignore[no-untyped-def]
        if failures and target.table_uri.rstrip("/").endswith(failures[0]):
            del failures[0]
            raise OSError(errno.ENOSPC, "No space left on device")
        append(target, *args)

    monkeypatch.setattr(delta, "append", full)
    assert sink_until(settings, lambda counts: counts.rows["decisions"] == 20).failures == 4
    found = connect(settings).execute(
        "SELECT (SELECT sum(decisions) FROM traffic_hourly), (SELECT sum(decisions) FROM rules_hourly WHERE first)"
    )
    assert found.fetchall() == [(20, 20 * 4)]  # each with two reasons, an exception and a rule in shadow


def test_a_disk_that_stays_full_ends_the_sink_with_a_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.kafka
    send(settings.kafka, [("decisions", encode(decision("d")))])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(delta, "append", full)
    with pytest.raises(AntispamError, match=f"{sink.BACKOFF.tries} tries in a row: .*No space left"):
        sink_until(settings, lambda _: False)


def test_a_new_cluster_begins_a_new_count(settings: Settings, tmp_path: Path) -> None:
    """The embedded broker forgets everything when it ends, and counts from 0 again."""
    assert settings.kafka
    send(settings.kafka, [("decisions", encode(decision(f"a{n}"))) for n in range(3)])
    sink_until(settings, lambda counts: counts.rows["decisions"] == 3)
    with EmbeddedBroker(tmp_path / "another") as another:
        moved = settings.model_copy(update={"kafka": another.bootstrap})
        send(another.bootstrap, [("decisions", encode(decision(f"b{n}"))) for n in range(2)])
        sink_until(moved, lambda counts: counts.rows["decisions"] == 2)
    rows = connect(settings).execute("SELECT id FROM decisions ORDER BY id").fetchall()
    assert [ident for (ident,) in rows] == ["a0", "a1", "a2", "b0", "b1"]


def test_a_sink_without_a_broker_says_so(tmp_path: Path) -> None:
    with pytest.raises(AntispamError, match="ANTISPAM_KAFKA"):
        run_sink(Settings(kafka=None, data_dir=tmp_path), threading.Event())
