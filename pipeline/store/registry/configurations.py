"""Policies, dictionaries, models, calendars, list files, templates: immutable versions, one in force for each name.

The templates of a port are in force by the port's own entry; its version here is a copy, for its life.

These functions work inside the caller's transaction. They neither audit nor publish.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from sqlalchemy import Connection, delete, select

from pipeline.errors import AntispamError
from pipeline.rules.clock.calendar import CALENDAR, Calendar, parse_calendar, shipped_calendar
from pipeline.rules.policies.formats import living
from pipeline.rules.policies.lifecycle import LivingKind
from pipeline.rules.policies.policy import POLICY, parse_policy
from pipeline.rules.policies.port_templates import parse_templates, templates_text
from pipeline.rules.policies.queues import NO_QUEUES, Queues
from pipeline.rules.ports import PortEntry
from pipeline.rules.snoozes import text as snooze_text
from pipeline.rules.versions import version_of
from pipeline.store import schema
from pipeline.store.database import upsert
from pipeline.store.registry import consents, list_entries, policies, ports, snooze_entries

_calendar = lru_cache(4)(parse_calendar)
_policy = lru_cache(4)(parse_policy)

KINDS = ("policy", "dictionary", "model", "calendar", "brands", "list", "templates")


def check_name(kind: str, name: str) -> None:
    """Raises AntispamError for an unknown kind and for an invalid name."""
    if kind not in KINDS:
        raise AntispamError("unknown kind of configuration {kind!r}; one of {known}", kind=kind, known=", ".join(KINDS))
    if not name or len(name) > 128 or "/" in name or not name.isprintable():
        raise AntispamError(
            "{kind}: name {name!r}: 1 to 128 printable characters without / expected", kind=kind, name=name[:20]
        )


def keep(connection: Connection, kind: str, name: str, value: str, author: str, now: int) -> str:
    """Store this version, unless it is stored; returns its name."""
    version = version_of(value)
    connection.execute(
        upsert(connection, schema.configurations).on_conflict_do_nothing(),
        {"kind": kind, "name": name, "version": version, "value": value, "author": author, "created_at": now},
    )
    return version


def changes_of(
    connection: Connection, kind: str, name: str, value: str
) -> list[tuple[str, str, str | None, str | None]]:
    """The changes of the config topic that put this version in force; a policy on trial leaves its trial."""
    changes: list[tuple[str, str, str | None, str | None]] = [(kind, name, value, None)]
    trial = policies.on_trial(connection) if living(kind, name) is LivingKind.POLICY else None
    if trial is not None and trial.version == version_of(value):
        changes.append(policies.NO_CANDIDATE)
    return changes


def put_in_force(connection: Connection, kind: str, name: str, value: str, author: str, epoch: int, now: int) -> None:
    """Store this version and put it in force with this epoch."""
    version = keep(connection, kind, name, value, author, now)
    kept = living(kind, name)
    if kept is not None:
        policies.take_force(connection, kept, name, version, author, epoch, now)
    table = schema.in_force
    before = in_force(connection, kind, name)
    statement = upsert(connection, table).values(
        kind=kind, name=name, version=version, previous=before, since_epoch=epoch, since=now
    )
    changed = {name: statement.excluded[name] for name in ("version", "previous", "since_epoch", "since")}
    connection.execute(statement.on_conflict_do_update(index_elements=["kind", "name"], set_=changed))


def in_force(connection: Connection, kind: str, name: str) -> str | None:
    """The version in force, or None."""
    table = schema.in_force
    return connection.execute(select(table.c.version).where(table.c.kind == kind, table.c.name == name)).scalar()


def text_in_force(connection: Connection, kind: str, name: str) -> str | None:
    """The text in force, or None. Templates are those that the port has, also if no version of them is known."""
    if kind == LivingKind.TEMPLATES:
        entry = ports.find(connection, name)
        return None if entry is None else templates_text(name, entry.templates)
    version = in_force(connection, kind, name)
    return None if version is None else value_of(connection, kind, name, version)


def note_templates(connection: Connection, entries: Iterable[PortEntry], author: str, epoch: int, now: int) -> None:
    """Note templates that were changed with their port, if they have a version in force: theirs replaces it."""
    versioned = set(names_in_force(connection, LivingKind.TEMPLATES))
    for entry in entries:
        if entry.code in versioned:
            version = in_force(connection, LivingKind.TEMPLATES, entry.code) or ""
            value = value_of(connection, LivingKind.TEMPLATES, entry.code, version) or ""
            if parse_templates(value).entries != entry.templates:
                text = templates_text(entry.code, entry.templates)
                put_in_force(connection, LivingKind.TEMPLATES, entry.code, text, author, epoch, now)


def calendar(connection: Connection) -> Calendar:
    """The calendar in force, or the shipped one."""
    version = in_force(connection, "calendar", CALENDAR)
    value = None if version is None else value_of(connection, "calendar", CALENDAR, version)
    return shipped_calendar() if value is None else _calendar(value)


def local_day(connection: Connection, port: str, now: int) -> date:
    """The day at `now` (epoch ms) by the clock of a port's zone; of the calendar's for an unknown port."""
    zone = connection.scalar(select(schema.ports.c.zone).where(schema.ports.c.code == port))
    return calendar(connection).in_zone(zone or "").moment(now).day


def queues(connection: Connection) -> Queues:
    """The queues of the policy in force; none without a policy."""
    version = in_force(connection, "policy", POLICY)
    value = None if version is None else value_of(connection, "policy", POLICY, version)
    return NO_QUEUES if value is None else _policy(value).queues


def previous(connection: Connection, kind: str, name: str) -> str | None:
    """The previous version of the one in force, or None."""
    table = schema.in_force
    return connection.execute(select(table.c.previous).where(table.c.kind == kind, table.c.name == name)).scalar()


def value_of(connection: Connection, kind: str, name: str, version: str) -> str | None:
    """The value of a version, or None for an unknown version."""
    table = schema.configurations
    return connection.execute(
        select(table.c.value).where(table.c.kind == kind, table.c.name == name, table.c.version == version)
    ).scalar()


def author_of(connection: Connection, kind: str, name: str, version: str) -> str | None:
    """The user that first published a version, or None for an unknown version."""
    table = schema.configurations
    return connection.execute(
        select(table.c.author).where(table.c.kind == kind, table.c.name == name, table.c.version == version)
    ).scalar()


def withdraw(connection: Connection, kind: str, name: str) -> None:
    """Withdraw the version in force of this name; its versions stay stored."""
    table = schema.in_force
    connection.execute(delete(table).where(table.c.kind == kind, table.c.name == name))


def names_in_force(connection: Connection, kind: str) -> list[str]:
    """The names of this kind with a version in force."""
    table = schema.in_force
    return list(connection.execute(select(table.c.name).where(table.c.kind == kind)).scalars())


def everything(connection: Connection) -> list[tuple[str, str, str]]:
    """The whole configuration in force: (kind, name, value) of every entry of the config topic."""
    versions, force = schema.configurations, schema.in_force
    same = (
        (versions.c.kind == force.c.kind) & (versions.c.name == force.c.name) & (versions.c.version == force.c.version)
    )
    published = force.c.kind != LivingKind.TEMPLATES
    files = connection.execute(
        select(force.c.kind, force.c.name, versions.c.value).join(versions, same).where(published)
    )
    return [
        *((row.kind, row.name, row.value) for row in files),
        *policies.candidate(connection),
        *(("list", f"{item.list}/{item.value}", list_entries.text(item)) for item in list_entries.load(connection)),
        *(("port", entry.code, ports.text(entry)) for entry in ports.load(connection)),
        *(("snooze", each.name, snooze_text(each)) for each in snooze_entries.load(connection)),
        *(("consent", name, value) for name, value in consents.texts(connection)),
    ]
