"""What the lake promises whatever dies: each record once, none missing, readers never disturbed.

A producer writes decisions and submissions, numbered per partition, while sinks are killed with
SIGKILL; a reader takes snapshots and a compactor rewrites files all the time. Some decisions are
given twice, as the embedded broker does after a crash.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from pipeline.errors import AntispamError
from pipeline.events import encode
from pipeline.lake.upkeep import MIDDLING_BYTES, compact
from pipeline.lake.views import connect, full_files, refresh
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from tests.harness.lake.events import decision, submission
from tests.harness.processes.forked import Forked

PARTITIONS = 4
RUN = """
import pathlib, signal, sys, threading
from pipeline.lake.sink import run_sink
from pipeline.settings import Settings
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
settings = Settings()
def observe(counts):
    if counts.fenced:
        (settings.data_dir / f"fenced-{sys.argv[1]}").write_text(str(counts.fenced))
run_sink(settings, stop, sys.argv[1], observe)
"""
# Ids of this run only: a real Kafka's topics may hold what others wrote.
SOUND = """
SELECT partition, count(*), count(DISTINCT id),
       max(split_part(id, '-', 3)::INT) + 1 - count(*) AS missing
FROM {table} WHERE starts_with(id, '{run}-') GROUP BY partition
"""


class Traffic(threading.Thread):
    """Writes decisions (one in 20 a second time) and submissions until told to stop."""

    def __init__(self, broker: str, rate: int = 2000) -> None:
        super().__init__(daemon=True)
        self.run_id = secrets.token_hex(3)
        self.written = {"decisions": [0] * PARTITIONS, "submissions": [0] * PARTITIONS}
        self.stopping = threading.Event()
        self._rate = rate
        self._producer = Producer({"bootstrap.servers": broker, "linger.ms": 20, "log_level": 2})

    def run(self) -> None:
        while not self.stopping.is_set():
            for _ in range(self._rate // 10 // PARTITIONS):
                for partition in range(PARTITIONS):
                    self._write("decisions", "decisions", decision, partition, repeats=True)
            for partition in range(PARTITIONS):
                self._write("submissions", "submissions.bulk", submission, partition, repeats=False)
            self._producer.flush(30)
            self.stopping.wait(0.1)

    def _write(self, kind, topic, make, partition: int, repeats: bool) -> None:  # type: ignore[no-untyped-def]
        number = self.written[kind][partition]
        value = encode(make(f"{self.run_id}-{partition}-{number}"))
        self._producer.produce(topic, value, partition=partition)
        if repeats and number % 20 == 7:
            again = encode(make(f"{self.run_id}-{partition}-{max(0, number - random.randrange(500))}"))
            self._producer.produce(topic, again, partition=partition)
        self.written[kind][partition] = number + 1


class Reader(threading.Thread):
    """Takes snapshots again and again; what is wrong with one is kept in `wrong`."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        super().__init__(daemon=True)
        self.wrong: list[str] = []
        self.checks = 0
        self.total = 0
        self.stopping = threading.Event()
        self._settings = settings
        self._run_id = run_id
        self._rolled = 0

    def run(self) -> None:
        connection = connect(self._settings)
        seen: dict[tuple[str, int], int] = {}
        while not self.stopping.is_set():
            try:
                refresh(connection, self._settings)
                for table in ("decisions", "submissions"):
                    rows = connection.execute(SOUND.format(table=table, run=self._run_id)).fetchall()
                    for partition, count, distinct, missing in rows:
                        if count != distinct or missing or count < seen.get((table, partition), 0):
                            self.wrong.append(f"{table}/{partition}: {count} {distinct} {missing}")
                        seen[table, partition] = count
                self._check_roll_up(connection)
                self.total = sum(seen.values())
                self.checks += 1
            except Exception as error:  # noqa: BLE001 - a reader must never fail, in no way at all
                self.wrong.append(repr(error))
            self.stopping.wait(0.2)  # a snapshot takes 0.1 s of one core
        connection.close()

    def _check_roll_up(self, connection: duckdb.DuckDBPyConnection) -> None:
        """It is written before its rows and read after them: it is never behind, at most some flushes ahead."""
        sql = "SELECT (SELECT count(*) FROM decisions), (SELECT coalesce(sum(decisions), 0) FROM traffic_hourly)"
        rows, rolled = connection.execute(sql).fetchone() or (0, 0)
        if not rows <= rolled or rolled < self._rolled:
            self.wrong.append(f"roll-up: {rolled} after {self._rolled}, {rows} rows")
        self._rolled = rolled


def compact_until(settings: Settings, stopping: threading.Event, wrong: list[str]) -> None:
    while not stopping.wait(1.0):
        try:
            compact(settings, MIDDLING_BYTES)
            compact(settings)
        except AntispamError as error:
            if "another process" not in str(error):  # a sink compacts as well
                wrong.append(repr(error))


@contextmanager
def scene(broker: str, folder: Path) -> Iterator[tuple[Traffic, Reader]]:
    admin = AdminClient({"bootstrap.servers": broker, "log_level": 2})
    wanted = ["decisions", "submissions.bulk"]
    there = admin.list_topics(timeout=10).topics
    for made in admin.create_topics(
        [NewTopic(topic, PARTITIONS, 1) for topic in wanted if topic not in there] or [NewTopic("holds", 1, 1)]
    ).values():
        made.result(30)
    settings = Settings(data_dir=folder)
    traffic = Traffic(broker)
    reader = Reader(settings, traffic.run_id)
    compactor = threading.Thread(target=compact_until, args=(settings, reader.stopping, reader.wrong), daemon=True)
    for thread in (traffic, reader, compactor):
        thread.start()
    try:
        yield traffic, reader
    finally:
        for stop in (traffic.stopping, reader.stopping):
            stop.set()
        for thread in (traffic, reader, compactor):
            thread.join(60)


def start_sink(broker: str, folder: Path, group: str) -> Forked:
    environment = {
        **os.environ,
        "ANTISPAM_KAFKA": broker,
        "ANTISPAM_DATA_DIR": str(folder),
        "ANTISPAM_SESSION_TIMEOUT": "6",
        "ANTISPAM_LAKE_FLUSH": "0.2",
        "ANTISPAM_PRIVACY_KEY": "k",
    }
    return Forked(group, code=RUN, env=environment)


def until(condition: Callable[[], object], sinks: Iterable[Forked], reader: Reader, seconds: float = 90) -> None:
    """Wait for the condition. Fails at once when a sink has ended by itself: nobody starts it again."""
    deadline = time.monotonic() + seconds
    while not condition():
        ended = [sink.returncode for sink in sinks if sink.poll() is not None]
        assert ended == [], f"a sink has ended with {ended} after {reader.total} rows"
        assert time.monotonic() < deadline, f"not within {seconds} s: {reader.total} rows, {reader.checks} snapshots"
        time.sleep(0.02)


def assert_all_there(traffic: Traffic, reader: Reader, folder: Path, sinks: Iterable[Forked]) -> None:
    """Stop the traffic, let the lake catch up, and compare it with what was written."""
    traffic.stopping.set()
    traffic.join(60)
    written = sum(map(sum, traffic.written.values()))
    until(lambda: reader.total >= written or reader.wrong, sinks, reader)
    assert reader.wrong == []
    assert reader.total == written
    assert reader.checks > 5
    texts = connect(settings := Settings(data_dir=folder)).execute(
        "SELECT count(*), count(DISTINCT id) FROM read_parquet(?) WHERE starts_with(id, ?)",
        [full_files(settings, "texts"), traffic.run_id],
    )
    rolled = connect(settings).execute(
        """SELECT (SELECT (count(*), sum(messages)) FROM decisions),
                  (SELECT (sum(decisions), sum(messages)) FROM traffic_hourly),
                  (SELECT sum(decisions) FROM rules_hourly WHERE effect = 'deciding')"""
    )
    [(raw, in_traffic, deciding)] = rolled.fetchall()
    assert in_traffic == raw
    assert deciding == raw[0]
    submissions = sum(traffic.written["submissions"])
    assert texts.fetchall() == [(submissions, submissions)]


def kill_and_kill(broker: str, folder: Path, groups: list[str]) -> str:
    """One sink per group name, each killed once it has written; then one that is left to finish."""
    with scene(broker, folder) as (traffic, reader):
        for group in groups:
            sink = start_sink(broker, folder, group)
            before = reader.total
            until(lambda: reader.total > before or reader.wrong, [sink], reader)  # noqa: B023 - asked in this turn only
            time.sleep(random.random())  # anywhere in a flush
            sink.kill()
            sink.wait(10)
        sink = start_sink(broker, folder, f"{groups[-1]}-last")
        try:
            assert_all_there(traffic, reader, folder, [sink])
        finally:
            sink.terminate()
            sink.wait(30)
    assert sink.returncode == 0
    return f"{len(groups)} kills, {reader.total} rows, {reader.checks} snapshots, all sound"


def two_at_once(broker: str, folder: Path, rows: int) -> str:
    """Two groups: each sink is given every partition, as a zombie and its successor would be."""
    with scene(broker, folder) as (traffic, reader):
        sinks = [start_sink(broker, folder, f"lake-{secrets.token_hex(4)}") for _ in range(2)]
        try:
            until(lambda: (any(folder.glob("fenced-*")) and reader.total > rows) or reader.wrong, sinks, reader)
            assert_all_there(traffic, reader, folder, sinks)
        finally:
            for sink in sinks:
                sink.terminate()
            for sink in sinks:
                sink.wait(30)
    fenced = [int(mark.read_text()) for mark in folder.glob("fenced-*")]
    return f"fenced {fenced}, {reader.total} rows, {reader.checks} snapshots, all sound"


def one_group(kills: int) -> list[str]:
    return [f"lake-{secrets.token_hex(4)}"] * kills


@pytest.mark.broker
def test_a_killed_sink_loses_and_repeats_nothing(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    # A new group each: the successor need not wait until the dead one's session has passed.
    print(kill_and_kill(fresh_embedded.bootstrap, tmp_path, one_group(1) + one_group(1)))


@pytest.mark.broker
@pytest.mark.slow
def test_of_two_sinks_on_the_same_partitions_one_is_fenced(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    print(two_at_once(fresh_embedded.bootstrap, tmp_path, rows=5_000))


@pytest.mark.slow
@pytest.mark.broker
def test_twenty_kills_on_the_embedded_broker(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    print(kill_and_kill(fresh_embedded.bootstrap, tmp_path, one_group(20)))


@pytest.mark.slow
@pytest.mark.kafka
def test_twenty_kills_on_kafka(kafka_broker: str, tmp_path: Path) -> None:
    print(kill_and_kill(kafka_broker, tmp_path, one_group(20)))


@pytest.mark.slow
@pytest.mark.kafka
def test_two_sinks_on_kafka(kafka_broker: str, tmp_path: Path) -> None:
    print(two_at_once(kafka_broker, tmp_path, rows=60_000))
