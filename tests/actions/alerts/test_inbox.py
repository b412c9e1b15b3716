"""The inbox: what is listed to whom, and who takes, snoozes, notes, closes and reopens it. Both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from pipeline.actions.alerts.inbox import (
    Wanted,
    close,
    find_alert,
    give_back,
    list_alerts,
    note,
    operators,
    reopen,
    snooze,
    take,
)
from pipeline.actions.alerts.news import hear
from pipeline.actions.alerts.recurring import recurring_alert
from pipeline.actions.alerts.role import pass_time
from pipeline.durations import HOUR_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel
from pipeline.store import schema
from pipeline.store.accounts import users
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry.port_history import port_history
from tests.harness.console_data import CHIEF, fill_rest, register_ports

NOW = 1_790_000_000_000
OPERATOR = User("ops", Role.OPERATOR)
SOUTH = User("sue", Role.OPERATOR, {"province": "广东"})


@pytest.fixture
def db(any_db: Database) -> Database:
    register_ports(any_db, NOW)
    fill_rest(any_db, NOW)
    return any_db


def ids(db: Database, show: str = "waiting", user: User = OPERATOR, now: int = NOW, **wanted: str) -> list[str]:
    return [alert.id for alert in list_alerts(db, user, now, Wanted(show, **wanted))[0]]


def test_the_worst_comes_first_and_filters_narrow(db: Database) -> None:
    assert ids(db) == ["alert-0", "alert-1", "alert-2", "alert-3"]
    assert ids(db, level="warning") == ["alert-2", "alert-3"]
    assert ids(db, subject="10690001", rule="port-volume") == ["alert-1"]
    assert list_alerts(db, OPERATOR, NOW, limit=1, offset=1)[1] == 4
    with pytest.raises(AntispamError):
        ids(db, "everything")


def test_an_alert_is_taken_given_back_and_audited(db: Database) -> None:
    take(db, OPERATOR, ["alert-0", "alert-1"], NOW)
    assert (ids(db), ids(db, "mine")) == (["alert-2", "alert-3"], ["alert-0", "alert-1"])
    assert (ids(db, "mine", SOUTH), ids(db, "taken", SOUTH)) == ([], ["alert-0"])
    give_back(db, OPERATOR, ["alert-0"], NOW + 1)
    with pytest.raises(AntispamError, match="nobody"):
        give_back(db, OPERATOR, ["alert-0"], NOW + 1)
    assert ids(db)[0] == "alert-0"
    with db.read() as connection:
        audit = connection.execute(select(schema.audit.c.subject, schema.audit.c.action).order_by(schema.audit.c.id))
        rows = [tuple(row) for row in audit if row.action.startswith("alert.")]
    assert rows == [
        ("alert/alert-0", "alert.take"),
        ("alert/alert-1", "alert.take"),
        ("alert/alert-0", "alert.give_back"),
    ]


@pytest.mark.long
def test_it_is_given_to_a_person_who_may_take_it(db: Database) -> None:
    for name, role, scope in (
        ("omar", Role.OPERATOR, {}),
        ("vic", Role.VIEWER, {}),
        ("sue", Role.OPERATOR, SOUTH.scope),
    ):
        users.add_user(db, CHIEF, name, role, scope, NOW)
    assert operators(db, OPERATOR) == ["omar", "sue"]
    take(db, OPERATOR, ["alert-1"], NOW, "omar")
    assert ids(db, "mine", User("omar", Role.OPERATOR)) == ["alert-1"]
    for ident, name in (("alert-0", "vic"), ("alert-0", "nobody"), ("alert-1", "sue")):
        with pytest.raises(AntispamError):
            take(db, OPERATOR, [ident], NOW, name)


def test_a_snooze_hides_it_until_its_time(db: Database) -> None:
    snooze(db, OPERATOR, ["alert-0"], NOW + HOUR_MS, NOW)
    assert (ids(db)[0], ids(db, "snoozed")) == ("alert-1", ["alert-0"])
    assert ids(db, now=NOW + HOUR_MS)[0] == "alert-0"


def test_notes_and_changes_are_its_history(db: Database) -> None:
    note(db, OPERATOR, "alert-0", " <b>called the enterprise</b> ", NOW)
    close(db, OPERATOR, ["alert-0"], "theirs", NOW + 1)
    assert (ids(db, "closed"), ids(db)[0]) == (["alert-0"], "alert-1")
    reopen(db, OPERATOR, ["alert-0"], NOW + 2)
    row, history = find_alert(db, OPERATOR, "alert-0")
    assert row.state == "waiting"
    assert [(d.change, d.actor, d.note) for d in history] == [
        ("noted", "ops", "<b>called the enterprise</b>"),
        ("closed", "ops", "theirs"),
        ("reopened", "ops", ""),
    ]
    for text in ("", " ", "x" * 1001, "\0"):
        with pytest.raises(AntispamError):
            note(db, OPERATOR, "alert-0", text, NOW)


def test_an_alert_is_not_reopened_beside_a_newer_one_of_the_same(db: Database) -> None:
    close(db, OPERATOR, ["alert-0"], "", NOW)
    with db.write() as connection:
        hear(connection, recurring_alert(AlertLevel.SEVERE, "port-volume", "10690000", "m", {}, NOW + HOUR_MS), NOW)
    with pytest.raises(AntispamError, match="about the same, and open"):
        reopen(db, OPERATOR, ["alert-0"], NOW + HOUR_MS)


def test_all_are_changed_or_none(db: Database) -> None:
    for wrong in (["alert-0", "alert-99"], [], [f"a{n}" for n in range(501)]):
        with pytest.raises(AntispamError):
            take(db, OPERATOR, wrong, NOW)
    close(db, OPERATOR, ["alert-1"], "", NOW)
    with pytest.raises(AntispamError, match="closed"):
        take(db, OPERATOR, ["alert-0", "alert-1"], NOW)
    assert ids(db)[0] == "alert-0"


def test_scope_and_rights(db: Database) -> None:
    assert ids(db, "all", SOUTH) == ["alert-0", "alert-2"]
    with pytest.raises(Forbidden):
        take(db, SOUTH, ["alert-0", "alert-1"], NOW)
    with pytest.raises(Forbidden):
        find_alert(db, SOUTH, "alert-1")
    with pytest.raises(Forbidden):
        take(db, User("vic", Role.VIEWER), ["alert-0"], NOW)
    assert len(ids(db)) == 4


def test_what_waits_too_long_is_escalated_and_comes_first(db: Database) -> None:
    take(db, OPERATOR, ["alert-0"], NOW)
    assert pass_time(db, NOW + 52 * MINUTE_MS) == 0  # alert-1 is severe, and 7 minutes old
    assert pass_time(db, NOW + 53 * MINUTE_MS) == 1
    assert ids(db) == ["alert-1", "alert-2", "alert-3"]
    assert find_alert(db, OPERATOR, "alert-1")[1][-1].change == "escalated"


def test_a_ports_history(db: Database) -> None:
    history = port_history(db, OPERATOR, "10690003", NOW)
    assert [(d.kind, d.actor, d.evidence) for d in history.deeds] == [("suspend", "chief", "case-003")]
    assert port_history(db, OPERATOR, "10690000", NOW).complaints == 3
    assert port_history(db, OPERATOR, "10690000", NOW + 40 * 86_400_000).complaints == 0
    with pytest.raises(Forbidden):
        port_history(db, SOUTH, "10690003", NOW)
