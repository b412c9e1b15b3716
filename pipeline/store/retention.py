"""How long the operational database keeps what holds texts and numbers.

It is not an archive: the lake keeps history for the time the law asks. Here stay the statuses that senders
ask for (`status_days`), and until `retention_days` have passed what people decided and why. What still waits
(an open case, a hold) stays as long as it waits. The audit trail stays: it holds no text and no number.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, and_, delete, select

from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database

DAY_MS = 86_400_000
CHUNK = 2_000  # rows of one transaction: other writers wait for it on SQLite


def expire(db: Database, settings: Settings, now: int) -> dict[str, int]:
    """Delete whole days (UTC) that are over their time, at `now` (epoch ms); rows deleted by table.

    Raises AntispamError when the database cannot be written; what is done by then stays done.
    """
    today = now - now % DAY_MS
    statuses = today - settings.status_days * DAY_MS
    kept = today - settings.retention_days * DAY_MS
    cases = schema.cases
    over: list[tuple[Table, ColumnElement[bool]]] = [
        (schema.deliveries, schema.deliveries.c.changed_at < statuses),
        (schema.submissions, schema.submissions.c.accepted_at < statuses),
        (schema.parked_reports, schema.parked_reports.c.parked_at < statuses),
        (schema.callbacks, and_(schema.callbacks.c.due_at.is_(None), schema.callbacks.c.created_at < statuses)),
        # Members and skips go with their case.
        (cases, and_(cases.c.state == "effective", cases.c.released >= cases.c.last_member, cases.c.decided_at < kept)),
        (schema.complaints, schema.complaints.c.complained_at < kept),
        (schema.alerts, schema.alerts.c.at < kept),
        (schema.list_entries, schema.list_entries.c.expires_at < kept),
    ]
    return {table.name: _delete(db, table, condition) for table, condition in over}


def _delete(db: Database, table: Table, condition: ColumnElement[bool]) -> int:
    keys = list(table.primary_key.columns)
    rows = 0
    while True:
        with db.write() as connection:
            found = connection.execute(select(*keys).where(condition).limit(CHUNK)).all()
            if not found:
                return rows
            for key in found:
                connection.execute(delete(table).where(*(k == v for k, v in zip(keys, key, strict=True))))
            rows += len(found)
