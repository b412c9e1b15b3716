"""Guessing is slow, and shuts nobody out: on both databases, by a clock of the test's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts import throttle
from pipeline.store.accounts.roles import Role, User
from pipeline.store.accounts.sessions import user_of
from pipeline.store.accounts.throttle import FREE, FREE_OF_MANY, KNOWN_MS, QUIET_MS, wait_ms
from pipeline.store.accounts.users import add_user, change_password, let_in, list_users, sign_in
from pipeline.store.database import Database

NOW = 1_700_000_000_000
FIRST_MS, LONGEST_MS = 1000, 15 * 60_000
CHIEF = User("chief", Role.ADMINISTRATOR)
HOME, EVIL = "192.0.2.1", "198.51.100.9"


@pytest.fixture
def password(any_db: Database) -> str:
    return add_user(any_db, CHIEF, "anna", Role.REVIEWER, {}, NOW)


def admitted(db: Database, name: str, address: str, now: int) -> bool:
    """One attempt that fails, without the cost of looking at a password."""
    with db.write() as connection:
        return throttle.admit(connection, name, address, now)


def test_each_further_failure_waits_twice_as_long(any_db: Database, password: str) -> None:
    at = NOW
    assert all(admitted(any_db, "anna", EVIL, at) for _ in range(FREE))
    for n in range(12):
        wait = min(FIRST_MS << n, LONGEST_MS)
        assert not admitted(any_db, "anna", EVIL, at + wait - 1)
        with pytest.raises(AntispamError):
            sign_in(any_db, "anna", password, at + wait - 1, EVIL)
        at += wait
        assert admitted(any_db, "anna", EVIL, at)
    assert admitted(any_db, "anna", EVIL, at + QUIET_MS + 1)
    assert all(admitted(any_db, "anna", EVIL, at + QUIET_MS + 1) for _ in range(FREE - 1)), "a quiet day forgets"


def test_waits_grow_and_end() -> None:
    waits = [wait_ms(n, FREE) for n in range(200)]
    assert waits == sorted(waits)
    assert waits[FREE - 1 : FREE + 2] == [0, FIRST_MS, 2 * FIRST_MS]
    assert waits[-1] == LONGEST_MS


def test_a_person_is_not_shut_out_by_others(any_db: Database, password: str) -> None:
    """Whoever guesses, from one address or from a thousand: sessions and known addresses go on."""
    token = sign_in(any_db, "anna", password, NOW, HOME)
    for n in range(FREE_OF_MANY + 10):
        admitted(any_db, "anna", f"{EVIL}/{n}", NOW + n)
    for n in range(FREE_OF_MANY + 10):
        admitted(any_db, "anna", EVIL, NOW + n)
    later = NOW + 1000
    assert user_of(any_db, token, later) is not None
    assert sign_in(any_db, "anna", password, later, HOME)
    user = User("anna", Role.REVIEWER, must_change=True)
    assert change_password(any_db, user, password, "correct horse battery", later)
    with pytest.raises(AntispamError):
        sign_in(any_db, "anna", "correct horse battery", later, "203.0.113.5")
    let_in(any_db, CHIEF, "anna", later)
    assert sign_in(any_db, "anna", "correct horse battery", later, "203.0.113.5"), "an administrator lets in"
    assert user_of(any_db, token, later) is None, "by the change of the password, not by letting in"


def test_guesses_from_everywhere_are_slow_all_the_same(any_db: Database, password: str) -> None:
    tried = sum(admitted(any_db, "anna", f"{EVIL}/{n}", NOW + n) for n in range(FREE_OF_MANY + 20))
    assert tried == FREE_OF_MANY
    with any_db.read() as connection:
        assert throttle.waits(connection, NOW + 500) == {"anna": NOW + FREE_OF_MANY - 1 + FIRST_MS}


def test_an_address_that_tries_every_name_waits(any_db: Database) -> None:
    tried = sum(admitted(any_db, f"user{n}", EVIL, NOW) for n in range(FREE_OF_MANY + 5))
    assert tried == FREE_OF_MANY
    assert admitted(any_db, "anna", HOME, NOW)


def test_refused_attempts_leave_nothing(any_db: Database) -> None:
    """Names are free: a guesser who waits already must not fill the table with them."""
    for n in range(FREE_OF_MANY + 50):
        admitted(any_db, f"user{n}", EVIL, NOW)
    with any_db.read() as connection:
        rows = connection.execute(select(func.count()).select_from(schema.sign_ins)).scalar_one()
    assert rows == 2 * FREE_OF_MANY + 1


def test_a_known_address_is_known_for_a_while(any_db: Database, password: str) -> None:
    sign_in(any_db, "anna", password, NOW, HOME)
    for moment in (NOW + KNOWN_MS - 1, NOW + KNOWN_MS + QUIET_MS):
        for n in range(FREE_OF_MANY):
            admitted(any_db, "anna", f"{EVIL}/{moment}/{n}", moment)
        assert admitted(any_db, "anna", HOME, moment) is (moment < NOW + KNOWN_MS)


def test_success_is_no_failure(any_db: Database) -> None:
    """A whole office behind one address signs in in the morning."""
    for n in (*range(FREE_OF_MANY + 2), *[0] * (FREE + 5)):
        assert admitted(any_db, f"user{n}", HOME, NOW)
        with any_db.write() as connection:
            throttle.right(connection, f"user{n}", HOME, NOW)


def test_attempts_at_once_are_all_counted(any_db: Database, password: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(lambda _: admitted(any_db, "anna", EVIL, NOW), range(16)))
    assert sum(passed) == FREE


def test_a_name_that_does_not_exist_waits_like_one_that_does(any_db: Database, password: str) -> None:
    for name in ("anna", "nobody"):
        assert [admitted(any_db, name, f"{EVIL}/{name}", NOW) for _ in range(FREE + 1)] == [True] * FREE + [False]


def test_what_is_over_is_removed(any_db: Database) -> None:
    for n in range(5):
        admitted(any_db, f"user{n}", f"{EVIL}/{n}", NOW)
    admitted(any_db, "anna", HOME, NOW + QUIET_MS + KNOWN_MS)
    with any_db.read() as connection:
        left = connection.execute(select(func.count()).select_from(schema.sign_ins)).scalar_one()
    assert left == 3


def test_an_administrator_sees_who_waits(any_db: Database, password: str) -> None:
    for _ in range(FREE):
        admitted(any_db, "anna", EVIL, NOW)
    (account,) = list_users(any_db, CHIEF, NOW)
    assert (account.state(NOW), account.state(NOW + FIRST_MS)) == ("waiting", "new")
    let_in(any_db, CHIEF, "anna", NOW)
    (account,) = list_users(any_db, CHIEF, NOW)
    assert account.state(NOW) == "new"
    with pytest.raises(AntispamError, match="no user"):
        let_in(any_db, CHIEF, "nobody", NOW)
