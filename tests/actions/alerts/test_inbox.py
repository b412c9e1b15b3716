"""Alerts: listed by scope, taken on once."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from pipeline.actions.alerts.inbox import acknowledge, list_alerts
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry.port_history import port_history
from tests.harness.console_data import fill_rest, register_ports

NOW = 1_790_000_000_000
OPERATOR = User("ops", Role.OPERATOR)
SOUTH = User("sue", Role.OPERATOR, {"province": "广东"})


@pytest.fixture
def db(operational_db: Database) -> Database:
    register_ports(operational_db, NOW)
    fill_rest(operational_db, NOW)
    return operational_db


def test_an_alert_is_taken_on_once_and_audited(db: Database) -> None:
    assert [a.level for a in list_alerts(db, OPERATOR)] == ["critical", "severe", "warning", "warning"]
    assert acknowledge(db, OPERATOR, ["alert-0", "alert-1"], NOW) == 2
    assert acknowledge(db, User("other", Role.OPERATOR), ["alert-0"], NOW + 1) == 0
    assert [a.id for a in list_alerts(db, OPERATOR)] == ["alert-2", "alert-3"]
    assert list_alerts(db, OPERATOR, waiting=False)[0].acknowledged_by == "ops"
    with db.read() as connection:
        rows = connection.execute(select(schema.audit.c.subject).where(schema.audit.c.action == "acknowledge"))
        assert sorted(rows.scalars()) == ["alert/alert-0", "alert/alert-1"]


def test_scope_and_rights(db: Database) -> None:
    assert {a.subject for a in list_alerts(db, SOUTH)} == {"10690000", "10690002"}
    with pytest.raises(Forbidden):
        acknowledge(db, SOUTH, ["alert-0", "alert-1"], NOW)
    with pytest.raises(Forbidden):
        acknowledge(db, User("vic", Role.VIEWER), ["alert-0"], NOW)
    with pytest.raises(AntispamError, match="no alert"):
        acknowledge(db, OPERATOR, ["alert-99"], NOW)
    assert len(list_alerts(db, OPERATOR)) == 4


def test_a_ports_history(db: Database) -> None:
    history = port_history(db, OPERATOR, "10690003", NOW)
    assert [(d.kind, d.actor, d.evidence) for d in history.deeds] == [("suspend", "chief", "case-003")]
    assert port_history(db, OPERATOR, "10690000", NOW).complaints == 4
    assert port_history(db, OPERATOR, "10690000", NOW + 40 * 86_400_000).complaints == 0
    with pytest.raises(Forbidden):
        port_history(db, SOUTH, "10690003", NOW)
