"""The role `retention` expires data and watches the rules in one step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest

from pipeline.actions.retention import role
from pipeline.actions.watch.report import alarms_on
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.registry import registry
from tests.harness.migrated import migrated_database
from tests.harness.rule_hits import decided, hours, put

POLICY = "rules:\n  - {id: loud, event: submission, description: loud, when: messages > 9, verdict: review}\n"


def test_a_step_raises_the_alarm_of_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(name: str, step: Callable[[], bool], stop: threading.Event, idle: float) -> None:
        step()

    monkeypatch.setattr(role, "steadily", once)
    settings, now = Settings(data_dir=tmp_path), int(time() * 1000)
    db = migrated_database(settings)
    admin = User("admin", Role.ADMINISTRATOR)
    registry.publish_configuration(db, admin, "policy", "policy.yaml", POLICY, now - 30 * DAY_MS)
    last = now // HOUR_MS - 1
    put(settings, hours("loud", {last - 24 * day: (2, 120) for day in range(1, 9)} | {last: (60, 120)}))
    put(settings, [decided(now)])
    role.run_retention(settings, threading.Event())
    with db.read() as connection:
        assert alarms_on(connection) == {"loud": last * HOUR_MS}
    db.close()
