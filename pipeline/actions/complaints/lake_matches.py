"""Finds the messages of waiting complaints in the lake, and writes what was found into the database.

The lake has the messages of the whole retention time, the operational database only those of some days. Full numbers
and texts are read, so this runs in a process that may (the role `retention`); only the id of the message, its campaign
and the doubt are kept, and of a doubtful complaint the candidates with masked texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
from sqlalchemy import Row, or_, select, update

from pipeline.actions.complaints.matching import Candidate, Found, Match, likeliest, match
from pipeline.actions.complaints.settling import block_found, keep_candidates
from pipeline.durations import DAY_MS, MINUTE_MS
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import TEXTS
from pipeline.lake.views import view_full
from pipeline.settings import Settings
from pipeline.store import outbox, schema
from pipeline.store.database import Database
from pipeline.text.numbers import masked_mobile

BACK_MS = 60 * DAY_MS  # how long before a complaint its message may have been accepted
AHEAD_MS = 10 * MINUTE_MS  # the channel's clock may be behind ours
PATIENCE_MS = DAY_MS  # after that, a complaint no longer waits for a lake that is behind
MOST = 500  # complaints of one look
_table = schema.complaints


def match_waiting(db: Database, lake: duckdb.DuckDBPyConnection, settings: Settings, now: int) -> dict[str, int]:
    """Match the complaints that wait; returns how many are matched, doubtful and unmatched now. `now` is epoch ms."""
    view_full(lake, settings, TEXTS)
    done = dict.fromkeys((Found.MATCHED.value, Found.DOUBTFUL.value, Found.UNMATCHED.value), 0)
    after: tuple[int, str] | None = None
    while waiting := _waiting(db, after):
        after = (waiting[-1].received_at, waiting[-1].id)
        found = _matches(lake, settings, waiting)
        newest = _newest(lake)
        for row, each in zip(waiting, found, strict=True):
            # An unmatched complaint waits for the sink: its message may not be in the lake yet.
            late = newest > row.complained_at + AHEAD_MS or now > row.received_at + PATIENCE_MS
            if each[0].found is not Found.UNMATCHED or late:
                done[each[0].found.value] += _keep(db, row, *each, now)
    return done


def _waiting(db: Database, after: tuple[int, str] | None) -> Sequence[Row[Any]]:
    statement = select(_table).where(_table.c.found == Found.WAITING).order_by(_table.c.received_at, _table.c.id)
    if after is not None:
        later = (_table.c.received_at == after[0]) & (_table.c.id > after[1])
        statement = statement.where(or_(_table.c.received_at > after[0], later))
    with db.read() as connection:
        return connection.execute(statement.limit(MOST)).all()


def _keep(db: Database, row: Row[Any], found: Match, candidates: Sequence[Candidate], now: int) -> int:
    """Write one match, and block a number that only the match shows in full; 0 if another process has.

    Of a doubtful complaint, the likeliest candidates are kept for a person.
    """
    message = found.message
    with db.write() as connection:
        outbox.lock(connection)  # before the row, as the intake
        values: dict[str, Any] = {"found": found.found.value, "doubt": found.doubt.value}
        if message is not None:
            values |= {"message": message.message, "campaign": message.campaign}
        same = (_table.c.id == row.id, _table.c.port == row.port, _table.c.found == Found.WAITING)
        changed = connection.execute(update(_table).where(*same).values(values)).rowcount
        if changed and found.found is Found.MATCHED and message is not None and row.blocked_at is None:
            block_found(connection, now, row, message.recipient)
        if changed and found.found is Found.DOUBTFUL:
            keep_candidates(connection, row, likeliest(row.content, candidates))
        return changed


def _newest(lake: duckdb.DuckDBPyConnection) -> int:
    """Up to when the lake has decisions (epoch ms); 0 for an empty one."""
    [newest] = lake.execute("SELECT max(decided_at) FROM decisions").fetchone() or [None]
    return 0 if newest is None else int(newest.timestamp() * 1000)


def _matches(
    lake: duckdb.DuckDBPyConnection, settings: Settings, waiting: Sequence[Row[Any]]
) -> list[tuple[Match, Sequence[Candidate]]]:
    found = _candidates(lake, Privacy(settings.privacy_secret), waiting)
    return [
        (match(row.content, masked_mobile(row.recipient) is not None, found.get(n, ())), found.get(n, ()))
        for n, row in enumerate(waiting)
    ]


_PARTS = """
    (
        SELECT id, sender, content, "at", unnest(recipients) AS recipient FROM texts
        WHERE rest IS NOT NULL AND dt BETWEEN $first AND $last
    )
"""
# A complete number is joined by equality; the few that hide digits are compared with every number of their senders.
_OF_NUMBERS = f"""
SELECT w.n, t.id, t.sender, t.recipient, t.content, epoch_ms(t."at") FROM {_PARTS} AS t
JOIN wanted AS w ON t.recipient = w.recipient
WHERE NOT w.hidden AND starts_with(t.sender, w.sender) AND epoch_ms(t."at") BETWEEN w.since AND w.until
"""  # noqa: S608 - of our own words
_OF_HIDDEN = f"""
SELECT w.n, t.id, t.sender, t.recipient, t.content, epoch_ms(t."at") FROM {_PARTS} AS t
JOIN wanted AS w ON starts_with(t.sender, w.sender)
WHERE w.hidden AND t.recipient LIKE w.recipient AND epoch_ms(t."at") BETWEEN w.since AND w.until
QUALIFY row_number() OVER (PARTITION BY w.n ORDER BY t."at" DESC) <= 1000
"""  # noqa: S608 - of our own words


def _candidates(
    lake: duckdb.DuckDBPyConnection, privacy: Privacy, waiting: Sequence[Row[Any]]
) -> Mapping[int, Sequence[Candidate]]:
    """The messages that each complaint may be about, by its place in `waiting`."""
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE wanted "
        "(n INTEGER, sender VARCHAR, recipient VARCHAR, hidden BOOLEAN, since BIGINT, until BIGINT)"
    )
    lake.executemany("INSERT INTO wanted VALUES (?, ?, ?, ?, ?, ?)", [_wanted(n, row) for n, row in enumerate(waiting)])
    days = {
        "first": _day(min(row.complained_at for row in waiting) - BACK_MS),
        "last": _day(max(row.complained_at for row in waiting) + AHEAD_MS),
    }
    rows = [row for sql in (_OF_NUMBERS, _OF_HIDDEN) for row in lake.execute(sql, days).fetchall()]
    named = {(privacy.ident(row[1]), privacy.party(row[2])) for row in rows}
    sent, campaigns = _sent(lake, named), _campaigns(lake, named)
    found: defaultdict[int, list[Candidate]] = defaultdict(list)
    for n, ident, sender, recipient, content, at in rows:
        key = (privacy.ident(ident), privacy.party(sender))
        # A record is written by the SMSC after it has carried the message.
        went = key not in sent or privacy.number(recipient) in sent[key]
        campaign = next((each for port, each in campaigns.get(key[0], ()) if key[1].startswith(port)), "")
        found[n].append(Candidate(ident, recipient, content, at, went, campaign))
    return found


def _wanted(n: int, row: Row[Any]) -> tuple[int, str, str, bool, int, int]:
    hidden = masked_mobile(row.recipient) is not None
    since, until = row.complained_at - BACK_MS, row.complained_at + AHEAD_MS
    return n, row.sender or row.port, row.recipient.replace("*", "_") if hidden else row.recipient, hidden, since, until


def _sent(lake: duckdb.DuckDBPyConnection, named: set[tuple[str, str]]) -> Mapping[tuple[str, str], frozenset[str]]:
    """For each submission of these (id, sender): the hashed numbers that it went to."""
    if not named:
        return {}
    idents = sorted({ident for ident, _ in named})
    went: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    submissions = "SELECT DISTINCT id, port FROM submissions WHERE id IN (SELECT unnest($idents))"
    for ident, sender in lake.execute(submissions, {"idents": idents}).fetchall():
        went[ident, sender] = set()
    outbound = "SELECT id, sender, recipients FROM outbound WHERE id IN (SELECT unnest($idents))"
    for ident, sender, recipients in lake.execute(outbound, {"idents": idents}).fetchall():
        went[ident, sender].update(recipients)
    return {key: frozenset(numbers) for key, numbers in went.items()}


def _campaigns(lake: duckdb.DuckDBPyConnection, named: set[tuple[str, str]]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """(registered port or sender, campaign) of the decisions with these ids that are of a campaign."""
    if not named:
        return {}
    sql = "SELECT DISTINCT id, port, campaign FROM campaign_members WHERE id IN (SELECT unnest($idents)) ORDER BY ALL"
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for ident, port, campaign in lake.execute(sql, {"idents": sorted({ident for ident, _ in named})}).fetchall():
        found[ident].append((port, campaign))
    return found


def _day(ms: int) -> object:
    return datetime.fromtimestamp(ms / 1000, UTC).date()
