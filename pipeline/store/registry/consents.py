"""Consents in the database: an append-only history, and its publication in shards.

A row is proof and is never changed. Who was asked once by an enterprise, through any of its ports, and did not agree
must not be asked again: no answer is a refusal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Row, and_, case, false, func, literal, select

from pipeline.rules.consents import (
    AGREED,
    Consent,
    ConsentKind,
    Entry,
    enterprise_scope,
    port_scope,
    shard_of,
    shard_text,
)
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require, require_port
from pipeline.store.database import Database, upsert

_table = schema.consents
_CHUNK = 300  # keys in one statement
_PORT = port_scope("")

_History = dict[tuple[str, str], list[tuple[int, ConsentKind]]]


def record(db: Database, user: User, consents: Sequence[Consent], now: int) -> list[str | None]:
    """Record consents without publishing them: `publish` does so once for many. Returns the fault of each, or None.

    A known entry is no fault. Raises Forbidden for a port outside the user's scope.
    """
    require(user, Right.EDIT_LISTS)
    with db.write() as connection:
        outbox.lock(connection)
        _require_scopes(connection, user, consents)
        return put(connection, now, user.name, consents)


def check(db: Database, user: User, consents: Sequence[Consent]) -> list[str | None]:
    """What `record` would answer, without recording anything."""
    require(user, Right.EDIT_LISTS)
    with db.read() as connection:
        _require_scopes(connection, user, consents)
        return _faults(connection, consents)


def record_for_port(db: Database, port: str, consents: Sequence[Consent], now: int) -> list[str | None]:
    """Record consents that the key of a port brought, and publish them. Returns the fault of each, or None."""
    with db.write() as connection:
        outbox.lock(connection)
        faults = put(connection, now, f"port/{port}", consents)
        recorded = {shard_of(c.number) for c, fault in zip(consents, faults, strict=True) if fault is None}
        if recorded:
            publish_shards(connection, now, sorted(recorded))
        return faults


def publish(db: Database, shards: Iterable[int], now: int) -> int:
    """Publish these shards as they are recorded; returns the last epoch."""
    wanted = sorted(set(shards))
    for i in range(0, len(wanted), _CHUNK):
        with db.write() as connection:
            outbox.lock(connection)
            publish_shards(connection, now, wanted[i : i + _CHUNK])
    with db.read() as connection:
        return outbox.last_id(connection)


def history(db: Database, user: User, number: str) -> Sequence[Row[tuple[object, ...]]]:
    """Rows of `schema.consents` of one number, oldest first: the proof."""
    require(user, Right.EDIT_LISTS)
    if user.scope:
        raise Forbidden(
            "{person}: the consents of a number are of all ports, beyond the scope of this account", person=user.name
        )
    with db.read() as connection:
        return connection.execute(
            select(_table).where(_table.c.number == number).order_by(_table.c.given_at, _table.c.scope)
        ).all()


def counts(
    db: Database, user: User, now: int, beginning: str = "", limit: int = 100, offset: int = 0
) -> Sequence[Row[tuple[object, ...]]]:
    """(scope, agreed, ended, refused, asked, recorded_at) of scopes that begin so, ordered by scope.

    Each recipient is counted once in a scope, by the last answer; `ended` are agreements past their end at `now`
    (epoch ms), `asked` those who never answered. `recorded_at` is when the newest entry was recorded. A user with a
    scope sees the ports in it.
    """
    require(user, Right.EDIT_LISTS)
    named = select(_table.c.scope).distinct().order_by(_table.c.scope).limit(limit).offset(offset)
    if beginning:
        named = named.where(_table.c.scope.startswith(beginning, autoescape=True))
    within = ports_in_scope(user)
    if within is not None:
        ports = within.subquery()
        named = named.where(_table.c.scope.in_(select(literal(_PORT).concat(ports.c.code))))
    answered, refused = _table.c.kind != ConsentKind.ASKED, _table.c.kind == ConsentKind.REFUSED
    order = func.row_number().over(
        partition_by=(_table.c.scope, _table.c.number),
        order_by=(case((answered, 0), else_=1), _table.c.given_at.desc(), case((refused, 0), else_=1)),
    )
    columns = (_table.c.scope, _table.c.kind, _table.c.until, _table.c.recorded_at, order.label("place"))

    def number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((and_(last.c.place == 1, condition), 1), else_=0))

    with db.read() as connection:
        scopes = connection.scalars(named).all()
        last = select(*columns).where(_table.c.scope.in_(scopes)).subquery()
        agreed = last.c.kind.in_(AGREED)
        over = func.coalesce(last.c.until <= now, false())
        return connection.execute(
            select(
                last.c.scope,
                number_of(and_(agreed, ~over)).label("agreed"),
                number_of(and_(agreed, over)).label("ended"),
                number_of(last.c.kind == ConsentKind.REFUSED).label("refused"),
                number_of(last.c.kind == ConsentKind.ASKED).label("asked"),
                func.max(last.c.recorded_at).label("recorded_at"),
            )
            .group_by(last.c.scope)
            .order_by(last.c.scope)
        ).all()


def put(connection: Connection, now: int, actor: str, consents: Sequence[Consent]) -> list[str | None]:
    """Insert entries inside the caller's transaction, audited without numbers. Returns the fault of each, or None."""
    faults = _faults(connection, consents)
    rows = [_row(consent, actor, now) for consent, fault in zip(consents, faults, strict=True) if fault is None]
    if rows:
        connection.execute(upsert(connection, _table).on_conflict_do_nothing(), rows)
        kinds = Counter(f"{row['scope']} {row['kind']}" for row in rows)
        audit.record(connection, now, actor, "record", "consents", None, dict(sorted(kinds.items())))
    return faults


def publish_shards(connection: Connection, now: int, shards: Sequence[int]) -> int:
    """Publish these shards inside the caller's transaction, as one epoch, which is returned."""
    return outbox.publish_config(
        connection, now, [("consent", name, value, None) for name, value in texts(connection, shards)]
    )


def texts(connection: Connection, shards: Sequence[int] | None = None) -> Iterator[tuple[str, str]]:
    """(name, value) on the config topic of these shards, by default of all. Reads a part of the table at a time."""
    wanted = sorted(connection.scalars(select(_table.c.shard).distinct())) if shards is None else shards
    columns = (_table.c.shard, _table.c.scope, _table.c.number, _table.c.given_at, _table.c.kind, _table.c.until)
    for i in range(0, len(wanted), _CHUNK):
        part = wanted[i : i + _CHUNK]
        found: dict[int, list[Entry]] = {shard: [] for shard in part}
        for shard, *entry in connection.execute(select(*columns).where(_table.c.shard.in_(part))):
            found[shard].append(tuple(entry))
        for shard, entries in found.items():
            yield f"{shard:04}", shard_text(entries)


def _require_scopes(connection: Connection, user: User, consents: Sequence[Consent]) -> None:
    """Raises Forbidden for a scope outside the user's; an enterprise is outside every scope of a user."""
    for scope in sorted({consent.scope for consent in consents}) if user.scope else ():
        if not scope.startswith(_PORT):
            raise Forbidden(
                "{person}: consents of an enterprise are beyond the scope of this account", person=user.name
            )
        require_port(connection, user, scope.removeprefix(_PORT))


def _faults(connection: Connection, consents: Sequence[Consent]) -> list[str | None]:
    unknown = _unknown(connection, {consent.scope for consent in consents})
    askers = _askers(connection, {consent.scope for consent in consents if consent.kind is ConsentKind.ASKED})
    before = _history(connection, {c.number for c in consents if c.kind is ConsentKind.ASKED}, askers)
    faults: list[str | None] = []
    for consent in consents:
        asker = askers.get(consent.scope, consent.scope)
        fault = unknown.get(consent.scope) or _fault(before.get((asker, consent.number), []), consent)
        faults.append(fault)
        if fault is None:
            before.setdefault((asker, consent.number), []).append((consent.given_at, consent.kind))
    return faults


def _unknown(connection: Connection, scopes: set[str]) -> dict[str, str]:
    """A fault for each scope that is no registered port and no known enterprise."""
    known: set[str] = set()
    for table, column in ((schema.ports, schema.ports.c.code), (schema.enterprises, schema.enterprises.c.id)):
        scope_of = port_scope if table is schema.ports else enterprise_scope
        codes = [scope.partition("/")[2] for scope in scopes]
        for i in range(0, len(codes), _CHUNK):
            found = connection.scalars(select(column).where(column.in_(codes[i : i + _CHUNK])))
            known.update(scope_of(code) for code in found)
    return {scope: f"{scope.replace('/', ' ', 1)} is not registered" for scope in scopes - known}


def _askers(connection: Connection, asked: set[str]) -> dict[str, str]:
    """Scope -> who asks: the enterprise's scope for it and for all its ports, or the scope of a port without one."""
    table = schema.ports
    codes = [scope.removeprefix(_PORT) for scope in asked if scope.startswith(_PORT)]
    owners = {scope.partition("/")[2] for scope in asked if not scope.startswith(_PORT)}
    for i in range(0, len(codes), _CHUNK):
        owners.update(connection.scalars(select(table.c.enterprise).where(table.c.code.in_(codes[i : i + _CHUNK]))))
    known = sorted(owner for owner in owners if owner)
    found = {enterprise_scope(owner): enterprise_scope(owner) for owner in known}
    for i in range(0, len(known), _CHUNK):
        ports = select(table.c.code, table.c.enterprise).where(table.c.enterprise.in_(known[i : i + _CHUNK]))
        found |= {port_scope(row.code): enterprise_scope(row.enterprise) for row in connection.execute(ports)}
    return {scope: scope for scope in asked} | found


def _history(connection: Connection, numbers: set[str], askers: Mapping[str, str]) -> _History:
    """The entries of these numbers by asker and number."""
    found: _History = {}
    wanted = sorted(numbers)
    columns = (_table.c.scope, _table.c.number, _table.c.given_at, _table.c.kind)
    for i in range(0, len(wanted), _CHUNK):
        within = and_(_table.c.scope.in_(askers), _table.c.number.in_(wanted[i : i + _CHUNK]))
        for scope, number, at, kind in connection.execute(select(*columns).where(within)):
            found.setdefault((askers[scope], number), []).append((at, ConsentKind(kind)))
    return found


def _fault(before: list[tuple[int, ConsentKind]], consent: Consent) -> str | None:
    if consent.kind is not ConsentKind.ASKED:
        return None
    earlier = max((entry for entry in before if entry[0] < consent.given_at), default=None)
    if earlier is None or earlier[1] in AGREED:
        return None
    day = datetime.fromtimestamp(earlier[0] / 1000, UTC).date()
    what = "refused" if earlier[1] is ConsentKind.REFUSED else "was asked and did not agree"
    return f"the recipient {what} on {day}: a second request is not allowed"


def _row(consent: Consent, actor: str, now: int) -> dict[str, object]:
    return {
        "scope": consent.scope,
        "number": consent.number,
        "given_at": consent.given_at,
        "kind": consent.kind.value,
        "source": consent.source,
        "until": consent.until,
        "shard": shard_of(consent.number),
        "recorded_by": actor,
        "recorded_at": now,
    }
