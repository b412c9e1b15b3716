"""`antispam bench stream`: from the broker to the decision, compared with the engine in the same run.

It has five parts, on the same machine and traffic:

* throughput: a backlog is produced first, then one worker drains it. The worker's CPU time shows the capacity of a
  core; the wall clock of a shared machine does not;
* the same with campaigns known: those of its texts are published before, and stay known in the parts that follow;
* latency at 1,000 submissions/s: from the broker's acknowledgement to the decision as a committed record at a
  consumer;
* express traffic beside a bulk backlog of a million messages;
* counters whose keys come from all ports: from the decision to its value at a worker, at 1,000 submissions/s.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, time
from typing import Any

import msgspec
import psutil
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from pipeline import topics
from pipeline.bench import engine as bench_engine
from pipeline.decision.configuration import directory_entries
from pipeline.errors import AntispamError
from pipeline.events import Campaign, Priority, Submission, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import UNHURRIED, produce, reader, send, writer
from pipeline.kafka.destination import destination
from pipeline.rules.ports import Ports, parse_port
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.child import Child, free_port
from pipeline.sample.config import write_config
from pipeline.sample.enterprises import PORTS as DEMO_PORTS
from pipeline.sample.stress import stress_ports
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.migrate import open_database
from pipeline.store.registry import import_configuration
from pipeline.stream.relay import deliver

RATE = 1000  # submissions/s of the latency parts
LATENCY_SECONDS = 20
WARM_SECONDS = (
    10  # of the part on counters: the first transactions of a worker and a stage on a new broker take seconds
)
PEOPLE = 2_000  # recipients of the part on counters; so most events move a value that is published
BACKLOG_RECIPIENTS = 100
BACKLOG_MESSAGES = 1_000_000
QUIET = 30.0  # seconds without a decision until a part fails


def run(settings: Settings, count: int) -> dict[str, Any]:
    """All parts, as json: rates in submissions/s, times in ms. Raises AntispamError if decisions are missing."""
    both, config = bench_engine.submissions(settings, 2 * count, True), bench_engine.demo_config()
    events, later = both[:count], both[count:]
    engine = bench_engine.measure(events, config)
    campaigns = bench_engine.campaigns_of(later, config)
    engine_with_campaigns = bench_engine.with_campaigns(later, config, campaigns)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="antispam-bench-")))
        settings = settings.model_copy(update={"data_dir": folder})
        if not settings.kafka:
            broker = stack.enter_context(EmbeddedBroker(folder))
            settings = settings.model_copy(update={"kafka": broker.bootstrap, "session_timeout": 6.0})
        ensure_topics(settings.kafka or "", settings)
        ports = publish_demo(settings, folder)
        producer = writer(settings)
        report = {
            "engine": engine,
            "stream": _throughput(settings, producer, events, ports),
            "with_campaigns": {"known": len(campaigns), "engine_submissions_per_cpu_s": round(engine_with_campaigns)}
            | _throughput(settings, producer, later, ports, campaigns),
            "latency_ms_at_1000_per_s": _latency(settings, producer, events, ports, bulk=False),
            "express_ms_beside_a_million_bulk_messages": _latency(settings, producer, events, ports, bulk=True),
            "counter_value_ms_at_1000_per_s": _counter_values(settings, producer, events, ports),
        }
    ratio = report["stream"]["submissions_per_cpu_s"] / engine["submissions_per_cpu_s"]
    report["with_campaigns"]["ratio"] = round(
        report["with_campaigns"]["submissions_per_cpu_s"] / engine_with_campaigns, 2
    )
    return {"broker": "kafka" if os.environ.get("ANTISPAM_KAFKA") else "embedded", "ratio": round(ratio, 2)} | report


def publish_demo(settings: Settings, folder: Path) -> Ports:
    """Put the demo's configuration and the stress ports in force, in the bench folder's database. Returns the ports."""
    write_config(folder / "config", int(time() * 1000), (*DEMO_PORTS, *stress_ports(bench_engine.PORTS)))
    entries = list(directory_entries(folder / "config"))
    settings = settings.model_copy(update={"database_url": None})  # a database in the bench's folder
    db, now = open_database(settings), int(time() * 1000)
    import_configuration.replace(db, User("bench", Role.ADMINISTRATOR), entries, now)
    deliver(settings, db, now)
    db.close()
    return Ports(parse_port(value) for kind, _, value in entries if kind == "port")


@contextmanager
def running(settings: Settings, *command: str, **environment: str) -> Iterator[psutil.Process]:
    """Run one of our processes during the block. An error in the block shows the end of the process's log."""
    name = "-".join(command)
    own = {
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir),
        "ANTISPAM_SESSION_TIMEOUT": str(settings.session_timeout),
        "ANTISPAM_WEB_PORT": str(free_port()),
        "ANTISPAM_LOG_LEVEL": "WARNING",
        **environment,
    }
    child = Child(
        name,
        [sys.executable, "-m", "pipeline.cli", *command],
        settings.data_dir / f"{name}.log",
        env=own,
        on_parent_death=signal.SIGTERM,
    )
    try:
        yield psutil.Process(child.pid)
    except AntispamError as error:
        raise AntispamError(f"{error}{child.tail()}") from None
    finally:
        child.stop(20)


def _worker(settings: Settings) -> AbstractContextManager[psutil.Process]:
    return running(settings, "worker", "--stream", "submissions")


def _send(producer: Producer, event: Submission, ports: Ports, on_delivery: Any = None) -> None:
    topic, key = destination(event, ports)
    produce(producer, topic, key, encode(event), on_delivery=on_delivery)


def _throughput(
    settings: Settings,
    producer: Producer,
    events: list[Submission],
    ports: Ports,
    campaigns: Sequence[Campaign] = (),
) -> dict[str, Any]:
    send(producer, [(topics.CAMPAIGNS.name, campaign.id, encode(campaign)) for campaign in campaigns])
    for event in events:
        _send(producer, event, ports)
    producer.flush(60)
    with Decisions(settings) as decisions, _worker(settings) as process:
        decisions.until(1)
        started, cpu, first = monotonic(), _cpu(process), decisions.count
        decisions.until(len(events))
        seconds, cpu = decisions.last - started, _cpu(process) - cpu
        done = len(events) - first
        return {
            "submissions": done,
            "submissions_per_s": round(done / seconds),
            "submissions_per_cpu_s": round(done / cpu),
            "worker_cpu_us": round(cpu * 1e6 / done, 1),
            "worker_peak_mb": round(process.memory_info().rss / 1e6),
        }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _latency(
    settings: Settings, producer: Producer, events: list[Submission], ports: Ports, *, bulk: bool
) -> dict[str, Any]:
    """RATE express submissions a second; with `bulk`, beside a backlog of a million bulk messages."""
    tag = "bulk" if bulk else "calm"
    acknowledged: dict[str, float] = {}

    def on_delivery(error: Any, message: Any) -> None:
        if error is None:
            acknowledged[Decisions.name(message.value())] = monotonic()

    with Decisions(settings) as decisions, _worker(settings):
        _send(producer, _express(events[0], f"{tag}-warm"), ports)
        producer.flush(10)
        decisions.until(1)
        background = 0
        if bulk:
            background = BACKLOG_MESSAGES // BACKLOG_RECIPIENTS
            for n in range(background):
                _send(producer, _bulk(events[n % len(events)], n), ports)
            producer.flush(60)
        began, sent = monotonic(), 0
        while sent < RATE * LATENCY_SECONDS:
            due = min(RATE * LATENCY_SECONDS, int((monotonic() - began) * RATE))
            for n in range(sent, due):
                _send(producer, _express(events[n % len(events)], f"{tag}-{n}"), ports, on_delivery)
            sent = max(sent, due)
            producer.poll(0)
            decisions.poll(0.002)
        producer.flush(10)
        decisions.until(sent, prefix=f"{tag}-")
        report: dict[str, Any] = {"submissions": len(acknowledged)}
        report |= _percentiles((decisions.seen[name] - at) * 1000 for name, at in acknowledged.items())
        if bulk:
            at_end = sum(1 for name in decisions.seen if name.startswith("million-"))
            report["bulk_messages_decided_meanwhile"] = at_end * BACKLOG_RECIPIENTS
            decisions.until(background, prefix="million-")
            report["bulk_messages_per_s"] = round(BACKLOG_MESSAGES / (decisions.last - began))
        return report


def _percentiles(times: Iterable[float]) -> dict[str, float]:
    waits = sorted(times)
    return {f"p{q:g}": round(waits[min(len(waits) - 1, int(len(waits) * q / 100))], 1) for q in (50, 95, 99)}


def _counter_values(settings: Settings, producer: Producer, events: list[Submission], ports: Ports) -> dict[str, Any]:
    """RATE submissions a second to PEOPLE recipients: how old a published value is when it reaches a consumer.

    What was decided in the first WARM_SECONDS is told apart. The stage first counts what the other parts have decided;
    those values do not count here.
    """
    since = time() * 1000
    heard_of: list[tuple[int, float]] = []  # when it was decided (epoch ms), and its age (ms)
    consumer = reader(settings, "bench-values", **UNHURRIED)
    consumer.assign([TopicPartition(topics.COUNTER_VALUES.name, 0, OFFSET_END)])

    def poll(timeout: float) -> int:
        values = [m.value() or b"" for m in consumer.consume(5000, timeout) if m.error() is None]
        now = time() * 1000
        decided = [at for value in values if (at := msgspec.json.decode(value, type=_At).at) >= since]
        heard_of.extend((at, now - at) for at in decided)
        return len(values)

    poll(1.0)  # the first poll looks the end offset up
    stage = running(settings, "serve", "counters", ANTISPAM_SERVE_PORT="0")
    with Decisions(settings) as decisions, _worker(settings), stage, closing(consumer):
        _send(producer, _to_person(events[0], "warm", 0), ports)
        producer.flush(10)
        decisions.until(1)
        quiet, sent = monotonic(), 0
        while not heard_of:  # the stage is up to date when a value of these comes back
            _send(producer, _to_person(events[0], f"values-warm-{sent}", 0), ports)
            sent += 1
            if poll(0.1):
                quiet = monotonic()
            elif monotonic() - quiet > QUIET:
                raise AntispamError("no values of counters come back")
        heard_of.clear()
        warm = time() * 1000 + WARM_SECONDS * 1000
        began, sent, all_ = monotonic(), 0, RATE * (WARM_SECONDS + LATENCY_SECONDS)
        while sent < all_:
            due = min(all_, int((monotonic() - began) * RATE))
            for n in range(sent, due):
                _send(producer, _to_person(events[n % len(events)], f"values-{n}", n % PEOPLE), ports)
            sent = max(sent, due)
            producer.poll(0)
            poll(0.002)
        producer.flush(10)
        heard = monotonic()
        while monotonic() - heard < 2.0:  # values are read as they come, to the last one
            if poll(0.005):
                heard = monotonic()
        decisions.until(sent, prefix="values-")
    ages, first = ([age for at, age in heard_of if (at >= warm) is later] for later in (True, False))
    return {"values": len(ages), **_percentiles(ages), f"first_{WARM_SECONDS}_s": _percentiles(first)}


def _to_person(event: Submission, name: str, person: int) -> Submission:
    return msgspec.structs.replace(_express(event, name), recipients=(f"139{person:08d}",))


def _express(event: Submission, name: str) -> Submission:
    return msgspec.structs.replace(
        event,
        id=name,
        accepted_at=int(time() * 1000),
        recipients=event.recipients[:1],
        priority=Priority.EXPRESS,
        batch_size=None,
    )


def _bulk(event: Submission, n: int) -> Submission:
    recipients = tuple(f"139{n % 10000:04d}{r:04d}" for r in range(BACKLOG_RECIPIENTS))
    return msgspec.structs.replace(
        event, id=f"million-{n}", accepted_at=int(time() * 1000), recipients=recipients, priority=Priority.BULK
    )


class _Name(msgspec.Struct):
    id: str


class _At(msgspec.Struct):
    at: int


class Decisions:
    """The decisions written from now on, with the time when each reached this consumer."""

    _decode = msgspec.json.Decoder(_Name).decode

    def __init__(self, settings: Settings) -> None:
        self.seen: dict[str, float] = {}
        self.last = monotonic()
        self._consumer: Consumer = reader(settings, "bench", **{"fetch.wait.max.ms": 5})
        self._consumer.assign(
            [TopicPartition(topics.DECISIONS.name, p, OFFSET_END) for p in range(settings.partitions)]
        )
        self.poll(1.0)  # the first poll looks the end offset up

    @classmethod
    def name(cls, value: bytes) -> str:
        """The id of a decision."""
        return cls._decode(value).id

    @property
    def count(self) -> int:
        """The number of decisions seen."""
        return len(self.seen)

    def poll(self, timeout: float) -> None:
        """Read the decisions that have arrived."""
        for message in self._consumer.consume(5000, timeout):
            if message.error() is None:
                self.last = monotonic()
                self.seen.setdefault(self.name(message.value() or b""), self.last)

    def until(self, wanted: int, prefix: str = "") -> None:
        """Poll until `wanted` ids with `prefix` were seen. Raises AntispamError after QUIET seconds without any."""
        self.last = monotonic()
        while (found := sum(1 for name in self.seen if name.startswith(prefix)) if prefix else self.count) < wanted:
            self.poll(0.2)
            if monotonic() - self.last > QUIET:
                raise AntispamError(f"{wanted - found} decisions are missing")

    def __enter__(self) -> Decisions:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
