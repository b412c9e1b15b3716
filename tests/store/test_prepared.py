"""A prepared statement changes many rows as SQLAlchemy would, and counts only those that it changed."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from pipeline.store import schema
from pipeline.store.database import Database, upsert
from pipeline.store.prepared import Prepared, Row

_parked = schema.parked_reports
ADD = Prepared(
    lambda connection: upsert(connection, _parked).on_conflict_do_nothing(), *(column.name for column in _parked.c)
)
MARK = Prepared(
    lambda _: (
        update(_parked)
        .where(_parked.c.carrier_id == bindparam("which"), _parked.c.status != "DELIVRD")
        .values(status=bindparam("v_status"), sender="10%")
    ),
    "which",
    "v_status",
)


def rows(*idents: str) -> list[Row]:
    return [
        {
            "channel": "default",
            "recipient": "13800000001",
            "carrier_id": ident,
            "sender": "",
            "status": "DELIVRD" if ident == "c" else "",
            "reported_at": 1,
            "parked_at": 1,
        }
        for ident in idents
    ]


def test_rows_that_are_there_are_not_counted_and_not_changed(any_db: Database) -> None:
    with any_db.write() as connection:
        assert ADD.run(connection, rows("a")) == 1
        assert ADD.run(connection, rows("b", "a", "c")) == 2
        assert ADD.run(connection, rows("a", "b")) == 0
        new = [{"which": ident, "v_status": f"new {ident}"} for ident in "cba"]
        assert MARK.run(connection, new) == 2
        query = select(_parked.c.carrier_id, _parked.c.status, _parked.c.sender).order_by(_parked.c.carrier_id)
        assert [tuple(row) for row in connection.execute(query)] == [
            ("a", "new a", "10%"),
            ("b", "new b", "10%"),
            ("c", "DELIVRD", ""),
        ]
