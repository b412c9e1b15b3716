"""Accounts: what a person who guesses, forgets or leaves meets."""

from __future__ import annotations

import pytest
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import insert, select

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts import users
from pipeline.store.accounts.roles import RIGHTS, Forbidden, Right, Role, User, ports_in_scope, require, require_port
from pipeline.store.accounts.sessions import IDLE_MS, SESSION_MS, sign_out, user_of
from pipeline.store.accounts.throttle import WAITS
from pipeline.store.accounts.users import (
    REFUSED,
    add_user,
    change_password,
    first_administrator,
    list_users,
    reset_password,
    set_active,
    sign_in,
)
from pipeline.store.database import Database
from tests.harness.case_events import add_port

NOW = 1_700_000_000_000
CHIEF = User("chief", Role.ADMINISTRATOR)
GOOD = "correct horse battery"
SHIPPED, NOBODY = users._hasher, users._NOBODY  # before tests take cheap ones


@pytest.fixture
def db(operational_db: Database) -> Database:
    return operational_db


def test_the_first_administrator_has_a_one_time_password_that_must_be_changed(db: Database) -> None:
    password = first_administrator(db, NOW)
    assert password is not None
    assert first_administrator(db, NOW) is None
    user = user_of(db, sign_in(db, "admin", password, NOW), NOW)
    assert user is not None
    with pytest.raises(Forbidden, match="must be changed"):
        require(user, Right.SEE_TRAFFIC)
    token = change_password(db, user, password, GOOD, NOW)
    changed = user_of(db, token, NOW)
    assert changed is not None
    require(changed, Right.ADMINISTER)
    with pytest.raises(AntispamError, match=REFUSED):
        sign_in(db, "admin", password, NOW)


def test_a_guess_costs_memory_and_time() -> None:
    """The second recommendation of RFC 9106, the least that it allows."""
    assert SHIPPED.memory_cost >= 64 * 1024
    assert SHIPPED.time_cost >= 3


def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    assert not SHIPPED.check_needs_rehash(NOBODY)
    with pytest.raises(VerifyMismatchError):
        SHIPPED.verify(NOBODY, "x")


def test_no_password_is_stored_as_it_is(db: Database) -> None:
    password = add_user(db, CHIEF, "anna", Role.REVIEWER, {}, NOW)
    token = sign_in(db, "anna", password, NOW)
    with db.read() as connection:
        stored = connection.execute(select(schema.users.c.password)).scalar_one()
        kept = connection.execute(select(schema.sessions.c.token)).scalar_one()
    assert stored.startswith("$argon2id$")
    assert password not in stored
    assert kept != token


@pytest.mark.parametrize("name", ["nobody", "", "anna'; --", "\x00"])
def test_unknown_names_get_the_same_answer(db: Database, name: str) -> None:
    with pytest.raises(AntispamError, match=REFUSED):
        sign_in(db, name, "x", NOW)


def test_a_session_ends_by_time_by_idleness_and_by_signing_out(db: Database) -> None:
    password = add_user(db, CHIEF, "anna", Role.REVIEWER, {}, NOW)
    token = sign_in(db, "anna", password, NOW)
    at = NOW
    while at + IDLE_MS // 2 < NOW + SESSION_MS:
        at += IDLE_MS // 2
        assert user_of(db, token, at) is not None
    assert user_of(db, token, NOW + SESSION_MS) is None
    token = sign_in(db, "anna", password, NOW)
    assert user_of(db, token, NOW + IDLE_MS - 1, active=False) is not None
    assert user_of(db, token, NOW + IDLE_MS) is None, "a page that refreshes itself keeps nobody signed in"
    token = sign_in(db, "anna", password, NOW)
    sign_out(db, token, NOW)
    assert user_of(db, token, NOW) is None
    assert user_of(db, "made up", NOW) is None


def test_disabling_and_resetting_end_sessions_and_are_audited(db: Database) -> None:
    password = add_user(db, CHIEF, "anna", Role.REVIEWER, {}, NOW)
    token = sign_in(db, "anna", password, NOW)
    set_active(db, CHIEF, "anna", False, NOW)
    assert user_of(db, token, NOW) is None
    with pytest.raises(AntispamError, match=REFUSED):
        sign_in(db, "anna", password, NOW)
    set_active(db, CHIEF, "anna", True, NOW)
    token = sign_in(db, "anna", password, NOW)
    fresh = reset_password(db, CHIEF, "anna", NOW)
    assert user_of(db, token, NOW) is None
    assert sign_in(db, "anna", fresh, NOW)
    with db.read() as connection:
        rows = connection.execute(select(schema.audit.c.actor, schema.audit.c.action)).all()
        assert audit.first_broken(connection) is None
    assert [tuple(row) for row in rows] == [
        ("chief", "add"),
        ("anna", "sign in"),
        ("chief", "disable"),
        ("chief", "enable"),
        ("anna", "sign in"),
        ("chief", "reset password"),
        ("anna", "sign in"),
    ]


def test_signing_in_and_waiting_on_both_databases(any_db: Database) -> None:
    with any_db.write() as connection:
        connection.execute(schema.enterprises.insert().values(id="e-1", name="e-1", city="深圳", created_at=NOW))
    password = add_user(any_db, CHIEF, "anna", Role.REVIEWER, {"city": "深圳"}, NOW)
    user = user_of(any_db, sign_in(any_db, "anna", password, NOW), NOW)
    assert user is not None
    token = change_password(any_db, user, password, GOOD, NOW)
    assert user_of(any_db, token, NOW + IDLE_MS // 2) == User("anna", Role.REVIEWER, {"city": "深圳"})
    sign_out(any_db, token, NOW)
    for _ in range(5):
        with pytest.raises(AntispamError):
            sign_in(any_db, "anna", "wrong", NOW)
    with pytest.raises(AntispamError):
        sign_in(any_db, "anna", GOOD, NOW)
    assert sign_in(any_db, "anna", GOOD, NOW + int(WAITS.first * 1000))


def test_the_last_administrator_stays(db: Database) -> None:
    first_administrator(db, NOW)
    with pytest.raises(AntispamError, match="last administrator"):
        set_active(db, CHIEF, "admin", False, NOW)
    add_user(db, CHIEF, "second", Role.ADMINISTRATOR, {}, NOW)
    set_active(db, CHIEF, "admin", False, NOW)
    with pytest.raises(AntispamError, match="signed in"):
        set_active(db, User("second", Role.ADMINISTRATOR), "second", False, NOW)


@pytest.mark.parametrize("name", ["A", "Anna", "a b", "x" * 33, "cli", "pipeline", "<b>"])
def test_bad_names_are_refused(db: Database, name: str) -> None:
    with pytest.raises(AntispamError, match="user name"):
        add_user(db, CHIEF, name, Role.VIEWER, {}, NOW)


@pytest.mark.parametrize("scope", [{"planet": "earth"}, {"province": ""}, {"province": "a", "city": "b"}])
def test_bad_scopes_are_refused(db: Database, scope: dict[str, str]) -> None:
    with pytest.raises(AntispamError, match="scope"):
        add_user(db, CHIEF, "anna", Role.VIEWER, scope, NOW)


@pytest.mark.parametrize(
    ("new", "why"), [("short", "12"), ("x" * 201, "200"), ("i am anna in short", "name"), ("same", "12")]
)
def test_weak_passwords_are_refused(db: Database, new: str, why: str) -> None:
    password = add_user(db, CHIEF, "anna", Role.VIEWER, {}, NOW)
    with pytest.raises(AntispamError, match=why):
        change_password(db, User("anna", Role.VIEWER), password, new, NOW)


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.ADMINISTRATOR])
def test_only_administrators_manage_accounts(db: Database, role: Role) -> None:
    user = User("x", role)
    for call in (
        lambda: add_user(db, user, "anna", Role.VIEWER, {}, NOW),
        lambda: list_users(db, user, NOW),
        lambda: set_active(db, user, "admin", False, NOW),
        lambda: reset_password(db, user, "admin", NOW),
    ):
        with pytest.raises(Forbidden):
            call()


def test_scope_limits_ports(db: Database) -> None:
    with db.write() as connection:
        for ident, province, city in (("e1", "广东", "深圳"), ("e2", "广东", "广州"), ("e3", "北京", "北京")):
            connection.execute(
                insert(schema.enterprises).values(id=ident, name=ident, province=province, city=city, created_at=NOW)
            )
            add_port(connection, f"1069{ident[1]}", enterprise=ident)

    def seen(scope: dict[str, str]) -> list[str]:
        within = ports_in_scope(User("x", Role.VIEWER, scope))
        assert within is not None
        with db.read() as connection:
            return sorted(connection.execute(within).scalars())

    assert ports_in_scope(User("x", Role.VIEWER)) is None
    assert seen({"province": "广东"}) == ["10691", "10692"]
    assert seen({"city": "深圳"}) == ["10691"]
    assert seen({"enterprise": "e3"}) == ["10693"]
    with pytest.raises(Forbidden):
        ports_in_scope(User("x", Role.VIEWER, {"provinec": "广东"}))
    with db.read() as connection:
        require_port(connection, User("x", Role.VIEWER, {"city": "深圳"}), "10691")
        with pytest.raises(Forbidden):
            require_port(connection, User("x", Role.VIEWER, {"city": "深圳"}), "10692")


def test_rights_that_must_not_come_together() -> None:
    for role, rights in RIGHTS.items():
        if role is Role.ADMINISTRATOR:
            continue
        assert not {Right.AUTHOR_POLICY, Right.APPROVE_POLICY} <= rights
        assert Right.ADMINISTER not in rights
    assert Right.SEE_FULL_TEXT not in RIGHTS[Role.ANALYST]
    assert RIGHTS[Role.VIEWER] == {Right.SEE_TRAFFIC}
