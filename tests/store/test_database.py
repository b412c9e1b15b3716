"""What a connection sees, on both databases."""

from __future__ import annotations

from sqlalchemy import func, insert, select

from pipeline.store import schema
from pipeline.store.database import Database


def test_reads_of_one_block_see_one_state(any_db: Database) -> None:
    users = select(func.count()).select_from(schema.users)
    with any_db.read() as reading:
        assert reading.execute(users).scalar_one() == 0
        with any_db.write() as writing:
            writing.execute(insert(schema.users).values(name="a", role="viewer", scope={}, created_at=1))
        assert reading.execute(users).scalar_one() == 0
    with any_db.read() as reading:
        assert reading.execute(users).scalar_one() == 1
