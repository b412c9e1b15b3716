"""The operators' inbox of alerts: who takes one on, snoozes, notes or closes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from pipeline.actions.alerts import lifecycle
from pipeline.actions.alerts.alert_rows import change, standing, tell
from pipeline.actions.alerts.lifecycle import AlertState, Change, Standing
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import RIGHTS, Forbidden, Right, Role, User, ports_in_scope, require
from pipeline.store.database import Database

MAX_NOTE = 1000  # characters
MOST = 500  # alerts changed at once
SHOWN = ("waiting", "mine", "taken", "snoozed", "closed", "all")
_alerts = schema.alerts


@dataclass(frozen=True)
class AlertRow:
    """One alert; times are epoch ms. `at` is that of its first news, `values` are those in its message."""

    id: str
    state: str
    level: str
    rule: str
    about: str
    subject: str
    message: str
    values: dict[str, Any]
    at: int
    last_at: int
    times: int
    assigned_to: str | None
    snoozed_until: int | None
    escalated_at: int | None
    closed_at: int | None


@dataclass(frozen=True, slots=True)
class Deed:
    """What happened to an alert."""

    change: str
    actor: str
    note: str
    at: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a list shows; `show` is one of SHOWN, and empty fields match all."""

    show: str = "waiting"
    level: str = ""
    rule: str = ""
    subject: str = ""


_COLUMNS = [_alerts.c[each.name] for each in fields(AlertRow)]
_SEVERITY = case({level.value: n for n, level in enumerate(AlertLevel)}, value=_alerts.c.level)
_NO_ALERTS = Wanted()


def list_alerts(
    db: Database, user: User, now: int, wanted: Wanted = _NO_ALERTS, limit: int = 200, offset: int = 0
) -> tuple[list[AlertRow], int]:
    """Alerts in the user's scope and how many there are in all: escalated first, then the worst, then the newest."""
    require(user, Right.SEE_TRAFFIC)
    where = [*_in_scope(user), _shown(wanted.show, user, now)]
    where += [
        column == value
        for column, value in (
            (_alerts.c.level, wanted.level),
            (_alerts.c.rule, wanted.rule),
            (_alerts.c.subject, wanted.subject),
        )
        if value
    ]
    escalated = case((and_(_alerts.c.escalated_at.is_not(None), _alerts.c.state == "waiting"), 1), else_=0)
    closed = case((_alerts.c.state == "closed", 1), else_=0)
    order = (closed, escalated.desc(), _SEVERITY.desc(), _alerts.c.last_at.desc(), _alerts.c.id)
    with db.read() as connection:
        total = connection.scalar(select(func.count()).select_from(_alerts).where(*where)) or 0
        rows = connection.execute(select(*_COLUMNS).where(*where).order_by(*order).limit(limit).offset(offset))
        return [AlertRow(**row) for row in rows.mappings()], total


def find_alert(db: Database, user: User, ident: str) -> tuple[AlertRow, list[Deed]]:
    """An alert and its history, the oldest first. Raises AntispamError for an unknown one, Forbidden."""
    require(user, Right.SEE_TRAFFIC)
    t = schema.alert_changes
    with db.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(_alerts.c.id == ident)).mappings().first()
        if row is None:
            raise AntispamError("no alert {ident!r}", ident=ident)
        _require_scope(connection, user, [ident])
        history = select(t.c.change, t.c.actor, t.c.note, t.c.at).where(t.c.alert == ident).order_by(t.c.id)
        return AlertRow(**row), [Deed(*each) for each in connection.execute(history)]


def operators(db: Database, user: User) -> list[str]:
    """The active accounts that may take on alerts."""
    require(user, Right.ACKNOWLEDGE_ALERTS)
    t = schema.users
    roles = [role.value for role in Role if Right.ACKNOWLEDGE_ALERTS in RIGHTS[role]]
    with db.read() as connection:
        return list(connection.scalars(select(t.c.name).where(t.c.active, t.c.role.in_(roles)).order_by(t.c.name)))


def take(db: Database, user: User, ids: Sequence[str], now: int, person: str | None = None) -> None:
    """The user takes on these alerts, or gives them to another operator. Raises AntispamError, Forbidden."""
    require(user, Right.ACKNOWLEDGE_ALERTS)
    with db.write() as connection:
        if person is not None:
            _may_take(connection, person, ids)
        _change_all(connection, user, ids, now, "take", lambda s: lifecycle.take(s, person or user.name), person or "")


def give_back(db: Database, user: User, ids: Sequence[str], now: int) -> None:
    """These alerts wait for anybody again. Raises AntispamError, Forbidden."""
    require(user, Right.ACKNOWLEDGE_ALERTS)
    with db.write() as connection:
        _change_all(connection, user, ids, now, "give_back", lambda s: lifecycle.give_back(s, now))


def snooze(db: Database, user: User, ids: Sequence[str], until: int, now: int) -> None:
    """Hide these alerts until a time, or until they become worse. Raises AntispamError, Forbidden."""
    require(user, Right.ACKNOWLEDGE_ALERTS)
    with db.write() as connection:
        _change_all(connection, user, ids, now, "snooze", lambda s: lifecycle.snooze(s, until, now))


def close(db: Database, user: User, ids: Sequence[str], note: str, now: int) -> None:
    """Close these alerts; later news raises new ones. Raises AntispamError, Forbidden."""
    require(user, Right.ACKNOWLEDGE_ALERTS)
    with db.write() as connection:
        _change_all(connection, user, ids, now, "close", lambda s: lifecycle.close(s, now), _checked(note))


def reopen(db: Database, user: User, ids: Sequence[str], now: int) -> None:
    """These closed alerts wait again. Raises AntispamError if a new alert of the same thing is open, Forbidden."""
    require(user, Right.ACKNOWLEDGE_ALERTS)
    with db.write() as connection:
        outbox.lock(connection)
        same = select(_alerts.c.key).where(_alerts.c.id.in_(ids))
        newer = select(_alerts.c.id).where(
            _alerts.c.key.in_(same), _alerts.c.state != "closed", _alerts.c.id.not_in(ids)
        )
        if found := connection.scalar(newer.limit(1)):
            raise AntispamError("alert {found} is about the same, and open", found=found)
        _change_all(connection, user, ids, now, "reopen", lambda s: lifecycle.reopen(s, now))


def note(db: Database, user: User, ident: str, text: str, now: int) -> None:
    """Add a note to the history of an alert. Raises AntispamError, Forbidden."""
    require(user, Right.ACKNOWLEDGE_ALERTS)
    if not _checked(text):
        raise AntispamError("an empty note")
    with db.write() as connection:
        outbox.lock(connection)
        _locked(connection, user, [ident])
        tell(connection, ident, Change.NOTED, user.name, now, _checked(text))
        audit.record(connection, now, user.name, "alert.note", f"alert/{ident}")


def _change_all(
    connection: Connection,
    user: User,
    ids: Sequence[str],
    now: int,
    action: str,
    step: Callable[[Standing], tuple[Standing, Change]],
    said: str = "",
) -> None:
    """Change all of these alerts, or none."""
    outbox.lock(connection)
    for row in _locked(connection, user, ids):
        before = standing(row)
        after, what = step(before)
        change(connection, row.id, after, what, user.name, now, said)
        states = ({"state": before.state.value}, {"state": after.state.value})
        audit.record(connection, now, user.name, f"alert.{action}", f"alert/{row.id}", *states)


def _locked(connection: Connection, user: User, ids: Sequence[str]) -> Sequence[Any]:
    if not 0 < len(ids) <= MOST:
        raise AntispamError("1 to {most} alerts at once, not {number}", most=MOST, number=len(ids))
    chosen = select(_alerts).where(_alerts.c.id.in_(ids)).order_by(_alerts.c.id).with_for_update()
    rows = connection.execute(chosen).all()
    if missing := set(ids) - {row.id for row in rows}:
        raise AntispamError("no alert {ident!r}", ident=min(missing))
    _require_scope(connection, user, ids)
    return rows


def _require_scope(connection: Connection, user: User, ids: Sequence[str]) -> None:
    mine = set(connection.scalars(select(_alerts.c.id).where(_alerts.c.id.in_(ids), *_in_scope(user))))
    if set(ids) - mine:
        raise Forbidden("{person}: an alert is outside the scope of this account", person=user.name)


def _in_scope(user: User) -> list[ColumnElement[bool]]:
    within = ports_in_scope(user)
    return [] if within is None else [and_(_alerts.c.about == "port", _alerts.c.subject.in_(within))]


def _shown(show: str, user: User, now: int) -> ColumnElement[bool]:
    if show not in SHOWN:
        raise AntispamError("alerts: one of {known} expected", known=", ".join(SHOWN))
    t = _alerts.c
    awake = or_(t.snoozed_until.is_(None), t.snoozed_until <= now)
    found: dict[str, ColumnElement[bool]] = {
        "waiting": and_(t.state == AlertState.WAITING.value, awake),
        "mine": and_(t.state == AlertState.TAKEN.value, t.assigned_to == user.name),
        "taken": t.state == AlertState.TAKEN.value,
        "snoozed": and_(t.state != AlertState.CLOSED.value, t.snoozed_until > now),
        "closed": t.state == AlertState.CLOSED.value,
        "all": t.state.is_not(None),
    }
    return found[show]


def _may_take(connection: Connection, name: str, ids: Sequence[str]) -> None:
    t = schema.users
    row = connection.execute(select(t).where(t.c.name == name, t.c.active)).first()
    if row is None or Right.ACKNOWLEDGE_ALERTS not in RIGHTS[Role(row.role)]:
        raise AntispamError("{name!r} is no active operator", name=name)
    _require_scope(connection, User(row.name, Role(row.role), row.scope), ids)


def _checked(text: str) -> str:
    if len(text) > MAX_NOTE or "\0" in text:
        raise AntispamError("note: at most {most} characters of text", most=MAX_NOTE)
    return text.strip()
