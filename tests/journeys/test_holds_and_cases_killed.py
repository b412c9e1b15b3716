"""Projector, timers, releaser and worker killed again and again while holds end and cases are decided.

On SQLite and PostgreSQL. The measure: every submission comes to one end, no (id, round) has two verdicts, whatever a
case released left in order per recipient, and whatever it refused never left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from time import monotonic, sleep, time
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from pipeline import topics
from pipeline.actions.review import claims
from pipeline.actions.review.places import UNDO_MS
from pipeline.decision.configuration import default_policy, directory_entries, load_directory
from pipeline.events import Priority, Submission
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import LIN, submission
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import decisions, produce, publish, settings_for, start

ROLES = {
    "projector": ("serve", "projector"),
    "timers": ("serve", "timers"),
    "releaser": ("serve", "releaser"),
    "w0": ("worker", "--stream", "submissions"),
}
CODES = [f"1069000{n}" for n in range(6)]
LATECOMER = "10691234"  # registered only while the test runs
TEXTS = (
    "小区周四上午停水请提前储水",
    "图书馆闭馆时间调整为晚上九点",
    "运动会报名表已发到各班班长处",
    "三号楼电梯周六上午检修请走楼梯",
)


@pytest.mark.parametrize(
    ("database", "copies", "kills"),
    [
        pytest.param("sqlite", 60, 4, id="4-kills"),
        pytest.param("sqlite", 400, 20, marks=pytest.mark.slow, id="20-kills"),
        pytest.param("postgresql", 400, 20, marks=pytest.mark.slow, id="20-kills-postgresql"),
    ],
)
def test_every_submission_comes_to_one_end(
    fresh_kafka: KafkaNode, tmp_path: Path, database: str, copies: int, kills: int, request: pytest.FixtureRequest
) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path, partitions=4, **database_of(request, database))
    events = traffic(copies)
    prepared = prepare(settings, tmp_path / "config")
    db = migrated_database(settings)
    children = {role: start(settings, role, *command) for role, command in ROLES.items()}
    rng = Random(7)
    killed: Counter[str] = Counter()
    try:
        produce(settings, events, prepared)
        deadline, next_kill, registered = monotonic() + 60 + 8 * kills, monotonic() + 2, False
        while killed.total() < kills * len(ROLES) or not finished(settings, db, len(events)):
            review_some(db)
            if killed.total() < kills * len(ROLES) and monotonic() > next_kill:
                role = min(ROLES, key=lambda name: (killed[name], rng.random()))
                children[role].kill()
                children[role] = start(settings, role, *ROLES[role])
                killed[role] += 1
                next_kill = monotonic() + rng.uniform(0.2, 1.2)
            if not registered and killed.total() > kills:
                registered = True
                (tmp_path / "config" / "ports.jsonl").write_text(ports([*CODES, LATECOMER]))
                publish(settings, directory_entries(tmp_path / "config"), now())
            for role, child in children.items():
                assert child.returncode is None, f"{role} ended{child.tail()}"
            assert monotonic() < deadline, "".join(child.tail() for child in children.values())
            sleep(0.05)
        # Timers killed behind their produce: every second round again, and one submission behind it all.
        decided = decisions(settings)
        again = [msgspec.structs.replace(event, round=1) for event in events if (event.id, 1) in decided]
        assert again
        behind = [submission(f"last-{code}", port=code, content="完。", accepted_at=now()) for code in CODES]
        produce(settings, [*again, *behind], prepared)
        events += behind
        while not finished(settings, db, len(events)):
            review_some(db)
            assert monotonic() < deadline + 30
            sleep(0.05)
    finally:
        for child in children.values():
            child.stop(15)
    repeats = check(settings, db, events)
    print(f"{database}: {dict(killed)} killed, {repeats} repeated to the sender of {len(events)}")
    db.close()


def database_of(request: pytest.FixtureRequest, database: str) -> dict[str, str]:
    """The settings that name the database of the test."""
    if database == "sqlite":
        return {}
    prepared: Database = request.getfixturevalue("postgres_db")
    return {"database_url": prepared.engine.url.render_as_string(hide_password=False)}


def review_some(db: Database) -> None:
    """Decide what is there: two of three cases are released; effective at once."""
    for case in claims.claim(db, LIN, now(), 3):
        verdict = ("release", "reject", "release")[int(case.id, 16) % 3]
        claims.decide(db, LIN, case.id, verdict, "", now() - UNDO_MS, case.last_member)


def check(settings: Settings, db: Database, events: list[Submission]) -> int:
    """Everything the module promises; returns how many releases of cases came more than once."""
    found = decisions(settings)
    assert [name for name, answers in found.items() if len(answers) > 1] == []
    last: dict[str, tuple[int, str]] = {}
    for (name, number), (answer,) in sorted(found.items()):
        assert number == last.get(name, (-1, ""))[0] + 1, f"{name}: round {number} is missing its predecessor"
        last[name] = (number, answer["verdict"])
    assert last.keys() == {event.id for event in events}
    with db.read() as connection:
        members = connection.execute(select(schema.case_members).order_by(schema.case_members.c.seq)).all()
        cases = {row.id: row for row in connection.execute(select(schema.cases))}
        statuses = {row.id: row for row in connection.execute(select(schema.submissions))}
    assert sorted((m.submission, m.round) for m in members) == sorted(
        (name, number) for name, (number, verdict) in last.items() if verdict == "review"
    )
    left = outbound(settings)
    times = Counter(name for name, _, _ in left)
    for name, (_, verdict) in last.items():
        if verdict == "release":
            assert times[name] == 1, f"{name} was released once and left {times[name]} times"
        elif verdict == "hold":  # its validity ran out while it waited
            assert (times[name], statuses[name].verdict) == (0, "reject")
    short_lived = {event.id for event in events if event.valid_until is not None}
    by_case: dict[str, list[Any]] = defaultdict(list)
    for row in members:
        by_case[row.case].append(row)
    for case, rows in by_case.items():
        released = cases[case].verdict == "release"
        # What expired meanwhile is refused although its case was released.
        expired = {m.submission for m in rows if statuses[m.submission].reasons[0]["rule"] == "expired"}
        assert expired <= short_lived
        rows = [m for m in rows if m.submission not in expired]
        assert all((times[m.submission] > 0) == released for m in rows)
        assert all(times[name] == 0 for name in expired)
        assert {statuses[m.submission].verdict for m in rows} <= {cases[case].verdict}
        if released:
            assert in_order(rows, left)
    assert {cases[case].verdict for case in by_case} == {"release", "reject"}
    return sum(times[m.submission] - 1 for m in members if times[m.submission])


def in_order(rows: list[Any], left: list[tuple[str, str, str]]) -> bool:
    """Per (port, recipient) the members of a case first left in their order of arrival."""
    ours = {row.submission for row in rows}
    arrived: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        arrived[row.port, row.recipients[0]].append(row.submission)
    went: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, port, recipient in left:
        if name in ours and name not in went[port, recipient]:
            went[port, recipient].append(name)
    return went == arrived


def finished(settings: Settings, db: Database, count: int) -> bool:
    """Nothing waits any more, and every submission was seen by the worker."""
    with db.read() as connection:
        waiting = connection.execute(select(func.count()).select_from(schema.holds)).scalar_one()
        cases = schema.cases
        unfinished = connection.execute(
            select(func.count()).where((cases.c.state != "effective") | (cases.c.released < cases.c.last_member))
        ).scalar_one()
        if waiting or unfinished:
            return False
        members = {
            tuple(m) for m in connection.execute(select(schema.case_members.c.submission, schema.case_members.c.round))
        }
        refused = {
            row.id
            for row in connection.execute(select(schema.submissions).where(schema.submissions.c.verdict == "reject"))
            if row.reasons[0]["rule"] == "expired"
        }
    last: dict[str, tuple[int, str]] = {}
    for (name, number), answers in sorted(decisions(settings).items()):
        last[name] = (number, answers[0]["verdict"])
    ended = [
        name
        for name, (number, verdict) in last.items()
        if verdict == "release" or (verdict == "review" and (name, number) in members) or name in refused
    ]
    return len(ended) == count


def traffic(copies: int) -> list[Submission]:
    """Contents of few copies (held, then released) and of many (held, then reviewed), to a few recipients."""
    begun, events = now(), []
    for n in range(copies):
        for code in CODES:
            for t, text in enumerate(TEXTS):
                if t < 2 or n < 20:
                    fields: dict[str, Any] = {"valid_until": begun + 500} if (t, n) == (3, 0) else {}
                    events.append((code, f"{t}-{n}-{code}", f"{text}。", n, fields))
        if n < 10:
            events.append((LATECOMER, f"late-{n}", f"{TEXTS[3]}。", n, {}))
    return [
        submission(name, port=code, content=text, recipients=(f"1380013800{n % 5}",), accepted_at=begun, **fields)
        for code, name, text, n, fields in events
    ]


def prepare(settings: Settings, folder: Path) -> Any:
    """Topics, tables, ports; the shipped policy with a grace hold of one second."""
    ensure_topics(settings.kafka or "", settings)
    folder.mkdir(parents=True)
    (folder / "ports.jsonl").write_text(ports(CODES))
    policy = default_policy()
    assert policy.count("hold: 10s") == 1
    (folder / "policy.yaml").write_text(policy.replace("hold: 10s", "hold: 1s"))
    publish(settings, directory_entries(folder), now())
    return load_directory(folder)


def ports(codes: list[str]) -> str:
    return "".join(msgspec.json.encode({"code": code, "tier": "high"}).decode() + "\n" for code in codes)


def outbound(settings: Settings) -> list[tuple[str, str, str]]:
    """(id, port, first recipient) of everything that left, in the order of each partition."""
    left: list[tuple[str, str, str]] = []

    def take(message: Any) -> None:
        value = msgspec.json.decode(message.value())
        left.append((value["submission"]["id"], value["submission"]["port"], value["recipients"][0]))

    consumer = reader(settings, "test-outbound")
    name = topics.outbound("default", Priority.EXPRESS).name
    replay(consumer, [(name, p) for p in range(settings.partitions)], take)
    consumer.close()
    return left


def now() -> int:
    return int(time() * 1000)
