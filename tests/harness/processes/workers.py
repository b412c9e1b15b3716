"""Run the real processes against a real broker, end some of them, and read the results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import Any, Self

import msgspec

from pipeline import door, topics
from pipeline.decision.configuration import Config, default_policy, directory_entries, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import Submission, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader, send, writer
from pipeline.kafka.destination import destination
from pipeline.kafka.replay import replay
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import parse_policy
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
from tests.harness.processes.forked import ForkedChild

PORTS = 200
COMING_LATER = {counter.name for counter in parse_policy(default_policy()).counters if counter.shared}
Answer = dict[str, Any]


def settings_for(bootstrap: str, folder: Path, **overrides: Any) -> Settings:
    """Settings of a separate deployment for a test."""
    return Settings(kafka=bootstrap, data_dir=folder / "data", session_timeout=6.0, **overrides)


def publish(settings: Settings, entries: Iterable[tuple[str, str, str]], now: int) -> None:
    """Write the configuration to the database and, without a relay, to its topic."""
    db = migrated_database(settings)
    import_configuration.add(db, User("tester", Role.ADMINISTRATOR), entries, now)
    deliver(settings, db, now)
    db.close()


def prepare(settings: Settings, folder: Path, ports: int = PORTS, policy: str | None = None) -> Config:
    """Create the topics and publish the configuration of the stress ports; return it for the engine.

    `policy` is the text of a policy; None: the shipped one.
    """
    ensure_topics(settings.kafka or "", settings)
    write_config(folder / "config", int(time() * 1000), stress_ports(ports), ())
    if policy is not None:
        (folder / "config" / "policy.yaml").write_text(policy, encoding="utf-8")
    publish(settings, directory_entries(folder / "config"), int(time() * 1000))
    return load_directory(folder / "config")


def submissions(
    settings: Settings, count: int, seed: int = 5, start: int | None = None, ports: int = PORTS
) -> list[Submission]:
    """Traffic with counters that change verdicts from beginning to end."""
    begun = int(time() * 1000) if start is None else start
    return [
        door.submission(msgspec.convert(s.body, door.SubmissionIn), settings, s.at, f"s-{n}")
        for n, s in enumerate(stress(seed, count, ports, start=begun))
    ]


def produce(settings: Settings, events: Sequence[Submission], config: Config) -> None:
    """Send all events to their topics in order, and wait for the acknowledgements."""
    assert config.ports is not None
    send(writer(settings), [(*destination(event, config.ports), encode(event)) for event in events])


def undisturbed(
    events: Sequence[Submission], config: Config, *, shared: bool = False
) -> tuple[dict[str, Answer], dict[tuple[str, str], int]]:
    """Screen the events in order without a broker: decisions by id, and the totals of the counters of one stage.

    With `shared`, these are the counters of the second stage.
    """
    assert config.policy is not None
    counted = {counter.identity for counter in config.policy.counters if counter.shared is shared}
    state = MemoryCounters()
    answers = {}
    for i in range(0, len(events), 1000):
        for outcome in screen(events[i : i + 1000], state, config, 0):
            assert isinstance(outcome, Screened)
            answers[outcome.decision.id] = canonical(encode(outcome.decision))
    return answers, {key: sum(window.dump()[1][1::2]) for key, window in state.windows.items() if key[0] in counted}


def canonical(value: bytes) -> Answer:
    """A decision without what differs between runs: times, the epoch, and counters whose values come back later."""
    answer: Answer = msgspec.json.decode(value)
    for field in ("decided_at", "timings", "epoch"):
        answer.pop(field, None)
    answer["counters"] = {name: count for name, count in answer["counters"].items() if name not in COMING_LATER}
    return answer


def decisions(settings: Settings) -> dict[tuple[str, int], list[Answer]]:
    """All committed decisions by (id, round), in order."""
    found: dict[tuple[str, int], list[Answer]] = {}

    def take(message: Any) -> None:
        answer = canonical(message.value())
        found.setdefault((answer["id"], answer["round"]), []).append(answer)

    read_all(settings, topics.DECISIONS.name, take)
    return found


def counters(settings: Settings, changelog: topics.Topic = topics.STATE_SUBMISSIONS) -> dict[tuple[str, str], int]:
    """The last total of every window in a changelog."""
    found: dict[tuple[str, str], int] = {}

    def take(message: Any) -> None:
        identity, _, key = message.key().decode().partition("\0")
        if identity == IDS:
            return
        _, flat = msgspec.msgpack.decode(message.value())
        found[identity, key] = sum(flat[1::2])

    read_all(settings, changelog.name, take)
    return found


def outbound(settings: Settings) -> list[str]:
    """The ids of all committed releases, with repetitions."""
    ids: list[str] = []
    for priority in ("express", "bulk"):
        read_all(
            settings,
            f"outbound.default.{priority}",
            lambda m: ids.append(msgspec.json.decode(m.value())["submission"]["id"]),
        )
    return ids


def read_all(settings: Settings, topic: str, take: Any, partitions: int | None = None) -> None:
    """Give every committed record of a topic to `take`."""
    consumer = reader(settings, "test-reader")
    try:
        replay(consumer, [(topic, p) for p in range(partitions or settings.partitions)], take)
    finally:
        consumer.close()


def start(settings: Settings, name: str, *command: str, **own: str) -> Child:
    """Start a process of the pipeline with its own name and ports. `own` adds to its environment."""
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
    return ForkedChild(name, command, log, env=environment)


@contextmanager
def worker(settings: Settings, name: str = "w0") -> Iterator[list[Child]]:
    """A list with a running worker. A test may replace it; all processes in the list are stopped at the end."""
    running = [start(settings, name, "worker", "--stream", "submissions")]
    try:
        yield running
    finally:
        for child in running:
            child.stop(15)


class Progress:
    """Counts the committed decisions and waits for more."""

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
        """Return when `wanted` decisions are committed. Fail after `deadline` s without a new decision, with log ends.

        `revive` acts as the supervisor: it replaces an ended child.
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
    """Check that every id has the undisturbed decision; return the number of repeated decisions for an (id, round)."""
    missing = expected.keys() - {name for name, _ in found}
    assert not missing, f"{len(missing)} lost, such as {min(missing)}"
    beyond = sum(len(answers) - 1 for answers in found.values())
    if not repeats:
        assert beyond == 0, f"{beyond} decisions more than one"
    different = [name for (name, _), answers in found.items() if answers[0] != expected[name]]
    assert not different, f"{len(different)} decided otherwise: {found[different[0], 0][0]} != {expected[different[0]]}"
    return beyond
