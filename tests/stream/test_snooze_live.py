"""A snooze takes effect on a running worker between two batches, and its lifting too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import pytest

from pipeline.durations import HOUR_MS
from pipeline.events import Submission
from pipeline.rules.snoozes import SnoozeKind
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.sample.stress import stress_ports
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import snoozes
from pipeline.stream.relay import deliver
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import Progress, decisions, prepare, produce, settings_for, worker

ADMIN = User("admin", Role.ADMINISTRATOR)
RULE = "bulk-declared"


@pytest.mark.broker
def test_a_running_worker_takes_up_a_snooze_and_its_end(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    settings = settings_for(fresh_embedded.bootstrap, tmp_path)
    config = prepare(settings, tmp_path, ports=2)
    port = stress_ports(2)[0].code
    now = int(time() * 1000)

    def bulk(n: int) -> Submission:
        recipients = tuple(f"138{n:02}{i:06}" for i in range(0, 6000, 97))
        return Submission(id=f"s-{n}", port=port, recipients=recipients, content="小区停水", accepted_at=now + n)

    def change(act: Callable[[Database], Any]) -> None:
        db = migrated_database(settings)
        assert act(db) is not None
        deliver(settings, db, now)
        db.close()

    with worker(settings) as children, Progress(settings) as progress:
        produce(settings, [bulk(0)], config)
        progress.reach(1, children)
        change(lambda db: snoozes.snooze(db, ADMIN, RULE, SnoozeKind.PORT, port, "asked", now + HOUR_MS, now))
        sent = 1
        while not _last(settings, sent - 1)["suppressed"]:  # until the worker has read the config topic
            produce(settings, [bulk(sent)], config)
            sent += 1
            progress.reach(sent, children)
        change(lambda db: snoozes.unsnooze(db, ADMIN, RULE, SnoozeKind.PORT, port, "over", now))
        while _last(settings, sent - 1)["suppressed"]:
            produce(settings, [bulk(sent)], config)
            sent += 1
            progress.reach(sent, children)

    found = [decisions(settings)[f"s-{n}", 0][0] for n in range(sent)]
    silent = [d for d in found if d["suppressed"]]
    assert {(s["rule"], s["cause"], s["scope"]) for d in silent for s in d["suppressed"]} == {
        (RULE, "snooze", f"port/{port}")
    }
    for decision in found:
        counted = RULE in [reason["rule"] for reason in decision["reasons"]]
        assert counted != bool(decision["suppressed"])


def _last(settings: Any, n: int) -> dict[str, Any]:
    return decisions(settings)[f"s-{n}", 0][0]
