"""Throttles sign-ins: guessing passwords is slow, and one person's guesses do not lock out another person.

Failures are counted by (name, address), by address over all names, and by name over its unknown addresses. After some
free attempts, each further attempt doubles the wait for the next. An address is known for a name if the name signed in
from it within KNOWN_MS; for a known address only the failures of this pair count. Sessions are not affected.

Names without an account are counted like others, so a wait does not reveal whether an account exists.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from pipeline.durations import DAY_MS
from pipeline.process.backoff import Backoff
from pipeline.store import schema
from pipeline.store.database import upsert

FREE = 5  # free attempts of a name at an address
FREE_OF_MANY = 20  # free attempts of an address, and of a name at all unknown addresses
WAITS = Backoff(first=1.0, longest=15 * 60.0)  # after the first attempt that is not free
QUIET_MS = DAY_MS  # failures are forgotten after this time without an attempt
KNOWN_MS = 30 * DAY_MS
CHANGING = "password"  # the address of password changes: they need a session, so attempts without one do not count
ALL = ""  # in place of the name or the address: all of them
_t = schema.sign_ins


def wait_ms(failures: int, free: int) -> int:
    """The wait in ms before the next attempt, after this many failures."""
    return 0 if failures < free else int(WAITS.pause(failures - free + 1) * 1000)


def admit(connection: Connection, name: str, address: str, now: int) -> bool:
    """Count an attempt before its password is verified; returns False, and counts nothing, during a wait.

    A refused attempt leaves no row, because invented names would fill the table.
    """
    limits = {(name, address): FREE}
    if address != CHANGING and not _known(connection, name, address, now):
        limits |= {(ALL, address): FREE_OF_MANY, (name, ALL): FREE_OF_MANY}
    keys = sorted(limits)  # all writers lock rows in one order, against deadlocks
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
    """Record a successful attempt: undo its count and make the address known for the name."""
    if address != CHANGING and not _known(connection, name, address, now):
        others = or_(_is(ALL, address), _is(name, ALL))
        connection.execute(update(_t).where(others, _t.c.failures > 0).values(failures=_t.c.failures - 1, next_at=now))
    connection.execute(update(_t).where(_is(name, address)).values(failures=0, next_at=0, signed_in_at=now))


def lift(connection: Connection, name: str) -> None:
    """End the waits of a name. Addresses that tried many names still wait."""
    connection.execute(update(_t).where(_t.c.name == name).values(failures=0, next_at=0))


def waits(connection: Connection, now: int) -> dict[str, int]:
    """The names that must wait at some address, and the ends of their waits (epoch ms)."""
    rows = connection.execute(
        select(_t.c.name, func.max(_t.c.next_at)).where(_t.c.next_at > now, _t.c.name != ALL).group_by(_t.c.name)
    )
    return {row[0]: row[1] for row in rows}


def _known(connection: Connection, name: str, address: str, now: int) -> bool:
    last = connection.scalar(select(_t.c.signed_in_at).where(_is(name, address)))
    return last is not None and last > now - KNOWN_MS


def _is(name: str, address: str) -> ColumnElement[bool]:
    return and_(_t.c.name == name, _t.c.address == address)
