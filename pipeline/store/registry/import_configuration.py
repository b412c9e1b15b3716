"""Imports a configuration folder into the database as one change with one epoch.

`replace` makes the database match the folder: a missing `lists.csv` is withdrawn, and missing ports are suspended,
unless the folder has no ports at all. Other list files, which people approved, stay. A port is never deleted: its
queued messages must not be sent, and a later import of the same port must not lift its suspension. Only
`antispam port resume` lifts it.

`add` runs at every start: it adds entries that the database does not have and keeps the changes of people.

Neither deletes an enterprise or changes single list entries. Neither changes the state of a registered port that is in
the folder, because a file without the suspension must not lift it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec
from sqlalchemy import Connection

from pipeline.decision.configuration import ENTERPRISE
from pipeline.events import PortState
from pipeline.rules.enterprises import parse_enterprise
from pipeline.rules.lists import LISTS
from pipeline.rules.policies.formats import living
from pipeline.rules.policies.lifecycle import Approval
from pipeline.rules.ports import PortEntry, parse_port
from pipeline.rules.versions import version_of
from pipeline.store import audit, outbox
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import configurations, enterprises, ports, registry
from pipeline.text.numbers import service_code


def replace(
    db: Database,
    user: User,
    entries: Iterable[tuple[str, str, str]],
    now: int,
    approval: Approval = Approval.TWO,
) -> tuple[int, list[str]]:
    """Make these (kind, name, value) the configuration; returns the epoch in force afterwards and the suspended ports.

    Raises AntispamError for an entry that cannot be put in force, and Forbidden for a new policy, dictionary, calendar,
    brands, list file or new templates of a registered port where `approval` is strict.
    """
    return _import(db, user, list(entries), now, remove=True, strict=approval is Approval.STRICT)


def add(db: Database, user: User, entries: Iterable[tuple[str, str, str]], now: int) -> int:
    """Add the new entries among these (kind, name, value); returns the epoch in force afterwards.

    A registered port stays as it is. A file is put in force if its text was never in force and the version in force
    also came from `add`. Raises AntispamError for an entry that cannot be put in force.
    """
    return _import(db, user, list(entries), now, remove=False, strict=False)[0]


def _import(
    db: Database, user: User, entries: list[tuple[str, str, str]], now: int, *, remove: bool, strict: bool
) -> tuple[int, list[str]]:
    require(user, Right.ADMINISTER)
    companies = [parse_enterprise(value) for kind, _, value in entries if kind == ENTERPRISE]
    entries = [entry for entry in entries if entry[0] != ENTERPRISE]
    registry.check(entries)
    given = [parse_port(value).entry for kind, _, value in entries if kind == "port"]
    files = [(kind, name, value) for kind, name, value in entries if kind != "port"]
    for kind, name, _ in files:
        configurations.check_name(kind, name)
    with db.write() as connection:
        outbox.lock(connection)
        enterprises.put(connection, now, user.name, companies, only_new=not remove)
        there = {entry.code: entry for entry in ports.load(connection)}
        read = {entry.code: entry for entry in (_spelled(entry, there) for entry in given)}
        wanted = _ports(there, read, remove)
        moved = {e.code for e in wanted if e.code not in there or there[e.code].enterprise != e.enterprise}
        begun = {e.code: e for e in ports.begin(connection, now, user.name, [e for e in wanted if e.code in moved])}
        wanted = [begun.get(entry.code, entry) for entry in wanted]
        files = [file for file in files if _is_new(connection, user, *file, remove=remove)]
        for kind, name, _ in files:
            if strict and living(kind, name):
                raise Forbidden(f"{user.name}: the folder changes the {kind}, and two people must agree on it")
        if strict and any(e.code in there and there[e.code].templates != e.templates for e in wanted):
            raise Forbidden(f"{user.name}: the folder changes templates, and two people must agree on them")
        absent = sorted(there.keys() - read.keys()) if remove and read else []
        suspended = [code for code in absent if there[code].state == PortState.OPEN]
        gone_files = []
        if remove:
            named = {name for kind, name, _ in entries if kind == "list"}
            there_already = set(configurations.names_in_force(connection, "list"))
            gone_files = [LISTS] if LISTS in there_already - named else []  # a folder has no other
        for code in suspended:
            today = configurations.local_day(connection, code, now)
            ports.change_state(connection, now, user.name, "suspend", code, "not in the configuration folder", today)
        if not (wanted or files or gone_files):
            return outbox.last_id(connection), suspended
        ports.put(connection, wanted, now)
        for name in gone_files:
            configurations.withdraw(connection, "list", name)
        put = [f"{kind}/{name}@{version_of(value)}" for kind, name, value in files]
        after = {
            "put": put + [f"port/{entry.code}" for entry in wanted],
            "removed": [f"list/{name}" for name in gone_files],
        }
        audit.record(connection, now, user.name, "import", "configuration", None, after)
        changes = [change for file in files for change in configurations.changes_of(connection, *file)]
        changes += [("list", name, None, None) for name in gone_files]
        changes += [("port", entry.code, ports.text(entry), None) for entry in wanted]
        epoch = outbox.publish_config(connection, now, changes)
        for kind, name, value in files:
            configurations.put_in_force(connection, kind, name, value, user.name, epoch, now)
        configurations.note_templates(connection, wanted, user.name, epoch, now)
        return epoch, suspended


def _spelled(entry: PortEntry, there: Container[str]) -> PortEntry:
    """The port with its code in canonical form, unless it is registered under the code of the file."""
    return entry if entry.code in there else msgspec.structs.replace(entry, code=service_code(entry.code) or entry.code)


def _ports(there: dict[str, PortEntry], read: dict[str, PortEntry], remove: bool) -> list[PortEntry]:
    """The ports that need to be written."""
    wanted = []
    for code, entry in read.items():
        before = there.get(code)
        if before is None:
            wanted.append(entry)
        elif remove:
            kept = msgspec.structs.replace(entry, state=before.state)
            if kept != before:
                wanted.append(kept)
    return wanted


def _is_new(connection: Connection, user: User, kind: str, name: str, value: str, *, remove: bool) -> bool:
    version, current = version_of(value), configurations.in_force(connection, kind, name)
    if current is None or remove:
        return version != current
    known = configurations.value_of(connection, kind, name, version) is not None
    return not known and configurations.author_of(connection, kind, name, current) == user.name
