"""Compares our stopped numbers with the list that BOSS or the HLR writes once a day.

A number that we hold as stopped and the party does not is ordered again. A number that only the party has may be
stopped for another reason, so a person decides; the page of numbers shows it.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from pipeline.actions.alerts.news import raise_alert
from pipeline.actions.alerts.recurring import recurring_alert
from pipeline.actions.orders.number_lines import read_numbers
from pipeline.actions.orders.order import OrderKind
from pipeline.actions.orders.order_rows import ask, on_the_way, stopped
from pipeline.durations import HOUR_MS
from pipeline.events import AlertAbout, AlertLevel
from pipeline.files.source_file import SourceFile
from pipeline.order_exchange import BOSS, NumberSource
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import built_in
from pipeline.store import audit, outbox, schema
from pipeline.store.database import Database

SETTLING_MS = HOUR_MS  # an answer this young may be missing from the list, which was written before
SHOWN = 1000  # numbers that only the party has; more are counted
_r = schema.reconciliations.c


def reconcile(db: Database, party: str, source: NumberSource, opened: SourceFile, now: int) -> tuple[int, int]:
    """Compare with a list; returns how many of its lines are numbers, and how many are not.

    The same list again changes nothing. Bad lines go to `<file>.rejected.jsonl`. Raises UnreadableFileError.
    """
    theirs, bad = read_numbers(opened, source)
    with db.write() as connection:
        outbox.lock(connection)
        if not _is_read(connection, party, opened.digest):
            _compare(connection, party, opened.digest, theirs, now)
    return len(theirs), bad


def _is_read(connection: Connection, party: str, digest: str) -> bool:
    return connection.execute(select(_r.at).where(_r.party == party, _r.digest == digest)).first() is not None


def _compare(connection: Connection, party: str, digest: str, theirs: set[str], now: int) -> None:
    ours = stopped(connection, party, now - SETTLING_MS)
    moving = on_the_way(connection, party, now - SETTLING_MS)
    missing, extra = sorted(ours - theirs), sorted(theirs - ours - moving)
    kind = OrderKind.SUSPECT if party == BOSS else OrderKind.OFF
    rule = BuiltInRule.NUMBERS_DIFFER
    for number in missing:
        ask(connection, now, kind, number, party, audit.PIPELINE, rule=rule, evidence=f"list/{digest[:16]}", again=True)
    row = {
        "party": party,
        "digest": digest,
        "ours": len(ours),
        "theirs": len(theirs),
        "missing": len(missing),
        "extra": len(extra),
        "extra_numbers": extra[:SHOWN],
        "at": now,
    }
    connection.execute(insert(schema.reconciliations).values(row))
    if missing or extra:
        values = {"party": party, "missing": len(missing), "extra": len(extra)}
        told = recurring_alert(AlertLevel.WARNING, rule, party, built_in(rule, values), values, now, AlertAbout.PARTY)
        raise_alert(connection, told, now)
