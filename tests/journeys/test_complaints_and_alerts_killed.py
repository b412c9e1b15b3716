"""The intake of complaints and the role `alerts` killed with -9 again and again, on SQLite and PostgreSQL.

The measure: every complaint is stored, blocked and published once, and its port is terminated once; every alert is
raised and published once, and the feed hears of each.
"""

from __future__ import annotations

import csv
import json
import os
import signal
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import Random
from time import monotonic, sleep, time
from typing import Any

import pytest
from sqlalchemy import insert

from pipeline.actions.alerts.measures import MEASURES
from pipeline.actions.alerts.rules import SHIPPED
from pipeline.durations import DAY_MS
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from tests.harness.case_events import PORT, add_port, rows
from tests.harness.migrated import migrated_database
from tests.harness.processes.forked import Forked

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database", ["sqlite", "postgresql"])]
COMPLAINTS = 1000
CHANNELS = 40
KILLS = 8


def world(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> tuple[Database, dict[str, str]]:
    """A migrated database and the environment of processes that work on it."""
    given: dict[str, Any] = {"data_dir": tmp_path / "data"}
    environment = {**os.environ, "ANTISPAM_DATA_DIR": str(given["data_dir"]), "ANTISPAM_SERVE_PORT": "0"}
    if database == "postgresql":
        prepared: Database = request.getfixturevalue("postgres_db")
        given["database_url"] = prepared.engine.url.render_as_string(hide_password=False)
        environment["ANTISPAM_DATABASE_URL"] = given["database_url"]
    return migrated_database(Settings.model_validate(given)), environment


def kill_after(process: Forked, seconds: float) -> bool:
    """Kill the process after so long; False if it had ended by itself, well."""
    end = monotonic() + seconds
    while monotonic() < end and process.poll() is None:
        sleep(0.01)
    if process.poll() is not None:
        assert process.returncode == 0
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def test_no_complaint_is_lost_or_counted_twice(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> None:
    random, kills = Random(11), 0
    db, environment = world(tmp_path, database, request)
    with db.write() as connection:
        add_port(connection)
    at = int(time() * 1000)
    path = tmp_path / "complaints.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "reporter", "sender", "time", "message"])
        table.writerows([f"r{n}", f"138{n:08d}", PORT, at, f"text {n}"] for n in range(COMPLAINTS))
    command = ("complaint", "import", "7726", path)
    done = False
    while not done or kills < KILLS:
        with Forked(*command, env=environment) as process:
            killed = kill_after(process, random.uniform(0.5, 3) if kills < KILLS else 300)
        kills += killed
        done = done or not killed
        assert kills < 100
        if done and kills < KILLS:
            break  # a fast machine: the file was taken before the last kill
    stored = rows(db, schema.complaints)
    assert len(stored) == COMPLAINTS
    assert all(row.blocked_at is not None for row in stored)
    entries = rows(db, schema.list_entries)
    assert Counter(entry.value for entry in entries) == {f"{PORT}:138{n:08d}": 1 for n in range(COMPLAINTS)}
    assert [row.action for row in rows(db, schema.audit) if row.subject == f"port/{PORT}"] == ["terminate"]
    with db.read() as connection:
        published = Counter(
            json.loads(message.value)["id"]
            for _, publication in unpublished(connection, 100_000)
            for message in publication.messages
            if message.topic == "complaints" and message.value is not None
        )
        assert audit.first_broken(connection) is None
    assert set(published.values()) == {1}
    assert len(published) == COMPLAINTS
    db.close()
    print(f"{database}: {kills} kills, {COMPLAINTS} complaints")


def test_no_alert_is_lost_or_raised_twice(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> None:
    random, kills, told = Random(12), 0, tmp_path / "alerts.jsonl"
    db, environment = world(tmp_path, database, request)
    environment["ANTISPAM_ALERT_FILE"] = str(told)
    now = int(time() * 1000)
    with db.write() as connection:
        for n in range(CHANNELS):
            row = {"id": f"c{n}", "port": PORT, "recipient": "1", "source": f"channel-{n}", "complained_at": now}
            connection.execute(insert(schema.complaints).values(**row, received_at=now, due_at=now - DAY_MS))

        for rule in SHIPPED:  # those that read the lake do so in a process of their own, for seconds
            if MEASURES[rule.measure].of_lake is not None:
                values = asdict(rule) | {"active": False, "changed_by": "ops", "changed_at": now}
                connection.execute(insert(schema.alert_rules).values(values))
    deadline = monotonic() + 300
    while len(rows(db, schema.alerts)) < CHANNELS or rows(db, schema.alert_posts) or kills < KILLS:
        with Forked("serve", "alerts", env=environment) as process:
            assert kill_after(process, random.uniform(0.5, 4 + kills))
        kills += 1
        assert monotonic() < deadline, len(rows(db, schema.alerts))
    raised = rows(db, schema.alerts)
    assert Counter(row.subject for row in raised) == {f"channel-{n}": 1 for n in range(CHANNELS)}
    changes = Counter((row.alert, row.change) for row in rows(db, schema.alert_changes))
    assert changes == {(row.id, "raised"): 1 for row in raised}
    lines = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    assert {line["subject"] for line in lines} == {row.subject for row in raised}
    with db.read() as connection:
        published = Counter(
            json.loads(message.value)["id"]
            for _, publication in unpublished(connection, 100_000)
            for message in publication.messages
            if message.topic == "alerts" and message.value is not None
        )
    assert len(published) == CHANNELS
    db.close()
    print(f"{database}: {kills} kills, {CHANNELS} alerts")
