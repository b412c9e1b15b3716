"""List entries the pipeline asks for, and alerts, put where people find them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from sqlalchemy import Connection

from pipeline import topics
from pipeline.actions.decoding import decoded
from pipeline.events import Alert, ListAction
from pipeline.rules.lists import COLUMNS, ENTITIES
from pipeline.store import audit, schema
from pipeline.store.database import upsert
from pipeline.store.outbox import publish_config


def project_list_actions(connection: Connection, now: int, records: Sequence[bytes]) -> None:
    """Put standing entries on operators' lists and publish them.

    What is listed already stays as it is, and evidence acts once: an entry that somebody removed does
    not come back by the decision that made it.
    """
    for asked in decoded(topics.LIST_ACTIONS, ListAction, records):
        if ENTITIES.get(asked.list) != asked.entity:
            continue
        subject = f"{asked.list}/{asked.value}"
        action = {
            "kind": "list",
            "subject": subject,
            "rule": asked.rule,
            "evidence": f"decision/{asked.evidence}"[:256],
        }
        entry = {"list": asked.list, "value": asked.value, "entity": asked.entity, "reason": asked.rule}
        acted = connection.execute(
            upsert(connection, schema.actions)
            .values(**action, actor=audit.PIPELINE, at=now)
            .on_conflict_do_nothing()
            .returning(schema.actions.c.id)
        ).first()
        if acted is None:
            continue
        table = schema.list_entries
        statement = upsert(connection, table).values(**entry, added_by=audit.PIPELINE, added_at=now, expires_at=None)
        renewed = {name: statement.excluded[name] for name in ("reason", "added_by", "added_at", "expires_at")}
        added = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["list", "value"], set_=renewed,
                where=table.c.expires_at <= now,
            )
        )  # fmt: skip
        if added.rowcount:
            after = {"reason": asked.rule}
            audit.record(connection, now, audit.PIPELINE, "list.add", f"list/{subject}", None, after, asked.rule)
            publish_config(connection, now, [("list", subject, _csv(asked), None)])


def project_alerts(connection: Connection, now: int, records: Sequence[bytes]) -> None:  # noqa: ARG001 - a projection
    """Remember alerts until somebody acknowledges them; idempotent by id."""
    rows = [
        {
            "id": alert.id, "level": alert.level.value, "rule": alert.rule, "subject": alert.subject,
            "message": alert.message, "at": alert.at,
        }
        for alert in decoded(topics.ALERTS, Alert, records)
    ]  # fmt: skip
    if rows:
        connection.execute(upsert(connection, schema.alerts).on_conflict_do_nothing(), rows)


def _csv(asked: ListAction) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerow((asked.list, asked.entity, asked.value, asked.rule, ""))
    return out.getvalue()
