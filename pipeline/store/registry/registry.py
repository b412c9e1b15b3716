"""Changes of the configuration by people: each is checked, audited and added to the outbox.

A value is parsed with the workers' parser before any row is written. Every function that changes the configuration
first checks the user's right. It then works in one transaction: the change, its audit row and its publication are
committed together or not at all. Times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, exists, func, or_, select

from pipeline.decision.configuration import ConfigEntries
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange, PortState
from pipeline.rules.enterprises import with_customers
from pipeline.rules.filings import parse_filings
from pipeline.rules.lists import ENTITIES, PORT_RECIPIENT, check_lists, one_form
from pipeline.rules.policies.formats import living
from pipeline.rules.policies.lifecycle import Deed, LivingKind
from pipeline.rules.policies.port_templates import parse_templates
from pipeline.rules.ports import PortEntry, parse_port
from pipeline.rules.versions import version_of
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require, require_port
from pipeline.store.database import Database
from pipeline.store.registry import configurations, policies
from pipeline.store.registry import enterprises as enterprise_rows
from pipeline.store.registry import list_entries as list_rows
from pipeline.store.registry import ports as port_rows
from pipeline.text.numbers import service_code

MAX_REASON = 500
_RIGHTS = {
    "policy": Right.APPROVE_POLICY,
    "dictionary": Right.APPROVE_POLICY,
    "calendar": Right.APPROVE_POLICY,
    "brands": Right.APPROVE_POLICY,
    "model": Right.APPROVE_POLICY,
    "list": Right.EDIT_LISTS,
    "templates": Right.EDIT_PORTS,
}


def port(db: Database, code: str) -> PortEntry | None:
    """The port with this code, or None."""
    with db.read() as connection:
        return port_rows.find(connection, _registered(connection, code))


def ports(db: Database, user: User, search: str = "", limit: int = 100, offset: int = 0) -> list[PortEntry]:
    """Ports in the user's scope, by code; `search` is the beginning of a code or a part of a name or enterprise."""
    require(user, Right.SEE_TRAFFIC)
    with db.read() as connection:
        return port_rows.search(connection, search, limit, offset, ports_in_scope(user))


def save_port(db: Database, user: User, entry: PortEntry, now: int, reason: str = "") -> int | None:
    """Register or change a port, with its code in canonical form; returns the epoch, or None if nothing changed.

    The state of a registered port stays: only `suspend_port`, `resume_port` and `terminate` change it. But a port that
    is new, or comes to another enterprise, is suspended if that enterprise is.
    Raises AntispamError for an invalid entry.
    """
    require(user, Right.EDIT_PORTS)
    port_rows.check(entry)
    check_reason(reason)
    with db.write() as connection:
        outbox.lock(connection)
        entry = msgspec.structs.replace(entry, code=_registered(connection, entry.code))
        before = port_rows.find(connection, entry.code)
        if before is not None:
            require_port(connection, user, entry.code)
            entry = msgspec.structs.replace(entry, state=before.state)
        if before is None or before.enterprise != entry.enterprise:
            [entry] = port_rows.begin(connection, now, user.name, [entry])
        if before == entry:
            return None
        port_rows.put(connection, [entry], now)
        require_port(connection, user, entry.code)  # the changed port must stay in the user's scope
        audit.record(
            connection, now, user.name, "save", f"port/{entry.code}", _for_audit(before), _for_audit(entry), reason
        )
        epoch = port_rows.publish(connection, now, [entry])
        configurations.note_templates(connection, [entry], user.name, epoch, now)
        return epoch


def save_filings(db: Database, user: User, text: str, source: str, now: int) -> int:
    """Add or change the filings of a csv (`rules/filings.py`); returns the number of changed ports.

    All are saved together, or none. Raises AntispamError naming the line of an invalid filing.
    """
    require(user, Right.EDIT_PORTS)
    given = parse_filings(text, source)
    with db.write() as connection:
        outbox.lock(connection)
        before: dict[str, PortEntry] = {}
        after: dict[str, PortEntry] = {}
        for line, written, filing in given:
            code = _registered(connection, written)
            if code not in before:
                entry = port_rows.find(connection, code)
                if entry is None:
                    raise AntispamError(
                        "{source}:{line}: unknown port {written!r}", source=source, line=line, written=written[:32]
                    )
                require_port(connection, user, code)
                before[code] = after[code] = entry
            kept = {(f.signature, f.carrier): f for f in after[code].filings} | {
                (filing.signature, filing.carrier): filing
            }
            after[code] = msgspec.structs.replace(after[code], filings=tuple(kept.values()))
            try:
                port_rows.check(after[code])
            except AntispamError as error:
                raise AntispamError("{source}:{line}: {error}", source=source, line=line, error=error) from None
        changed = [entry for code, entry in after.items() if entry != before[code]]
        if changed:
            port_rows.put(connection, changed, now)
            for entry in changed:
                shown = _for_audit(before[entry.code]), _for_audit(entry)
                audit.record(connection, now, user.name, "file", f"port/{entry.code}", *shown)
            port_rows.publish(connection, now, changed)
        return len(changed)


def suspend_port(db: Database, user: User, code: str, reason: str, evidence: str, now: int) -> bool:
    """Suspend an open port; returns whether its state changed. Evidence acts once; "" means no evidence."""
    return _change_state(db, user, "suspend", code, reason, evidence, now)


def resume_port(
    db: Database, user: User, code: str, reason: str, evidence: str, now: int, probation_days: int | None = None
) -> bool:
    """Resume a suspended port; returns whether its state changed.

    With `probation_days` it is on probation today and so many days more, by the clock of its zone; None: PROBATION_DAYS
    after an undertaking, otherwise none.
    """
    return _change_state(db, user, "resume", code, reason, evidence, now, probation_days)


def limit_port(db: Database, user: User, code: str, reason: str, days: int | None, now: int) -> bool:
    """Judge an open port by stricter limits today and so many days more (None: PROBATION_DAYS), or for longer."""
    return _change_state(db, user, "limit", code, reason, "", now, days)


def lift_limit(db: Database, user: User, code: str, reason: str, now: int) -> bool:
    """End the limit of a port before its day."""
    return _change_state(db, user, "lift", code, reason, "", now)


def record_undertaking(db: Database, user: User, code: str, undertaking: str, now: int) -> bool:
    """Record what the owner of a suspended port has undertaken; False if there is one, or the port is not suspended."""
    if not undertaking.strip():
        raise AntispamError("undertaking: what the port's owner has undertaken expected")
    return _change_state(db, user, "undertake", code, undertaking.strip(), "", now)


def terminate(db: Database, user: User, code: str, reason: str, evidence: str, now: int) -> bool:
    """Terminate a port permanently; returns whether its state changed."""
    return _change_state(db, user, "terminate", code, reason, evidence, now)


def suspend_enterprise(db: Database, user: User, code: str, reason: str, now: int) -> list[str]:
    """Suspend the open ports of an enterprise and of its customers, and theirs; returns the suspended ports.

    Ports that are registered later begin suspended.
    """
    require(user, Right.SUSPEND_PORTS)
    check_reason(reason)
    with db.write() as connection:
        outbox.lock(connection)
        found = _ports_of(connection, user, code, PortState.OPEN)
        enterprise_rows.suspend(connection, code, now)
        audit.record(connection, now, user.name, "suspend", f"enterprise/{code}", reason=reason)
        evidence = port_rows.evidence_of(code, now)
        for port in found:
            today = configurations.local_day(connection, port.code, now)
            port_rows.change_state(connection, now, user.name, "suspend", port.code, reason, today, evidence=evidence)
        return [port.code for port in found]


def resume_enterprise(db: Database, user: User, code: str, reason: str, now: int) -> list[str]:
    """Resume the ports that `suspend_enterprise` suspended last; returns them.

    A port that was suspended for another reason stays suspended, and so does one that another suspended enterprise
    stops: it is resumed with that one.
    """
    require(user, Right.SUSPEND_PORTS)
    check_reason(reason)
    deeds = schema.actions
    with db.write() as connection:
        outbox.lock(connection)
        found = []
        suspended = _ports_of(connection, user, code, PortState.SUSPENDED)
        enterprise_rows.suspend(connection, code, None)
        audit.record(connection, now, user.name, "resume", f"enterprise/{code}", reason=reason)
        stopped = enterprise_rows.stopped(connection)
        for port in suspended:
            last = connection.execute(
                select(deeds.c.evidence)
                .where(deeds.c.subject == port.code, deeds.c.kind == "suspend")
                .order_by(deeds.c.at.desc(), deeds.c.id.desc())
                .limit(1)
            ).scalar()
            if not (last or "").startswith(f"{port_rows.WITH_ENTERPRISE}{code}@"):
                continue
            still = stopped.get(port.enterprise)
            if still is None:
                today = configurations.local_day(connection, port.code, now)
                port_rows.change_state(connection, now, user.name, "resume", port.code, reason, today)
                found.append(port.code)
            else:
                evidence = port_rows.evidence_of(still, now)
                port_rows.note(connection, now, user.name, "suspend", port.code, "", evidence)
        return found


def add_list_entry(
    db: Database, user: User, name: str, value: str, reason: str, expires_at: int | None, now: int
) -> list_rows.Change | None:
    """Put a value on a list, or change its reason or expiry; returns None if nothing changed."""
    require(user, Right.EDIT_LISTS)
    item = list_rows.entry(name, value, reason, expires_at)
    with db.write() as connection:
        _require_list(connection, user, name, item.value)
        return list_rows.put(connection, now, user.name, item)


def remove_list_entry(db: Database, user: User, name: str, value: str, reason: str, now: int) -> bool:
    """Take a value off a list; returns False if it has no single entry (it may be in a list file)."""
    require(user, Right.EDIT_LISTS)
    check_reason(reason)
    with db.write() as connection:
        _require_list(connection, user, name, value)
        return list_rows.remove(connection, now, user.name, name, value, reason)


def undo_list_change(db: Database, user: User, change: list_rows.Change, now: int) -> bool:
    """Restore the entry from before a change; returns False if the value has changed since."""
    require(user, Right.EDIT_LISTS)
    with db.write() as connection:
        for item in (change.before, change.after):
            if item is not None:
                _require_list(connection, user, item.list, item.value)
        return list_rows.undo(connection, now, user.name, change)


def list_entries(
    db: Database, user: User, name: str, search: str = "", limit: int = 100, offset: int = 0
) -> Sequence[Row[tuple[object, ...]]]:
    """Rows of `schema.list_entries` of one list whose value begins with `search`, newest first.

    A user with a scope sees only entries that name a port in it, of the lists whose entries name one.
    """
    require(user, Right.EDIT_LISTS)
    table = schema.list_entries
    statement = select(table).where(table.c.list == name).order_by(table.c.added_at.desc(), table.c.value)
    within = ports_in_scope(user)
    if within is not None:
        if ENTITIES.get(name) != PORT_RECIPIENT:
            raise _holds_for_all(user, name)
        code = schema.ports.c.code
        names = func.substr(table.c.value, 1, func.length(code) + 1) == code + ":"
        statement = statement.where(exists().where(code.in_(within), names))
    if search:
        begins = (search, one_form(name, search) or search)  # the second finds a complete number in another spelling
        statement = statement.where(or_(*(table.c.value.startswith(text, autoescape=True) for text in begins)))
    with db.read() as connection:
        return connection.execute(statement.limit(limit).offset(offset)).all()


def publish_configuration(db: Database, user: User, kind: str, name: str, value: str, now: int) -> int:
    """Put a policy, dictionary, model, list file or the templates of a port in force; returns its epoch.

    If the value is in force already, nothing changes. Raises AntispamError with the parser's message for an invalid
    value.
    """
    _require_kind(user, kind, name)
    check([(kind, name, value)])
    with db.write() as connection:
        return put_in_force(connection, now, user.name, "publish", kind, name, value)


def rollback(db: Database, user: User, kind: str, name: str, now: int, version: str | None = None) -> int:
    """Put an earlier version in force again, by default the previous version; returns the epoch.

    A list file that was the first of its name is withdrawn. Raises AntispamError if there is no such version or it is
    no longer valid.
    """
    _require_kind(user, kind, name)
    with db.write() as connection:
        outbox.lock(connection)
        target = version or configurations.previous(connection, kind, name)
        if target is None and kind == LivingKind.LIST:
            return _withdraw(connection, now, user.name, "rollback", kind, name)
        if target is None:
            raise AntispamError("{kind} {name}: no version was in force before", kind=kind, name=name)
        value = configurations.value_of(connection, kind, name, target)
        if value is None:
            raise AntispamError("{kind} {name}: unknown version {target}", kind=kind, name=name, target=target)
        kept = living(kind, name)
        if kept is not None:
            policies.require(connection, kept, target, Deed.ROLLBACK)
        check([(kind, name, value)])  # a model's folder may be deleted, and an old policy may use removed signals
        return put_in_force(connection, now, user.name, "rollback", kind, name, value)


def withdraw(db: Database, user: User, kind: str, name: str, now: int) -> int:
    """Withdraw the version in force; its versions stay. Returns the epoch. Raises AntispamError if none is in force."""
    _require_kind(user, kind, name)
    with db.write() as connection:
        outbox.lock(connection)
        if kind == LivingKind.TEMPLATES:
            raise AntispamError("templates of a port are not withdrawn: put a version without templates in force")
        return _withdraw(connection, now, user.name, "withdraw", kind, name)


def versions(db: Database, kind: str, name: str) -> list[tuple[str, str, int, bool]]:
    """(version, author, created at, in force) of every version, newest first."""
    table = schema.configurations
    with db.read() as connection:
        current = configurations.in_force(connection, kind, name)
        rows = connection.execute(
            select(table.c.version, table.c.author, table.c.created_at)
            .where(table.c.kind == kind, table.c.name == name)
            .order_by(table.c.created_at.desc(), table.c.version)
        )
        return [(row.version, row.author, row.created_at, row.version == current) for row in rows]


def configuration(db: Database, kind: str, name: str, version: str | None = None) -> str | None:
    """The value of a version, by default of the version in force; None if there is no such version."""
    with db.read() as connection:
        if version is None:
            return configurations.text_in_force(connection, kind, name)
        return configurations.value_of(connection, kind, name, version)


def check(entries: Iterable[tuple[str, str, str]]) -> None:
    """Raises AntispamError for the first (kind, name, value) that cannot be put in force."""
    entries = list(entries)
    for kind, name, value in entries:
        if kind == LivingKind.TEMPLATES:
            parse_templates(value, name)
    published = [entry for entry in entries if entry[0] != LivingKind.TEMPLATES]
    changes = [ConfigChange(epoch=1, kind=kind, name=name, value=value) for kind, name, value in published]
    if changes:
        faults = ConfigEntries().apply(changes)
        if faults:
            raise AntispamError(faults[0])
    for change in changes:
        if change.kind == "port":
            port_rows.check(parse_port(change.value or "").entry)
        elif change.kind == "list":
            check_lists(change.value or "", change.name)  # stricter than a worker, which must accept old entries
        if "\0" in (change.value or ""):
            raise AntispamError("{kind}/{name}: holds NUL", kind=change.kind, name=change.name)


def put_in_force(connection: Connection, now: int, actor: str, action: str, kind: str, name: str, value: str) -> int:
    """Put a checked value in force, with its audit row and its publication; returns the epoch."""
    outbox.lock(connection)
    before, version = configurations.in_force(connection, kind, name), version_of(value)
    if before == version:
        return outbox.last_id(connection)
    audit.record(connection, now, actor, action, f"{kind}/{name}", {"version": before}, {"version": version})
    if kind == LivingKind.TEMPLATES:
        epoch = _put_templates(connection, now, name, value)
    else:
        epoch = outbox.publish_config(connection, now, configurations.changes_of(connection, kind, name, value))
    configurations.put_in_force(connection, kind, name, value, actor, epoch, now)
    return epoch


def with_templates(connection: Connection, code: str, value: str) -> PortEntry:
    """The port with these templates. Raises AntispamError for an unknown port and for what it cannot have."""
    entry = port_rows.find(connection, code)
    if entry is None:
        raise AntispamError("unknown port {code}", code=code)
    entry = msgspec.structs.replace(entry, templates=parse_templates(value, code).entries)
    port_rows.check(entry)
    return entry


def _put_templates(connection: Connection, now: int, code: str, value: str) -> int:
    """Give a port these templates; returns the epoch. Those it had without a version are kept as one."""
    entry = with_templates(connection, code, value)
    before = configurations.text_in_force(connection, LivingKind.TEMPLATES, code) or ""
    port_rows.put(connection, [entry], now)
    epoch = port_rows.publish(connection, now, [entry])
    if configurations.in_force(connection, LivingKind.TEMPLATES, code) is None:
        configurations.put_in_force(connection, LivingKind.TEMPLATES, code, before, audit.PIPELINE, epoch, now)
    return epoch


def _withdraw(connection: Connection, now: int, actor: str, action: str, kind: str, name: str) -> int:
    before = configurations.in_force(connection, kind, name)
    if before is None:
        raise AntispamError("{kind} {name}: none is in force", kind=kind, name=name)
    audit.record(connection, now, actor, action, f"{kind}/{name}", {"version": before}, {"version": None})
    configurations.withdraw(connection, kind, name)
    epoch = outbox.publish_config(connection, now, [(kind, name, None, None)])
    kept = living(kind, name)
    if kept is not None:
        policies.leave_force(connection, kept, name, actor, epoch, now)
    return epoch


def _change_state(
    db: Database, user: User, action: str, code: str, reason: str, evidence: str, now: int, days: int | None = None
) -> bool:
    require(user, Right.SUSPEND_PORTS)
    check_reason(reason)
    if len(evidence) > 256 or "\0" in evidence:
        raise AntispamError("evidence: at most 256 characters expected")
    with db.write() as connection:
        code = _registered(connection, code)
        entry = port_rows.find(connection, code)
        if entry is not None:
            require_port(connection, user, code)
        today = configurations.local_day(connection, code, now)
        return port_rows.change_state(
            connection, now, user.name, action, code, reason, today, evidence=evidence, days=days
        )


def _ports_of(connection: Connection, user: User, enterprise: str, state: PortState) -> list[Row[Any]]:
    """The ports in this state of an enterprise and its customers. Raises Forbidden if one is outside the scope."""
    parents = enterprise_rows.parents(connection)
    if enterprise not in parents:
        raise AntispamError("unknown enterprise {enterprise!r}", enterprise=enterprise)
    table = schema.ports
    owners = with_customers(parents, enterprise)
    rows = connection.execute(select(table).where(table.c.enterprise.in_(owners)).order_by(table.c.code)).all()
    if user.scope and not rows:
        raise Forbidden(
            "{person}: enterprise {enterprise} is outside the scope of this account",
            person=user.name,
            enterprise=enterprise,
        )
    for row in rows:
        require_port(connection, user, row.code)
    return [row for row in rows if row.state == state]


def _registered(connection: Connection, code: str) -> str:
    """The code in canonical form, unless an older version registered it in another form."""
    return code if port_rows.find(connection, code) else service_code(code) or code


def _require_kind(user: User, kind: str, name: str) -> None:
    configurations.check_name(kind, name)
    require(user, _RIGHTS[kind])
    if user.scope:
        raise Forbidden(
            "{person}: a {kind} holds for all ports, beyond the scope of this account", person=user.name, kind=kind
        )


def _require_list(connection: Connection, user: User, name: str, value: str) -> None:
    """Raises Forbidden for an entry outside the user's scope. Only entries of PORT_RECIPIENT lists name a port."""
    if not user.scope:
        return
    if ENTITIES.get(name) != PORT_RECIPIENT:
        raise _holds_for_all(user, name)
    require_port(connection, user, (one_form(name, value) or value).partition(":")[0])


def _holds_for_all(user: User, name: str) -> Forbidden:
    return Forbidden(
        "{person}: list {name} holds for all ports, beyond the scope of this account", person=user.name, name=name
    )


def check_reason(reason: str) -> None:
    """Raises AntispamError for a reason that is too long or holds NUL."""
    if len(reason) > MAX_REASON or "\0" in reason:
        raise AntispamError("a reason of at most {most} characters, none of them NUL, expected", most=MAX_REASON)


def _for_audit(entry: PortEntry | None) -> dict[str, object] | None:
    """The entry without its templates' texts, because the audit trail stores no texts."""
    if entry is None:
        return None
    shown: dict[str, object] = msgspec.to_builtins(entry)
    return shown | {"templates": [template.id for template in entry.templates]}
