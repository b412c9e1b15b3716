"""Ports in the database, from which their entries on the config topic are made.

These functions work inside the caller's transaction. Changes by people go through `store/registry/registry.py`, which
checks their rights. Automatic changes call these functions with `audit.PIPELINE` as the actor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, Table, delete, insert, or_, select, update

from pipeline.errors import AntispamError
from pipeline.events import Kind, PortState, Tier
from pipeline.rules.conduct.port_lifecycle import Standing, Step, possible, taken
from pipeline.rules.filings import Filing, check_filings
from pipeline.rules.ports import Port, PortEntry, TemplateEntry
from pipeline.store import audit, outbox, schema
from pipeline.store.callback_queue import enqueue
from pipeline.store.database import upsert
from pipeline.store.registry import enterprises
from pipeline.text.wording.unsubscribe import LONGEST

NONE: Mapping[str, Any] = MappingProxyType({})
WITH_ENTERPRISE = "enterprise/"  # begins the evidence of a suspension with an enterprise
_INT4 = 2**31
LONGEST_EXTENSION = 18  # digits; a code and its extension have up to 21


def check(entry: PortEntry) -> None:
    """Raises AntispamError for an entry that a worker would refuse or the tables cannot store."""
    faults = Port(entry).faults
    if faults:
        raise AntispamError("port {code}: {faults}", code=entry.code, faults=faults[0])
    for what, value, limit in (
        ("enterprise", entry.enterprise, 64),
        ("channel", entry.channel, 32),
        *(("signature", signature, 64) for signature in entry.signatures),
        ("zone", entry.zone, 64),
        *(("unsubscribe", word, LONGEST) for word in entry.unsubscribe),
        *(("template id", template.id, 128) for template in entry.templates),
    ):
        if len(value) > limit or "\0" in value:
            raise AntispamError(
                "port {code}: {what} {value!r}: at most {limit} characters, none of them NUL",
                code=entry.code,
                what=what,
                value=value[:20],
                limit=limit,
            )
    if "\0" in entry.name or any("\0" in template.text for template in entry.templates):
        raise AntispamError("port {code}: a text holds NUL", code=entry.code)
    for extension in entry.extensions:
        if not (extension.isascii() and extension.isdigit() and len(extension) <= LONGEST_EXTENSION):
            raise AntispamError(
                "port {code}: extension {extension!r}: 1 to {longest} digits expected",
                code=entry.code,
                extension=extension[:24],
                longest=LONGEST_EXTENSION,
            )
    if entry.volume_5m is not None and not 0 <= entry.volume_5m < _INT4:
        raise AntispamError(
            "port {code}: volume_5m {volume_5m}: 0 to {most} expected",
            code=entry.code,
            volume_5m=entry.volume_5m,
            most=_INT4 - 1,
        )
    if entry.carrier_signs and not entry.signatures:
        raise AntispamError(
            "port {code}: carrier_signs: no signature is registered that could be inserted", code=entry.code
        )
    if len(set(entry.signatures)) < len(entry.signatures):
        raise AntispamError("port {code}: duplicate signature", code=entry.code)
    try:
        check_filings(entry.filings, entry.signatures)
    except AntispamError as error:
        raise AntispamError("port {code}: {error}", code=entry.code, error=error) from None
    if len({template.id for template in entry.templates}) < len(entry.templates):
        raise AntispamError("port {code}: duplicate template id", code=entry.code)


def find(connection: Connection, code: str) -> PortEntry | None:
    """The port with this code, or None."""
    return next(iter(load(connection, select(schema.ports).where(schema.ports.c.code == code))), None)


def search(connection: Connection, text: str, limit: int, offset: int, within: Select[str] | None) -> list[PortEntry]:
    """Ports, ordered by code, whose code begins with `text` or whose name or enterprise contains it.

    `within` limits them to the codes of a SELECT.
    """
    table = schema.ports
    statement = select(table).order_by(table.c.code).limit(limit).offset(offset)
    if text:
        statement = statement.where(
            or_(
                table.c.code.startswith(text, autoescape=True),
                table.c.name.contains(text, autoescape=True),
                table.c.enterprise.contains(text, autoescape=True),
            )
        )
    return load(connection, statement if within is None else statement.where(table.c.code.in_(within)))


def load(connection: Connection, statement: Select[tuple[object, ...]] | None = None) -> list[PortEntry]:
    """The ports of this SELECT of `schema.ports` (by default all ports), with signatures and templates."""
    rows = connection.execute(select(schema.ports) if statement is None else statement).all()
    some = None if statement is None else [row.code for row in rows]
    signatures: defaultdict[str, list[str]] = defaultdict(list)
    for row in _parts(connection, schema.signatures, some):
        signatures[row.port].append(row.signature)
    templates: defaultdict[str, list[TemplateEntry]] = defaultdict(list)
    for row in _parts(connection, schema.templates, some):
        templates[row.port].append(TemplateEntry(row.id, row.text, Kind(row.kind)))
    filings: defaultdict[str, list[Filing]] = defaultdict(list)
    for row in _parts(connection, schema.filings, some):
        filings[row.port].append(msgspec.convert(row, Filing, from_attributes=True))
    return [
        PortEntry(
            code=row.code,
            name=row.name,
            enterprise=row.enterprise or "",
            tier=Tier(row.tier),
            state=PortState(row.state),
            kind=Kind(row.kind),
            signatures=tuple(signatures[row.code]),
            channel=row.channel,
            volume_5m=row.volume_5m,
            templates=tuple(templates[row.code]),
            unsubscribe=tuple(row.unsubscribe),
            zone=row.zone,
            extensions=tuple(row.extensions),
            probation_until=row.probation_until,
            filings=tuple(filings[row.code]),
            carrier_signs=row.carrier_signs,
        )
        for row in rows
    ]


def put(connection: Connection, entries: Sequence[PortEntry], now: int) -> None:
    """Insert these ports or replace the stored ones. Neither audits nor publishes."""
    if not entries:
        return
    enterprises = [{"id": name, "name": name, "created_at": now} for name in {e.enterprise for e in entries} if name]
    if enterprises:
        connection.execute(upsert(connection, schema.enterprises).on_conflict_do_nothing(), enterprises)
    statement = upsert(connection, schema.ports)
    kept = {"code", "opened_at", "undertaken_at"}
    changed = {column.name: statement.excluded[column.name] for column in schema.ports.c if column.name not in kept}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["code"], set_=changed),
        [
            {
                "code": e.code,
                "enterprise": e.enterprise or None,
                "name": e.name,
                "tier": e.tier.value,
                "kind": e.kind.value,
                "state": e.state.value,
                "channel": e.channel,
                "volume_5m": e.volume_5m,
                "unsubscribe": list(e.unsubscribe),
                "zone": e.zone,
                "extensions": list(e.extensions),
                "probation_until": e.probation_until,
                "carrier_signs": e.carrier_signs,
                "opened_at": now,
                "changed_at": now,
            }
            for e in entries
        ],
    )
    for part in (entries[i : i + 500] for i in range(0, len(entries), 500)):
        codes = [entry.code for entry in part]
        connection.execute(delete(schema.signatures).where(schema.signatures.c.port.in_(codes)))
        connection.execute(delete(schema.templates).where(schema.templates.c.port.in_(codes)))
        connection.execute(delete(schema.filings).where(schema.filings.c.port.in_(codes)))
    signatures = [
        {"port": e.code, "signature": signature, "place": place}
        for e in entries
        for place, signature in enumerate(e.signatures)
    ]
    if signatures:
        connection.execute(insert(schema.signatures), signatures)
    filings = [
        {"port": e.code, **msgspec.to_builtins(filing), "place": place}
        for e in entries
        for place, filing in enumerate(e.filings)
    ]
    if filings:
        connection.execute(insert(schema.filings), filings)
    templates = [
        {"port": e.code, "id": t.id, "text": t.text, "kind": t.kind.value, "place": place}
        for e in entries
        for place, t in enumerate(e.templates)
    ]
    if templates:
        connection.execute(insert(schema.templates), templates)


def change_state(
    connection: Connection,
    now: int,
    actor: str,
    action: str,
    code: str,
    reason: str,
    today: date,
    rule: str = "",
    evidence: str = "",
    days: int | None = None,
    values: Mapping[str, Any] = NONE,
) -> bool:
    """Take a step in the life of a port (`rules/conduct/port_lifecycle.py`); returns whether it was possible.

    `today` is the day in the port's zone; `days` are those of a limit or probation. `values` are those in the sentence
    `reason` of a rule. One piece of evidence (a decision's
    id, a case) acts once: repeated evidence changes nothing, even after the port was resumed. The owner of the port is
    told by callback. Raises AntispamError for an unknown port, for too many days, and for a terminated port that should
    be open again.
    """
    step, table = Step(action), schema.ports
    outbox.lock(connection)
    if evidence and not note(connection, now, actor, action, code, rule, evidence, reason, values):
        return False
    row = connection.execute(select(table).where(table.c.code == code)).first()
    if row is None:
        raise AntispamError("unknown port {code}", code=code)
    before = standing(row)
    back = step in (Step.RESUME, Step.LIFT) and before.state is PortState.TERMINATED
    if not possible(before, step, today) and not back:
        return False
    try:
        after = taken(before, step, today, days)
    except AntispamError as error:
        raise AntispamError("port {code}: {error}", code=code, error=error) from None
    changed = connection.execute(
        update(table)
        .where(table.c.code == code, table.c.state == before.state, table.c.probation_until == row.probation_until)
        .values(
            state=after.state,
            probation_until=after.limited_until.isoformat() if after.limited_until else "",
            undertaken_at=(row.undertaken_at or now) if after.undertaken else None,
            changed_at=now,
        )
    )
    if changed.rowcount == 0:
        return False
    if not evidence:
        note(connection, now, actor, action, code, rule, "", reason, values)
    shown = _shown(after) | {"rule": rule, "evidence": evidence}
    audit.record(connection, now, actor, action, f"port/{code}", _shown(before), shown, reason)
    entries = load(connection, select(table).where(table.c.code == code))
    publish(connection, now, entries)
    told = {
        "event": "port",
        "port": code,
        "step": step.value,
        "state": after.life(today).value,
        "limited_until": after.limited_until.isoformat() if after.limited_until else None,
        "rule": rule,
        "at": now,
    }
    enqueue(connection, code, told, now)
    return True


def set_tier(connection: Connection, now: int, actor: str, code: str, before: Tier, tier: Tier, reason: str) -> bool:
    """Give a port of tier `before` another one; audits, publishes and tells its owner. False if it has another tier."""
    table = schema.ports
    outbox.lock(connection)
    changed = update(table).where(table.c.code == code, table.c.tier == before).values(tier=tier, changed_at=now)
    if connection.execute(changed).rowcount == 0:
        return False
    note(connection, now, actor, "tier", code, "", "", reason)
    audit.record(connection, now, actor, "tier", f"port/{code}", {"tier": before.value}, {"tier": tier.value}, reason)
    publish(connection, now, load(connection, select(table).where(table.c.code == code)))
    told = {"event": "port", "port": code, "step": "tier", "tier": tier.value, "at": now}
    enqueue(connection, code, told, now)
    return True


def standing(row: Row[Any]) -> Standing:
    """Where the port of a row of `schema.ports` stands."""
    until = date.fromisoformat(row.probation_until) if row.probation_until else None
    return Standing(PortState(row.state), until, row.undertaken_at is not None)


def _shown(standing: Standing) -> dict[str, object]:
    """A standing as the audit trail shows it."""
    shown: dict[str, object] = {"state": standing.state.value}
    if standing.limited_until is not None:
        shown["probation_until"] = standing.limited_until.isoformat()
    return shown | ({"undertaken": True} if standing.undertaken else {})


def note(
    connection: Connection, now: int, actor: str, action: str, code: str, rule: str, evidence: str,
    reason: str = "", values: Mapping[str, Any] = NONE,
) -> bool:  # fmt: skip
    """Record an action on a port; returns False if this evidence has acted before.

    `reason` is a person's, or the sentence of the rule with `values`, in the default language.
    """
    noted = connection.execute(
        upsert(connection, schema.actions).on_conflict_do_nothing().returning(schema.actions.c.id),
        {
            "kind": action,
            "subject": code,
            "rule": rule,
            "evidence": evidence,
            "actor": actor,
            "at": now,
            "reason": reason,
            "values": dict(values),
        },
    )
    return noted.first() is not None


def evidence_of(enterprise: str, now: int) -> str:
    """The evidence of a suspension with an enterprise. Evidence acts once, so each suspension has its own."""
    return f"{WITH_ENTERPRISE}{enterprise}@{now}"


def begin(connection: Connection, now: int, actor: str, entries: Iterable[PortEntry]) -> list[PortEntry]:
    """New ports, or ports that come to another enterprise, as they are to be stored.

    An open port of an enterprise that is suspended, itself or with its reseller, becomes suspended with it.
    """
    stopped, found = enterprises.stopped(connection), []
    for entry in entries:
        by = stopped.get(entry.enterprise)
        if by is None or entry.state is not PortState.OPEN:
            found.append(entry)
        else:
            note(connection, now, actor, "suspend", entry.code, "", evidence_of(by, now))
            found.append(msgspec.structs.replace(entry, state=PortState.SUSPENDED))
    return found


def publish(connection: Connection, now: int, entries: Iterable[PortEntry]) -> int:
    """Add these ports' entries to the outbox; returns the epoch."""
    return outbox.publish_config(connection, now, [("port", entry.code, text(entry), None) for entry in entries])


def text(entry: PortEntry) -> str:
    """The port's value on the config topic: canonical JSON."""
    return msgspec.json.encode(entry, order="deterministic").decode()


def _parts(connection: Connection, table: Table, codes: list[str] | None) -> Iterable[Row[tuple[object, ...]]]:
    statement = select(table).order_by(table.c.port, table.c.place)
    if codes is None:
        return connection.execute(statement)
    return [
        row
        for i in range(0, len(codes), 500)
        for row in connection.execute(statement.where(table.c.port.in_(codes[i : i + 500])))
    ]
