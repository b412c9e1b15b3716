"""The role `retention` expires data and watches the rules in one step."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest

from pipeline import metrics
from pipeline.actions.retention import role
from pipeline.actions.watch.report import alarms_on
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import UnavailableError
from pipeline.kafka import steady
from pipeline.process import readiness
from pipeline.process.backoff import Backoff
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.registry import registry
from tests.harness.lake.rule_hits import decided, hours, put
from tests.harness.migrated import migrated_database

POLICY = "rules:\n  - {id: loud, event: submission, description: loud, when: messages > 9, verdict: review}\n"


@pytest.mark.long
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


def test_a_look_that_dies_is_counted_and_done_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop, looks = threading.Event(), []

    def apart(*_: object) -> None:
        looks.append(readiness.states().get("retention"))
        if len(looks) == 1:
            raise UnavailableError("the process of a look ended with exit code -9")
        stop.set()

    monkeypatch.setattr(role, "apart", apart)
    monkeypatch.setattr(steady, "BACKOFF", Backoff(first=0.0, longest=0.0, tries=3))
    retries = metrics.RETRIES.labels("retention")
    before = retries._value.get()
    role.run_retention(Settings(data_dir=tmp_path), stop)
    assert retries._value.get() == before + 1
    assert looks[1] is False  # not ready meanwhile


@pytest.mark.long
def test_the_role_itself_does_not_load_the_lake() -> None:
    heavy = "{'duckdb', 'pyarrow', 'deltalake', 'sqlalchemy'}"
    program = f"import sys, pipeline.actions.retention.role; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
