"""Traces that people start and read: for at most an hour and 2,000 frames, with the right, a reason and an audit row.

Frames are stored with numbers and texts and shown without. Who also has the right to see full texts gives another
reason; the audit row is committed before the frames are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, literal, select, update

from pipeline.actions.tracing.recorder import Noted, Recorder
from pipeline.actions.tracing.redaction import hidden, redacted
from pipeline.actions.tracing.subject import Subject, Trace
from pipeline.durations import DAY_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database
from pipeline.store.sender_port import port_of
from pipeline.text.numbers import masked, number

LOOK = 1.0  # seconds between looks of a process for traces, and between its writes of frames
MOST_MINUTES = 60
MOST_FRAMES = 2_000  # of one trace
MOST_RUNNING = 10
_traces, _frames = schema.traces, schema.trace_frames


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A trace as people see it: `value` without the middle of a number, `frames` is how many it has. Epoch ms."""

    id: int
    subject: Subject
    value: str
    reason: str
    started_by: str
    started_at: int
    until: int
    frames: int


def start(db: Database, user: User, subject: Subject, value: str, minutes: int, reason: str, now: int) -> int:
    """Note the frames of a channel, port or number from now on; returns the trace's id.

    A port may have an extension. Raises Forbidden, and AntispamError for a value that is none, an unregistered port, a
    time over an hour, and while ten traces run.
    """
    require(user, Right.CONTROL_CHANNELS)
    reason = audit.checked_reason(reason)
    if not 1 <= minutes <= MOST_MINUTES:
        raise AntispamError("a trace runs 1 to {most} minutes", most=MOST_MINUTES)
    wanted = number(value) if subject is Subject.NUMBER else value.strip()
    if not wanted or len(wanted) > 32 or (subject is Subject.PORT and not wanted.isdecimal()):
        raise AntispamError("{value!r} is no {subject}", value=value, subject=subject)
    with db.write() as connection:
        outbox.lock(connection)  # the second of two concurrent starts must count the first one's trace
        if subject is Subject.PORT and connection.scalar(select(port_of(literal(wanted)))) is None:
            raise AntispamError("{wanted} does not begin with the code of a registered port", wanted=wanted)
        running = select(func.count()).select_from(_traces).where(_traces.c.until > now)
        if (connection.scalar(running) or 0) >= MOST_RUNNING:
            raise AntispamError("{most} traces run; stop one first", most=MOST_RUNNING)
        audit.record(
            connection,
            now,
            user.name,
            "trace.start",
            f"{subject}/{_shown(subject, wanted)}",
            after={"minutes": minutes},
            reason=reason,
        )
        row = {"subject": subject.value, "value": wanted, "reason": reason, "started_by": user.name, "started_at": now}
        made = insert(_traces).values(**row, until=now + minutes * MINUTE_MS).returning(_traces.c.id)
        return int(connection.execute(made).scalar_one())


def stop(db: Database, user: User, trace: int, now: int) -> bool:
    """End a trace at once; False if it does not run."""
    require(user, Right.CONTROL_CHANNELS)
    with db.write() as connection:
        ended = update(_traces).where(_traces.c.id == trace, _traces.c.until > now).values(until=now)
        if not connection.execute(ended).rowcount:
            return False
        audit.record(connection, now, user.name, "trace.stop", f"trace/{trace}")
        return True


def traces(db: Database, user: User) -> list[Listed]:
    """The newest 200 traces, the newest first. Raises Forbidden."""
    require(user, Right.CONTROL_CHANNELS)
    frames = select(func.count()).where(_frames.c.trace == _traces.c.id).scalar_subquery().label("frames")
    with db.read() as connection:
        rows = connection.execute(select(_traces, frames).order_by(_traces.c.id.desc()).limit(200)).all()
    return [
        Listed(
            id=row.id,
            subject=Subject(row.subject),
            value=_shown(row.subject, row.value),
            reason=row.reason,
            started_by=row.started_by,
            started_at=row.started_at,
            until=row.until,
            frames=row.frames,
        )
        for row in rows
    ]


def frames(db: Database, user: User, trace: int) -> list[Noted]:
    """The frames of a trace in their order, without numbers and texts. Raises Forbidden."""
    require(user, Right.CONTROL_CHANNELS)
    with db.read() as connection:
        return [_noted(row, redacted(row.body)) for row in _of(connection, trace)]


def full_frames(db: Database, user: User, trace: int, reason: str, now: int) -> list[Noted]:
    """The frames with numbers and texts. Raises Forbidden without both rights, and AntispamError without a reason."""
    require(user, Right.CONTROL_CHANNELS)
    require(user, Right.SEE_FULL_TEXT)
    reason = audit.checked_reason(reason)
    with db.write() as connection:
        audit.record(connection, now, user.name, "reveal", f"trace/{trace}", reason=reason)
        return [_noted(row, row.body) for row in _of(connection, trace)]


def running(db: Database, now: int) -> list[Trace]:
    """The traces that are on, for a process. Raises AntispamError if the database does not answer."""
    with db.read() as connection:
        rows = connection.execute(select(_traces).where(_traces.c.until > now, _traces.c.started_at > now - DAY_MS))
        return [Trace(row.id, Subject(row.subject), row.value, row.until) for row in rows]


def store(db: Database, noted: Sequence[Noted]) -> None:
    """Store frames, as many as each trace still has room for; a full trace ends. Raises AntispamError."""
    with db.write() as connection:
        for trace in sorted({each.trace for each in noted}):
            had = connection.scalar(select(func.count()).select_from(_frames).where(_frames.c.trace == trace)) or 0
            new = [each for each in noted if each.trace == trace][: max(0, MOST_FRAMES - had)]
            if not new:
                continue
            connection.execute(insert(_frames), [_row(each) for each in new])
            if had + len(new) >= MOST_FRAMES:
                connection.execute(update(_traces).where(_traces.c.id == trace).values(until=new[-1].at))


def exchange(db: Database, recorder: Recorder, now: int) -> None:
    """Store what a process has noted, and tell its recorder which traces are on. Raises AntispamError."""
    noted = recorder.take()
    if noted:
        store(db, noted)
    recorder.traces = running(db, now)


def _shown(subject: str, value: str) -> str:
    return hidden(value) if subject == Subject.NUMBER else masked(value)


def _of(connection: Connection, trace: int) -> Sequence[Row[Any]]:
    return connection.execute(select(_frames).where(_frames.c.trace == trace).order_by(_frames.c.id)).all()


def _row(noted: Noted) -> dict[str, Any]:
    return {name: getattr(noted, name) for name in noted.__struct_fields__}


def _noted(row: Any, body: dict[str, Any]) -> Noted:
    return Noted(
        trace=row.trace,
        at=row.at,
        channel=row.channel,
        link=row.link,
        outgoing=row.outgoing,
        command=row.command,
        body=body,
    )
