"""The black list as a file for an SMSC, and the version that was written last."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, or_, select

from pipeline.file_exchange import BlacklistTarget
from pipeline.store import audit, schema

ACTION = "blacklist-file-written"
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class BlacklistFile:
    """A version of the file: its bytes, the number of entries, the sha256 (hex)."""

    content: bytes
    entries: int
    digest: str


def blacklist_file(connection: Connection, target: BlacklistTarget, zone: str, now: int) -> BlacklistFile:
    """The list in force at `now` (epoch ms), ordered by value; times are ISO 8601 in `zone`.

    The same list gives the same bytes. Characters outside the encoding become `?`. This concerns only reasons, because
    values consist of digits.
    """
    table = schema.list_entries
    rows = connection.execute(
        select(table)
        .where(table.c.list == "black", or_(table.c.expires_at.is_(None), table.c.expires_at > now))
        .order_by(table.c.value)
    ).mappings()
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=target.delimiter, lineterminator="\n")
    if target.header:
        writer.writerow(target.columns.values())
    entries = 0
    for row in rows:
        writer.writerow(_cell(row[field], zone) for field in target.columns)
        entries += 1
    content = text.getvalue().encode(target.encoding, "replace")
    return BlacklistFile(content, entries, sha256(content).hexdigest())


def last_digest(connection: Connection, target: BlacklistTarget) -> str | None:
    """The sha256 of the version written last, or None before the first."""
    table = schema.audit
    after = connection.execute(
        select(table.c.after)
        .where(table.c.subject == _subject(target), table.c.action == ACTION)
        .order_by(table.c.id.desc())
        .limit(1)
    ).scalar()
    return None if after is None else str(after["sha256"])


def record_written(connection: Connection, target: BlacklistTarget, version: BlacklistFile, now: int) -> None:
    """Record in the audit trail that this version is at the target: number of entries and hash, no phone numbers."""
    after = {"entries": version.entries, "sha256": version.digest}
    audit.record(connection, now, audit.PIPELINE, ACTION, _subject(target), None, after)


def _subject(target: BlacklistTarget) -> str:
    # Contains the address, because a new target has not received any version yet.
    return f"list/black/file/{target.name}/{sha256(target.url.encode()).hexdigest()[:12]}"


def _cell(value: str | int | None, zone: str) -> str:
    if isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, ZoneInfo(zone)).isoformat(timespec="seconds")
    return _BREAKS.sub(" ", value or "")
