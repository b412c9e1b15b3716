"""The feeds of alerts: what a file and a webhook are told of each change.

A change waits in `alert_posts`, a row for each feed, until the feed has it. A feed gets at most one post in
POST_EVERY, with up to BATCH changes in order, so a storm of alerts is a few posts and nothing is lost. A row is put
off before its post; a process that is killed in between posts it again, and the receiver knows a change by its id.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog
from sqlalchemy import Connection, RowMapping, delete, select, update

from pipeline import metrics
from pipeline.actions.alerts.evidence import evidence
from pipeline.actions.alerts.silences import known_silences, silenced
from pipeline.actions.status.role import post
from pipeline.durations import MINUTE_MS, SECOND_MS
from pipeline.errors import UnavailableError
from pipeline.process.backoff import Backoff
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts import api_keys
from pipeline.store.database import Database

POST_EVERY = 10 * SECOND_MS
BATCH = 100  # changes in a post
LEASE_MS = MINUTE_MS
# Pauses between tries of a change: 10 s, 40 s, 160 s, … at most an hour; it is given up after a day or so.
POSTS = Backoff(first=10.0, longest=3600.0, factor=4, tries=28)
_alerts, _changes, _posts = schema.alerts, schema.alert_changes, schema.alert_posts
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()

Feed = Callable[[Sequence[Mapping[str, Any]], int], str]  # tells changes at a time; "delivered", or why not


def configured(settings: Settings) -> dict[str, Feed]:
    """The feeds of this installation, by name."""
    found: dict[str, Feed] = {}
    if settings.alert_file is not None:
        path = settings.alert_file
        found["file"] = lambda told, now: to_file(path, told)  # noqa: ARG005
    if settings.alert_webhook is not None:
        found["webhook"] = lambda told, now: to_webhook(settings, told, now)
    return found


def feed_step(db: Database, name: str, feed: Feed | None, console: str, zone: str, now: int) -> int:
    """Tell a feed the changes that are due; returns how many it got. Without a feed, its rows are deleted."""
    if feed is None:
        with db.write() as connection:
            connection.execute(delete(_posts).where(_posts.c.feed == name))
        return 0
    with db.write() as connection:
        rows = _claim(connection, name, now)
    if not rows:
        return 0
    outcome = feed([told(row, console, zone) for row in rows], now)
    metrics.ALERT_POSTS.labels(name, outcome).inc(len(rows))
    with db.write() as connection:
        _record(connection, name, rows, outcome, now)
    return len(rows) if outcome == "delivered" else 0


def told(row: RowMapping, console: str, zone: str) -> dict[str, Any]:
    """One change as the feeds tell it."""
    return {
        "id": row["change_id"],
        "change": row["change"],
        "by": row["actor"],
        "at": row["changed_at"],
        "alert": row["id"],
        "state": row["state"],
        "level": row["level"],
        "rule": row["rule"],
        "about": row["about"],
        "subject": row["subject"],
        "message": row["message"],
        "values": row["values"],
        "since": row["at"],
        "last_at": row["last_at"],
        "times": row["times"],
        "assigned_to": row["assigned_to"],
        "page": console.rstrip("/")
        + evidence(row["rule"], row["about"], row["subject"], row["at"], row["last_at"], zone),
    }


def to_file(path: Path, changes: Sequence[Mapping[str, Any]]) -> str:
    """Append a line of JSON for each change; the file is the owner's alone. Raises UnavailableError.

    After a kill or a full disk the file may end with half a line. It gets its end before the next one.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            lines = b"".join(_encode(each) + b"\n" for each in changes)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                lines = b"\n" + lines
            written = 0
            while written < len(lines):
                written += os.write(file, lines[written:])
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise UnavailableError(f"ANTISPAM_ALERT_FILE {path}: {error.strerror}") from error
    return "delivered"


def to_webhook(settings: Settings, changes: Sequence[Mapping[str, Any]], now: int) -> str:
    """Post changes, signed as callbacks are; the secret takes the place of an API key."""
    key = api_keys.hashed(settings.alert_webhook_secret.get_secret_value())

    async def once() -> str:
        async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:
            last = int(changes[-1]["id"])
            body = _encode({"event": "alerts", "changes": changes})
            return await post(client, settings.callback_networks, key, last, str(settings.alert_webhook), body, now)

    return asyncio.run(once())


def _claim(connection: Connection, name: str, now: int) -> Sequence[RowMapping]:
    """Put off the oldest due changes for the time of a post; those in a silence wait, those over in it are dropped."""
    due = (
        select(
            _changes.c.id.label("change_id"),
            _changes.c.change,
            _changes.c.actor,
            _changes.c.at.label("changed_at"),
            _posts.c.tries,
            _posts.c.silenced,
            _alerts,
        )
        .join(_changes, _changes.c.id == _posts.c.change)
        .join(_alerts, _alerts.c.id == _changes.c.alert)
        .where(_posts.c.feed == name, _posts.c.due_at <= now)
        .order_by(_posts.c.change)
        .limit(BATCH)
        .with_for_update(of=_posts, skip_locked=True)
    )
    rows = connection.execute(due).mappings().all()
    silences = known_silences(connection)
    quiet = [row for row in rows if silenced(silences, row["rule"], row["subject"], now)]
    silent = {row["change_id"] for row in quiet}
    over = {row["change_id"] for row in rows if row["silenced"] and row["state"] == "closed"} - silent
    claimed = [row for row in rows if row["change_id"] not in silent | over]
    _put_off(connection, name, sorted(silent), {"due_at": now + MINUTE_MS, "silenced": True})
    if over:
        connection.execute(delete(_posts).where(_posts.c.feed == name, _posts.c.change.in_(over)))
    _put_off(connection, name, [row["change_id"] for row in claimed], {"due_at": now + LEASE_MS})
    return claimed


def _put_off(connection: Connection, name: str, changes: Sequence[int], values: Mapping[str, Any]) -> None:
    if changes:
        mine = (_posts.c.feed == name, _posts.c.change.in_(changes))
        connection.execute(update(_posts).where(*mine).values(**values))


def _record(connection: Connection, name: str, rows: Sequence[RowMapping], outcome: str, now: int) -> None:
    gone = [row["change_id"] for row in rows if outcome == "delivered" or POSTS.exhausted(row["tries"] + 1)]
    if gone:
        connection.execute(delete(_posts).where(_posts.c.feed == name, _posts.c.change.in_(gone)))
    if outcome == "delivered":
        return
    if gone:
        metrics.ALERT_POSTS.labels(name, "given_up").inc(len(gone))
    _log.error("alerts_not_told", feed=name, changes=len(rows), given_up=len(gone), cause=outcome)
    for row in rows:
        if row["change_id"] not in gone:
            tries = row["tries"] + 1
            values = {"tries": tries, "due_at": now + int(POSTS.pause(tries) * 1000)}
            _put_off(connection, name, [row["change_id"]], values)
