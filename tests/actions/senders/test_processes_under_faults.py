"""Sender processes, their broker and their database end under load: nothing is lost, and each repeat has a cause.

`ANTISPAM_TEST_MESSAGES=100000` sets the number of messages. Each test prints what it counted.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.errors import UnavailableError
from pipeline.events import Outbound, Priority, Submission, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import writer
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.run.child import Child
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct, Simulator
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import add_port
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import settings_for, start
from tests.harness.servers.carrier import PORT, simulated, until
from tests.harness.servers.postgres_server import find_programs, new_database, postgres_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

MESSAGES = int(os.environ.get("ANTISPAM_TEST_MESSAGES", "2000"))
TIMES, WINDOW, LINKS = 5, 16, 2
LONG = 3000.0  # seconds
CONDUCT = Conduct(delay=0.005, report_delay=0.05, report_fail=0.1, seed=4)


@pytest.fixture
def own_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server that a test may restart."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL: no initdb and pg_ctl on this machine")
    with postgres_server(programs) as url:
        yield url


def restart(url: str) -> None:
    """Restart the server as after a crash of all its processes."""
    folder, programs = Path(str(make_url(url).query["host"])), find_programs()
    assert programs is not None
    owner = (folder / "data").stat()
    who: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    command: list[str | Path] = [programs / "pg_ctl", "-D", folder / "data", "-l", folder / "log"]
    command += ["-m", "immediate", "-w", "restart"]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120, **who)


def deployed(
    bootstrap: str, folder: Path, channels: dict[str, int], monkeypatch: pytest.MonkeyPatch, url: str | None = None
) -> tuple[Settings, Database]:
    """Settings and database of senders with these channels, each followed by the next, to these local ports."""
    names, lines = list(channels), []
    for n, (name, port) in enumerate(channels.items()):
        follows = f", next: [{', '.join(names[n + 1 :])}], down_after: 1, back_after: 2" if names[n + 1 :] else ""
        lines.append(
            f"{name}: {{host: 127.0.0.1, port: {port}, account: '900001', links: {LINKS}, window: {WINDOW}, "
            f"rate: 9999, answer_wait: 20{follows}}}"
        )
        monkeypatch.setenv(f"ANTISPAM_CHANNEL_{name.upper()}_SECRET", "secret")
    (folder / "channels.yaml").write_text("\n".join(lines))
    monkeypatch.setenv("ANTISPAM_CHANNELS_FILE", str(folder / "channels.yaml"))
    monkeypatch.setenv("ANTISPAM_CHANNELS", '["' + '", "'.join(names) + '"]')
    settings = settings_for(
        bootstrap,
        folder,
        partitions=4,
        channels=tuple(names),
        database_url=None if url is None else SecretStr(url),
    )
    ensure_topics(bootstrap, settings)
    db = migrated_database(settings)
    with db.write() as connection:
        add_port(connection, PORT)
    return settings, db


def release(settings: Settings, first: int, count: int) -> None:
    producer, now = writer(settings), int(time() * 1000)
    topic = topics.outbound("default", Priority.EXPRESS).name
    for i in range(first, first + count):
        to = (f"138{i:08d}",)
        submission = Submission(id=f"s-{i}", port=PORT, recipients=to, content="【测试】您好", accepted_at=now)
        released = Outbound(submission=submission, recipients=to, round=0, decided_at=now)
        body = encode(proved(settings.release_secret, topic, PORT, released))
        producer.produce(topic, body, PORT, i % settings.partitions)
        producer.poll(0)
    assert producer.flush(60) == 0


def by_channel(db: Database) -> Counter[tuple[str, str]]:
    """Parts by channel and state; none while the database is away."""
    rows = schema.deliveries.c
    try:
        with db.read() as connection:
            query = select(rows.channel, rows.state, func.count()).group_by(rows.channel, rows.state)
            return Counter({(channel, state): count for channel, state, count in connection.execute(query)})
    except UnavailableError:
        return Counter()


def over(db: Database, count: int) -> bool:
    """Whether the carriers have told the end of that many parts."""
    found = by_channel(db)
    return sum(found[place] for place in found if place[1] in ("delivered", "failed")) == count == found.total()


def check(db: Database, count: int, carriers: dict[str, Simulator], crashes: int, what: str, began: float) -> None:
    """Every message has the state its carrier knows; at most the windows of the links are repeated at each crash."""
    with db.read() as connection:
        rows = connection.execute(select(schema.deliveries)).all()
    for row in rows:
        end = carriers[row.channel].ends[row.carrier_id]
        assert row.state == {"DELIVRD": "delivered", "UNDELIV": "failed"}[end]
    assert {row.recipient for row in rows} == {f"138{i:08d}" for i in range(count)}
    taken = Counter(seen.recipient for carrier in carriers.values() for seen in carrier.seen)
    repeats = taken.total() - len(taken)
    print(
        f"{what}: {count} messages {dict(by_channel(db))}, {repeats} sent twice at {crashes} crashes, "
        f"{monotonic() - began:.0f} s, load {os.getloadavg()[0]:.0f}"
    )
    assert taken.keys() == {row.recipient for row in rows}
    assert repeats <= crashes * LINKS * WINDOW


def each(carrier: Simulator, fault: Callable[[], None]) -> None:
    """Let the fault happen TIMES times, evenly."""
    for n in range(1, TIMES + 1):
        until(lambda n=n: carrier.counts["submits"] >= MESSAGES * n // (TIMES + 1), LONG)  # type: ignore[misc]
        fault()


def test_the_sender_killed(fresh_embedded: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = monotonic()
    with simulated(CONDUCT) as carrier:
        settings, db = deployed(fresh_embedded.bootstrap, tmp_path, {"default": carrier.port}, monkeypatch)
        release(settings, 0, MESSAGES)
        running = [start(settings, "sender-0", "serve", "sender")]

        def kill() -> None:
            running[0].kill()
            running[0] = start(settings, "sender-again", "serve", "sender")

        try:
            each(carrier, kill)
            until(lambda: over(db, MESSAGES), LONG)
        finally:
            running[0].stop(20)
        check(db, MESSAGES, {"default": carrier}, TIMES, "sender killed", began)
        db.close()


def test_the_broker_restarted(fresh_kafka: KafkaNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = monotonic()
    with simulated(CONDUCT) as carrier:
        settings, db = deployed(fresh_kafka.bootstrap, tmp_path, {"default": carrier.port}, monkeypatch)
        release(settings, 0, MESSAGES)
        sender = start(settings, "sender", "serve", "sender")

        def again() -> None:
            fresh_kafka.kill()
            fresh_kafka.start()

        try:
            each(carrier, again)
            until(lambda: over(db, MESSAGES), LONG)
            assert sender.returncode is None, sender.tail()
        finally:
            sender.stop(20)
        check(db, MESSAGES, {"default": carrier}, 0, "broker restarted", began)
        db.close()


def test_the_database_restarted(
    own_postgres: str, fresh_embedded: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = monotonic()
    with simulated(CONDUCT) as carrier:
        settings, db = deployed(
            fresh_embedded.bootstrap, tmp_path, {"default": carrier.port}, monkeypatch, own_postgres
        )
        release(settings, 0, MESSAGES)
        sender = start(settings, "sender", "serve", "sender")
        try:
            each(carrier, lambda: restart(own_postgres))
            until(lambda: over(db, MESSAGES), LONG)
            assert sender.returncode is None, sender.tail()
        finally:
            sender.stop(20)
        check(db, MESSAGES, {"default": carrier}, TIMES, "database restarted", began)
        db.close()


def test_a_channel_goes_and_comes_back_under_two_processes(
    own_postgres: str, fresh_embedded: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both move their messages to the next channel; when one dies, the other finishes what it had moved, once."""
    began, third = monotonic(), MESSAGES // 3
    running: list[Child] = []
    with ExitStack() as stack:
        other = stack.enter_context(simulated(CONDUCT))
        first = ExitStack()
        stack.enter_context(first)
        home = first.enter_context(simulated(CONDUCT))
        with new_database(own_postgres) as empty:
            url = empty.engine.url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")
            channels = {"default": home.port, "other": other.port}
            settings, db = deployed(fresh_embedded.bootstrap, tmp_path, channels, monkeypatch, url)
            try:
                running += [start(settings, f"sender-{n}", "serve", "sender") for n in range(2)]
                release(settings, 0, third)
                until(lambda: over(db, third), LONG)
                assert by_channel(db).keys() == {("default", "delivered"), ("default", "failed")}
                first.close()  # the carrier of their channel goes away
                home.disconnect()
                release(settings, third, third)
                until(lambda: other.counts["submits"] > third // 2, LONG)
                running.pop().kill()
                until(lambda: over(db, 2 * third), LONG)
                until(lambda: other.counts["reports_acknowledged"] >= third)
                moved = sum(count for (channel, _), count in by_channel(db).items() if channel == "other")
                assert moved == third, "what came while the channel was down went over the next"
                back = stack.enter_context(simulated(CONDUCT, home.port))
                running.append(start(settings, "sender-2", "serve", "sender"))
                until(lambda: back.counts["logins"] >= 2 * LINKS, LONG)
                last = third
                while not back.counts["submits"]:  # it has been up for a while
                    release(settings, last + third, 1)
                    last += 1
                    until(lambda n=last: over(db, n + third), LONG)  # type: ignore[misc]
                before = other.counts["submits"]
                release(settings, last + third, third)
                until(lambda: over(db, last + 2 * third), LONG)
                home.seen += back.seen
                home.ends |= back.ends
                check(db, last + 2 * third, {"default": home, "other": other}, 1, "two processes", began)
                assert other.counts["submits"] == before, "its traffic came back"
            finally:
                for child in running:
                    child.stop(20)
                db.close()
