"""The facts of a report: what happened in a period and the one before it, as tables that its SQL reads.

Traffic comes from the lake, where numbers are hashes and texts are masked. Ports, cases, actions and complaints come
from the operational database, without numbers and texts. So no table of a report can show either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import Connection, Select, case, func, literal, select

from pipeline.actions.reports.definition import facts
from pipeline.actions.reports.period import Period
from pipeline.lake.privacy import Privacy
from pipeline.lake.views import connect
from pipeline.rules.conduct.port_lifecycle import Step
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.registry.counted_complaints import COUNTED

MEMORY = "2GB"  # of DuckDB; what does not fit goes to the spill folder
THREADS = 2
_TIME, _TEXT = pa.timestamp("us", tz="UTC"), pa.string()
_PORT_ACTIONS = tuple(step.value for step in Step)


def open_facts(settings: Settings, db: Database, period: Period, spill: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the facts of this period. `spill` is an owner's folder for what memory does not hold."""
    lake = connect(settings)
    lake.execute(f"SET threads = {THREADS}")
    lake.execute(f"SET memory_limit = '{MEMORY}'")
    lake.execute(f"SET temp_directory = '{str(spill).replace(chr(39), chr(39) * 2)}'")
    with db.read() as connection:
        for name, table in _registered(connection, period, Privacy(settings.privacy_secret)).items():
            lake.register(name, table)
    before = period.before.since
    _set(lake, before=before, since=period.since, until=period.until)
    lake.execute("SET VARIABLE day = $1::DATE", [_utc(before).date()])
    lake.execute("SET VARIABLE zone = $1", [period.zone])
    lake.execute(facts())
    return lake


def newest_decision(lake: duckdb.DuckDBPyConnection, period: Period) -> datetime | None:
    """The time of the last decision of the period in the lake; None without one."""
    times = {"day": _utc(period.since).date(), "since": _utc(period.since), "until": _utc(period.until)}
    newest = "SELECT max(decided_at) FROM decisions WHERE dt >= $day AND decided_at >= $since AND decided_at < $until"
    [found] = lake.execute(newest, times).fetchone() or [None]
    return found


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _set(lake: duckdb.DuckDBPyConnection, **times: int) -> None:
    for name, at in times.items():
        lake.execute(f"SET VARIABLE {name} = $1::TIMESTAMPTZ", [_utc(at)])


def _registered(connection: Connection, period: Period, privacy: Privacy) -> dict[str, pa.Table]:
    """What the operational database knows: ports, and the cases, actions and complaints of both periods.

    A complaint may be about a person's number. So every `port` is written as in the lake.
    """
    ports, enterprises, cases = schema.ports, schema.enterprises, schema.cases
    actions, complaints, entries = schema.actions, schema.complaints, schema.list_entries
    since, until = period.before.since, period.until
    actor = case((cases.c.verdict.is_(None), None), (cases.c.decided_by == audit.PIPELINE, "pipeline"), else_="person")
    late = func.coalesce(cases.c.decided_at, literal(until)) > cases.c.due_at
    port = {"port": privacy.party}
    return {
        "port": _table(
            connection,
            port,
            select(
                ports.c.code.label("port"),
                ports.c.name,
                func.coalesce(ports.c.enterprise, "").label("enterprise"),
                func.coalesce(enterprises.c.name, "").label("enterprise_name"),
                func.coalesce(enterprises.c.province, "").label("province"),
                func.coalesce(enterprises.c.city, "").label("city"),
                ports.c.tier,
            ).join(enterprises, enterprises.c.id == ports.c.enterprise, isouter=True),
        ),
        "registered_case": _table(
            connection,
            port,
            select(
                cases.c.port,
                cases.c.queue,
                cases.c.rule,
                cases.c.verdict,
                actor.label("actor"),
                late.label("late"),
                cases.c.messages,
                cases.c.opened_at,
                cases.c.decided_at,
            ).where(cases.c.state != "merged", cases.c.opened_at >= since, cases.c.opened_at < until),
            late=pa.bool_(),
            messages=pa.int64(),
            opened_at=_TIME,
            decided_at=_TIME,
        ),
        "registered_action": _table(
            connection,
            port,
            select(
                actions.c.subject.label("port"),
                actions.c.kind.label("action"),
                actions.c.rule,
                case((actions.c.actor == audit.PIPELINE, "pipeline"), else_="person").label("actor"),
                actions.c.at.label("acted_at"),
            ).where(actions.c.kind.in_(_PORT_ACTIONS), actions.c.at >= since, actions.c.at < until),
            acted_at=_TIME,
        ),
        "black": _table(
            connection,
            port,
            select(entries.c.value.label("port")).where(
                entries.c.list == "black", entries.c.entity == "sender", entries.c.added_at < until
            ),
        ),
        "registered_complaint": _table(
            connection,
            port,
            select(
                complaints.c.port,
                complaints.c.source,
                complaints.c.found,
                COUNTED.label("counts"),
                complaints.c.complained_at,
                complaints.c.due_at,
                complaints.c.answered_at,
            ).where(complaints.c.complained_at >= since, complaints.c.complained_at < until),
            counts=pa.bool_(),
            complained_at=_TIME,
            due_at=_TIME,
            answered_at=_TIME,
        ),
    }


def _table(
    connection: Connection, written: Mapping[str, Callable[[str], str]], query: Select[Any], **kinds: pa.DataType
) -> pa.Table:
    """The rows of a query as an Arrow table; columns are texts but those in `kinds`. Times are epoch ms in the rows.

    `written` says how the values of a column are written.
    """
    rows = connection.execute(query).all()
    columns = {}
    for place, name in enumerate(column.name for column in query.selected_columns):
        kind, values = kinds.get(name, _TEXT), [row[place] for row in rows]
        if kind == _TIME:
            values = [None if at is None else at * 1000 for at in values]
        elif kind == pa.bool_():
            values = [bool(value) for value in values]
        elif name in written:
            values = [written[name](value) for value in values]
        columns[name] = pa.array(values, kind)
    return pa.table(columns)
