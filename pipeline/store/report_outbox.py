"""The outbox of carriers' reports: stored with what they settle, published by the relay, then deleted.

Apart from the outbox of changes (`outbox.py`): that one gives ids under a lock that all writers share and
publishes each change in a transaction of its own, for the sake of its epochs. Reports come a thousand a second
and need neither; they are published by the batch and nothing of them stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select

from pipeline.events import DeliveryReport, encode
from pipeline.store import schema

_box = schema.report_outbox


def put(connection: Connection, reports: Sequence[DeliveryReport], now: int) -> None:
    """Store reports to be published. `now` is epoch ms."""
    connection.execute(
        insert(_box), [{"key": report.id, "body": encode(report), "created_at": now} for report in reports]
    )


def unpublished(connection: Connection, limit: int) -> list[tuple[int, str, bytes]]:
    """Reports not yet published, oldest first, at most `limit`: (id, key, body)."""
    rows = connection.execute(select(_box.c.id, _box.c.key, _box.c.body).order_by(_box.c.id).limit(limit))
    return [(row.id, row.key, row.body) for row in rows]


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Forget reports that the broker has acknowledged."""
    connection.execute(delete(_box).where(_box.c.id.in_(ids)))


def pending(connection: Connection) -> int:
    """How many reports are not yet published."""
    return connection.execute(select(func.count()).select_from(_box)).scalar_one()
