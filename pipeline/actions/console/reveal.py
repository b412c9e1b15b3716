"""Full text and numbers of one message, for users with the right and a reason, with an audit row.

The audit row is committed before the text is returned, so the trail records every text that a user has seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from sqlalchemy import Connection, func, select

from pipeline.actions.console.search import LogPosition
from pipeline.errors import AntispamError
from pipeline.lake.views import full_files, open_empty
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require, require_port
from pipeline.store.database import Database


@dataclass(frozen=True)
class FullText:
    """A message with its original text and numbers."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    content: str


def reveal(db: Database, settings: Settings, user: User, position: LogPosition, reason: str, now: int) -> FullText:
    """The full text at a position of the log. Raises Forbidden, or AntispamError without a reason or a text."""
    require(user, Right.SEE_FULL_TEXT)
    reason = audit.checked_reason(reason)
    found = _read(settings, position)
    if found is None:
        raise AntispamError("the full text is not in the lake: past retention, or not yet written")
    with db.write() as connection:
        if user.scope:
            _require_sender(connection, user, found.sender)
        audit.record(
            connection,
            now,
            user.name,
            "reveal",
            f"message/{position.topic}/{position.partition}/{position.offset}",
            after={"log": position.log_id},
            reason=reason,
        )
    return found


def _require_sender(connection: Connection, user: User, sender: str) -> None:
    code = schema.ports.c.code
    port = connection.execute(
        select(code)
        .where(func.substr(sender, 1, func.length(code)) == code)
        .order_by(func.length(code).desc())
        .limit(1)
    ).scalar()
    if port is None:
        raise Forbidden(
            "{person}: the sender is no registered port, beyond the scope of this account", person=user.name
        )
    require_port(connection, user, port)


def _read(settings: Settings, position: LogPosition) -> FullText | None:
    files = [file for file in full_files(settings, "texts") if f"dt={position.date.isoformat()}" in file]
    if not files:
        return None
    lake = open_empty(settings)
    try:
        row = lake.execute(
            """
            SELECT id, sender, recipients, content FROM read_parquet($files, union_by_name = true)
            WHERE log_id = $log_id AND topic = $topic AND partition = $partition AND "offset" = $offset
            """,
            {
                "files": files,
                "log_id": position.log_id,
                "topic": position.topic,
                "partition": position.partition,
                "offset": position.offset,
            },
        ).fetchone()
    except duckdb.Error as error:
        raise AntispamError(
            "lake: {cause}", cause=type(error).__name__
        ) from None  # the original message may quote the text
    finally:
        lake.close()
    return None if row is None else FullText(row[0], row[1], tuple(row[2]), row[3])
