"""An overdue case is escalated once, and nobody waits in a ring for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from pipeline.actions.alerts.news import project_alerts, raise_alert
from pipeline.actions.review import cases, claims
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.cases import escalate
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from tests.harness.case_events import LIN, NOW, member, rows


def test_an_overdue_case_is_escalated_once(operational_db: Database) -> None:
    with operational_db.write() as c:
        project_members(c, NOW, [member("a")])
    due = NOW + 60 * 60_000
    assert escalate(operational_db, due - 1, 10) == 0
    assert escalate(operational_db, due, 10) == 1
    assert escalate(operational_db, due, 10) == 0
    with operational_db.write() as c:
        ((_, publication),) = unpublished(c, 10)
    assert publication.messages[0].topic == "alerts"
    with operational_db.write() as c:
        project_alerts(c, NOW, [publication.messages[0].value or b""] * 2)
    assert [row.rule for row in rows(operational_db, schema.alerts)] == ["case-overdue"]
    assert rows(operational_db, schema.cases)[0].escalated_at == due


def test_escalation_and_a_reviewer_do_not_wait_for_each_other_in_a_ring(
    postgres_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first case's alert locks the outbox; the reviewer has the second case's row and wants the outbox."""
    with postgres_db.write() as c:
        project_members(c, NOW, [member("a", "f1"), member("b", "f2", NOW + 1)])
    _, second = claims.claim(postgres_db, LIN, NOW + 1)
    alerted, row_taken = Event(), Event()

    def alert(*given: Any) -> None:
        raise_alert(*given)
        alerted.set()
        row_taken.wait(1)

    recorded = audit.record

    def note(*given: Any) -> None:
        row_taken.set()
        recorded(*given)

    monkeypatch.setattr(cases, "raise_alert", alert)
    monkeypatch.setattr(audit, "record", note)
    with ThreadPoolExecutor(1) as timers:
        escalated = timers.submit(escalate, postgres_db, NOW + 61 * 60_000, 10)
        alerted.wait(5)
        claims.decide(postgres_db, LIN, second.id, "release", "", NOW, second.last_member)
        assert escalated.result(20) == 2
