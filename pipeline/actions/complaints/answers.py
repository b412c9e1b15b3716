"""The answers to the complaints of a channel: which are given now, and their file in the channel's form.

`answer` marks what is answered, and `answer_file` makes the file of any time of answering. So a file that got lost on
its way is made again, and no complaint is answered twice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select, update

from pipeline.actions.complaints.matching import Found
from pipeline.errors import AntispamError
from pipeline.events import PortState
from pipeline.file_exchange import ComplaintShape
from pipeline.settings import Settings
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.text.spreadsheet import defused

_table = schema.complaints


def answer(db: Database, user: User, source: str, settings: Settings, now: int) -> int:
    """Answer the complaints of a source that are matched, doubtful or unmatched; returns how many. `now` is epoch ms.

    Those that still wait for the lake are answered later. Raises AntispamError for an unknown source.
    """
    _shape(user, source, settings)
    open_ = (
        _table.c.source == source,
        _table.c.answered_at.is_(None),
        _table.c.due_at.is_not(None),
        _table.c.found != Found.WAITING,
    )
    with db.write() as connection:
        outbox.lock(connection)
        answered = connection.execute(update(_table).where(*open_).values(answered_at=now)).rowcount
        if answered:
            audit.record(connection, now, user.name, "answer", f"complaints/{source}", None, {"answered": answered})
        return answered


def answer_file(db: Database, user: User, source: str, settings: Settings, at: int) -> bytes:
    """The csv of the answers that were given at `at` (epoch ms), with the numbers as the channel wrote them."""
    shape = _shape(user, source, settings)
    ports = schema.ports
    statement = (
        select(_table, ports.c.state.label("state"))
        .outerjoin(ports, ports.c.code == _table.c.port)
        .where(_table.c.source == source, _table.c.answered_at == at)
        .order_by(_table.c.received_at, _table.c.id)
    )
    with db.read() as connection:
        rows = connection.execute(statement).all()
    table = io.StringIO(newline="")
    writer = csv.writer(table, delimiter=shape.delimiter or ",", lineterminator="\r\n")
    writer.writerow(shape.answer.values())
    writer.writerows([defused(_cell(field, row, shape)) for field in shape.answer] for row in rows)
    # gb18030 has a code for every character, and that of GBK where there is one.
    return table.getvalue().encode("utf-8-sig" if shape.answer_encoding == "utf-8" else "gb18030")


def answered(db: Database, user: User, source: str, settings: Settings, limit: int = 10) -> Sequence[Row[Any]]:
    """(answered_at, number) of the latest times of answering a source, the newest first."""
    _shape(user, source, settings)
    times = (
        select(_table.c.answered_at, func.count().label("number"))
        .where(_table.c.source == source, _table.c.answered_at.is_not(None))
        .group_by(_table.c.answered_at)
        .order_by(_table.c.answered_at.desc())
        .limit(limit)
    )
    with db.read() as connection:
        return connection.execute(times).all()


def _shape(user: User, source: str, settings: Settings) -> ComplaintShape:
    require(user, Right.EDIT_LISTS)
    if user.scope:
        raise Forbidden("{person}: answers are about all ports, beyond the scope of this account", person=user.name)
    shape = settings.complaint_shapes.get(source)
    if shape is None:
        known = ", ".join(sorted(settings.complaint_shapes))
        raise AntispamError("unknown source {source!r}; one of {known}", source=source[:32], known=known)
    return shape


def _cell(field: str, row: Row[Any], shape: ComplaintShape) -> str:
    if field == "port":
        return str(row.sender or row.port)
    if field == "found":
        return shape.words.get(str(row.found), str(row.found))
    if field == "done":
        return "; ".join(shape.words.get(deed, deed) for deed in _done(row))
    if field.endswith("_at"):
        at = datetime.fromtimestamp(row._mapping[field] / 1000, ZoneInfo(shape.zone))
        return at.strftime(shape.time_format) if shape.time_format else at.isoformat(timespec="seconds")
    return str(row._mapping[field])


def _done(row: Row[Any]) -> list[str]:
    """What became of the complaint: the number is blocked, the port is closed, or it was only recorded."""
    done = ["blocked"] if row.blocked_at is not None else []
    if row.state in (PortState.SUSPENDED, PortState.TERMINATED):
        done.append(row.state)
    return done or ["none"]
