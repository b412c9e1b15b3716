"""Guessing passwords is slow, and nobody is shut out by somebody else's guesses.

Attempts are counted by (name, address), by address over all names, and by name over the addresses that are not
known for it. After some free ones each further one makes the next wait, twice as long each time. An address is
known where the name signed in within KNOWN_MS: there only its own failures count. Sessions are not touched.

Names that do not exist are counted like others: what has to wait tells nothing of them.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from pipeline.durations import DAY_MS
from pipeline.process.backoff import Backoff
from pipeline.store import schema
from pipeline.store.database import upsert

FREE = 5  # of a name at an address
FREE_OF_MANY = 20  # of an address, and of a name at unknown addresses
WAITS = Backoff(first=1.0, longest=15 * 60.0)  # from the first attempt that is not free
QUIET_MS = DAY_MS  # without an attempt, after which failures are forgotten
KNOWN_MS = 30 * DAY_MS
CHANGING = "password"  # the address of who has a session and changes the password: strangers do not count there
ALL = ""  # names, of an address; or addresses, of a name
_t = schema.sign_ins


def wait_ms(failures: int, free: int) -> int:
    """How long the next attempt must wait after so many failures."""
    return 0 if failures < free else int(WAITS.pause(failures - free + 1) * 1000)


def admit(connection: Connection, name: str, address: str, now: int) -> bool:
    """Count an attempt before its password is looked at; False, and it is not counted, while it must wait.

    A refused attempt leaves no row: made-up names would fill the table.
    """
    limits = {(name, address): FREE}
    if address != CHANGING and not _known(connection, name, address, now):
        limits |= {(ALL, address): FREE_OF_MANY, (name, ALL): FREE_OF_MANY}
    keys = sorted(limits)  # one order for all: writers must not wait for each other in a ring
    waiting = select(_t.c.name).where(or_(*(_is(*key) for key in keys)), _t.c.next_at > now)
    if connection.execute(waiting).first() is not None:
        return False
    connection.execute(
        delete(_t).where(_t.c.tried_at < now - QUIET_MS, func.coalesce(_t.c.signed_in_at, 0) < now - KNOWN_MS)
    )
    for key in keys:
        fresh = {"name": key[0], "address": key[1], "failures": 0, "next_at": 0, "tried_at": now}
        connection.execute(upsert(connection, _t).values(fresh).on_conflict_do_nothing())
    rows = {}
    for key in keys:
        rows[key] = connection.execute(select(_t).where(_is(*key)).with_for_update()).one()
    if any(row.next_at > now for row in rows.values()):
        return False
    for key, row in rows.items():
        failures = 1 if row.tried_at < now - QUIET_MS else row.failures + 1
        waits_until = now + wait_ms(failures, limits[key])
        connection.execute(update(_t).where(_is(*key)).values(failures=failures, next_at=waits_until, tried_at=now))
    return True


def right(connection: Connection, name: str, address: str, now: int) -> None:
    """The attempt counted last was right: it was no failure, and the address is known from now on."""
    if address != CHANGING and not _known(connection, name, address, now):
        others = or_(_is(ALL, address), _is(name, ALL))
        connection.execute(update(_t).where(others, _t.c.failures > 0).values(failures=_t.c.failures - 1, next_at=now))
    connection.execute(update(_t).where(_is(name, address)).values(failures=0, next_at=0, signed_in_at=now))


def lift(connection: Connection, name: str) -> None:
    """Let a name be tried again at once, except from addresses that wait for having tried many names."""
    connection.execute(update(_t).where(_t.c.name == name).values(failures=0, next_at=0))


def waits(connection: Connection, now: int) -> dict[str, int]:
    """Names that must wait somewhere, and until when."""
    rows = connection.execute(
        select(_t.c.name, func.max(_t.c.next_at)).where(_t.c.next_at > now, _t.c.name != ALL).group_by(_t.c.name)
    )
    return {row[0]: row[1] for row in rows}


def _known(connection: Connection, name: str, address: str, now: int) -> bool:
    last = connection.scalar(select(_t.c.signed_in_at).where(_is(name, address)))
    return last is not None and last > now - KNOWN_MS


def _is(name: str, address: str) -> ColumnElement[bool]:
    return and_(_t.c.name == name, _t.c.address == address)
