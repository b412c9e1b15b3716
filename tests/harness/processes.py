"""Running the real processes against a real broker, ending some of them, and reading what is left."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import Any, Self

import msgspec

from pipeline import topics
from pipeline.decision.configuration import Config, directory_entries, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import Submission, encode
from pipeline.ingest import door
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader, send, writer
from pipeline.kafka.destination import destination
from pipeline.kafka.replay import replay
from pipeline.rules.counters import MemoryCounters
from pipeline.run.child import Child, free_port
from pipeline.run.tally import Tally
from pipeline.sample.config import write_config
from pipeline.sample.stress import stress, stress_ports
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.registry import import_configuration
from pipeline.stream.decided import IDS
from pipeline.stream.relay import deliver
from tests.harness.migrated import migrated_database

PORTS = 200
Answer = dict[str, Any]


def settings_for(bootstrap: str, folder: Path, **overrides: Any) -> Settings:
    """Settings of a test's own deployment."""
    return Settings(kafka=bootstrap, data_dir=folder / "data", session_timeout=6.0, **overrides)


def publish(settings: Settings, entries: Iterable[tuple[str, str, str]], now: int) -> None:
    """Configuration into the database and, without a relay running, onto the topic."""
    db = migrated_database(settings)
    import_configuration.add(db, User("tester", Role.ADMINISTRATOR), entries, now)
    deliver(settings, db, now)
    db.close()


def prepare(settings: Settings, folder: Path, ports: int = PORTS) -> Config:
    """Topics and the stress ports' configuration, published; the same configuration for the engine."""
    ensure_topics(settings.kafka or "", settings)
    write_config(folder / "config", stress_ports(ports), ())
    publish(settings, directory_entries(folder / "config"), int(time() * 1000))
    return load_directory(folder / "config")


def submissions(
    settings: Settings, count: int, seed: int = 5, start: int | None = None, ports: int = PORTS
) -> list[Submission]:
    """Traffic whose counters change verdicts all the way through."""
    begun = int(time() * 1000) if start is None else start
    return [
        door.submission(msgspec.convert(s.body, door.SubmissionIn), settings, s.at, f"s-{n}")
        for n, s in enumerate(stress(seed, count, ports, start=begun))
    ]


def produce(settings: Settings, events: Sequence[Submission], config: Config) -> None:
    """All events onto their topics, in order, acknowledged."""
    assert config.ports is not None
    send(writer(settings), [(*destination(event, config.ports), encode(event)) for event in events])


def undisturbed(events: Sequence[Submission], config: Config) -> tuple[dict[str, Answer], dict[tuple[str, str], int]]:
    """What the decision function says of the events one after another: answers by id, counter totals."""
    state = MemoryCounters()
    answers = {}
    for i in range(0, len(events), 1000):
        for outcome in screen(events[i : i + 1000], state, config, 0):
            assert isinstance(outcome, Screened)
            answers[outcome.decision.id] = canonical(encode(outcome.decision))
    return answers, {key: window.total for key, window in state.windows.items()}


def canonical(value: bytes) -> Answer:
    """A decision without what differs from run to run: the wall clock and the order of publications."""
    answer: Answer = msgspec.json.decode(value)
    for field in ("decided_at", "timings", "epoch"):
        answer.pop(field, None)
    return answer


def decisions(settings: Settings) -> dict[tuple[str, int], list[Answer]]:
    """Every committed decision by (id, round), in order, read to the end."""
    found: dict[tuple[str, int], list[Answer]] = {}

    def take(message: Any) -> None:
        answer = canonical(message.value())
        found.setdefault((answer["id"], answer["round"]), []).append(answer)

    _read(settings, topics.DECISIONS.name, take)
    return found


def counters(settings: Settings) -> dict[tuple[str, str], int]:
    """The total of every window as the changelog has it last."""
    found: dict[tuple[str, str], int] = {}

    def take(message: Any) -> None:
        identity, _, key = message.key().decode().partition("\0")
        if identity == IDS:
            return
        _, flat = msgspec.msgpack.decode(message.value())
        found[identity, key] = sum(flat[1::2])

    _read(settings, topics.STATE_SUBMISSIONS.name, take)
    return found


def outbound(settings: Settings) -> list[str]:
    """Ids of every committed release, repeats included."""
    ids: list[str] = []
    for priority in ("express", "bulk"):
        _read(
            settings,
            f"outbound.default.{priority}",
            lambda m: ids.append(msgspec.json.decode(m.value())["submission"]["id"]),
        )
    return ids


def _read(settings: Settings, topic: str, take: Any) -> None:
    consumer = reader(settings, "test-reader")
    try:
        replay(consumer, [(topic, p) for p in range(settings.partitions)], take)
    finally:
        consumer.close()


def start(settings: Settings, name: str, *command: str, **own: str) -> Child:
    """One of our processes, with a name and ports of its own; `own` adds to its environment."""
    environment = {
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir.resolve()),
        "ANTISPAM_SESSION_TIMEOUT": str(settings.session_timeout),
        "ANTISPAM_LAKE_FLUSH": str(settings.lake_flush),
        "ANTISPAM_PARTITIONS": str(settings.partitions),
        "ANTISPAM_WORKER_ID": name,
        "ANTISPAM_WEB_PORT": str(free_port()),
        "ANTISPAM_SERVE_PORT": "0",
        **own,
    }
    if settings.database_url is not None:
        environment["ANTISPAM_DATABASE_URL"] = settings.database_url.get_secret_value()
    log = settings.data_dir / f"{name}.log"
    arguments = [sys.executable, "-m", "pipeline.cli", *command]
    return Child(name, arguments, log, env=environment, on_parent_death=signal.SIGKILL)


@contextmanager
def worker(settings: Settings, name: str = "w0") -> Iterator[list[Child]]:
    """A worker in a list, so that a test may replace it; whatever is in the list is ended."""
    running = [start(settings, name, "worker", "--stream", "submissions")]
    try:
        yield running
    finally:
        for child in running:
            child.stop(15)


class Progress:
    """How many decisions there are, and waiting for more of them."""

    def __init__(self, settings: Settings) -> None:
        self.tally = Tally(settings)
        self.revived = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.tally.close()

    def reach(
        self, wanted: int, children: list[Child], deadline: float = 120, revive: Callable[[], Child] | None = None
    ) -> None:
        """Return once `wanted` decisions are there. Fails with the logs' ends after `deadline` s without one.

        `revive` plays the supervisor: it replaces a child that has ended.
        """
        last, seen = monotonic(), self.tally.total
        while self.tally.total < wanted:
            self.tally.poll(0.1)
            for i, child in enumerate(children):
                if revive is not None and child.returncode is not None:
                    self.revived += 1
                    children[i] = revive()
            if self.tally.total > seen:
                last, seen = monotonic(), self.tally.total
            logs = "".join(child.tail() for child in children)
            assert monotonic() - last < deadline, f"{seen} of {wanted} decided, then nothing{logs}"


def assert_once(
    found: dict[tuple[str, int], list[Answer]], expected: dict[str, Answer], *, repeats: bool = False
) -> int:
    """Every id decided, as undisturbed; the number of decisions beyond the first of an (id, round)."""
    missing = expected.keys() - {name for name, _ in found}
    assert not missing, f"{len(missing)} lost, such as {min(missing)}"
    beyond = sum(len(answers) - 1 for answers in found.values())
    if not repeats:
        assert beyond == 0, f"{beyond} decisions more than one"
    different = [name for (name, _), answers in found.items() if answers[0] != expected[name]]
    assert not different, f"{len(different)} decided otherwise: {found[different[0], 0][0]} != {expected[different[0]]}"
    return beyond
