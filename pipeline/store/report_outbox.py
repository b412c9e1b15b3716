"""The outbox of carriers' reports: stored with the parts they settle, published by the relay, then deleted.

Reports have an outbox of their own. The outbox of changes (`outbox.py`) needs a global lock and one Kafka transaction
a change, because its ids are epochs. Reports come a thousand a second and need neither: they are published in batches,
and their rows are deleted.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select

from pipeline.events import DeliveryReport, encode
from pipeline.store import schema
from pipeline.store.prepared import Prepared

_box = schema.report_outbox
_PUT = Prepared(lambda _: insert(_box), "key", "body", "created_at")


def put(connection: Connection, reports: Sequence[DeliveryReport], now: int) -> None:
    """Store reports for publication. `now` is epoch ms."""
    _PUT.run(connection, [{"key": report.id, "body": encode(report), "created_at": now} for report in reports])


def unpublished(connection: Connection, limit: int) -> list[tuple[int, str, bytes]]:
    """At most `limit` unpublished reports, oldest first: (id, key, body)."""
    rows = connection.execute(select(_box.c.id, _box.c.key, _box.c.body).order_by(_box.c.id).limit(limit))
    return [(row.id, row.key, row.body) for row in rows]


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete reports that the broker has acknowledged."""
    connection.execute(delete(_box).where(_box.c.id.in_(ids)))


def pending(connection: Connection) -> int:
    """The number of unpublished reports."""
    return connection.execute(select(func.count()).select_from(_box)).scalar_one()
