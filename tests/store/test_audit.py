"""The audit trail refuses every change, and shows those it could not refuse."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from alembic import command
from sqlalchemy import Connection, select, text

from pipeline.errors import AntispamError
from pipeline.events import AuditHead
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.migrate import _config, migrate

COLUMNS = "id, at, actor, action, subject, reason, mac"
SQLITE_ONLY = (
    f"INSERT OR REPLACE INTO audit ({COLUMNS}) VALUES (2, 9, 'nobody', 'x', 'x', '', 'x')",
    f"REPLACE INTO audit ({COLUMNS}) VALUES (2, 9, 'nobody', 'x', 'x', '', 'x')",
    f"REPLACE INTO audit (rowid, {COLUMNS}) VALUES (2, 4, 9, 'nobody', 'x', 'x', '', 'x')",
    f"REPLACE INTO audit (_rowid_, {COLUMNS}) SELECT 2, 4, 9, 'nobody', 'x', 'x', '', 'x'",
    "UPDATE OR REPLACE audit SET id = 1 WHERE id = 2",
    "UPDATE audit SET rowid = 7 WHERE rowid = 1",
)
POSTGRESQL_ONLY = (
    "TRUNCATE audit",
    "MERGE INTO audit USING (VALUES (2)) AS v(i) ON audit.id = v.i WHEN MATCHED THEN UPDATE SET actor = 'nobody'",
    "WITH gone AS (DELETE FROM audit WHERE id = 3 RETURNING *) SELECT count(*) FROM gone",
)
BOTH = (
    "UPDATE audit SET actor = 'nobody'",
    "UPDATE audit SET actor = 'nobody' WHERE id = 2",
    "DELETE FROM audit",
    "DELETE FROM audit WHERE id = 3",
    f"INSERT INTO audit ({COLUMNS}) VALUES (2, 9, 'nobody', 'x', 'x', '', 'x') "
    "ON CONFLICT (id) DO UPDATE SET actor = excluded.actor",
    f"INSERT INTO audit ({COLUMNS}) VALUES (2, 9, 'nobody', 'x', 'x', '', 'x') ON CONFLICT (id) DO NOTHING",
    f"INSERT INTO audit ({COLUMNS}) VALUES (0, 9, 'nobody', 'x', 'x', '', 'x')",
    f"INSERT INTO audit ({COLUMNS}) VALUES (-1, 9, 'nobody', 'x', 'x', '', 'x')",
    f"INSERT INTO audit ({COLUMNS}) VALUES (5, 9, 'nobody', 'x', 'x', '', 'x')",
    f"INSERT INTO audit ({COLUMNS}) VALUES (4, 9, 'a', 'x', 'x', '', 'x'), (4, 9, 'nobody', 'x', 'x', '', 'x')",
)


def filled(db: Database) -> Database:
    with db.write() as connection:
        for n in range(3):
            audit.record(connection, n, "tester", "probe", f"probe/{n}", {"n": n}, None, "因为")
    return db


@pytest.fixture
def trail(any_db: Database) -> Database:
    return filled(any_db)


def rows(db: Database) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(select(schema.audit).order_by(schema.audit.c.id)))


@pytest.mark.parametrize(
    ("database", "attack"),
    [
        *(("operational_db", attack) for attack in (*BOTH, *SQLITE_ONLY)),
        *(pytest.param("postgres_db", a, marks=pytest.mark.postgresql) for a in (*BOTH, *POSTGRESQL_ONLY)),
    ],
)
def test_nothing_but_the_next_row_is_taken(request: pytest.FixtureRequest, database: str, attack: str) -> None:
    trail = filled(request.getfixturevalue(database))
    before = rows(trail)
    with pytest.raises(AntispamError, match="append-only"), trail.write() as connection:
        connection.execute(text(attack))
    assert rows(trail) == before
    with trail.write() as connection:
        audit.record(connection, 4, "tester", "probe", "probe/4")
        assert audit.first_broken(connection) is None


def unguarded(connection: Connection) -> None:
    """What an owner of the tables can do."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        return
    for trigger in ("audit_no_update", "audit_no_delete", "audit_only_appended"):
        connection.execute(text(f"DROP TRIGGER {trigger}"))


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET reason = '' WHERE id = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE id = 3", 3),
        ("UPDATE audit SET mac = '签名' WHERE id = 3", 3),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("DELETE FROM audit WHERE id = 2", 3),
        ("UPDATE audit SET mac = (SELECT a.mac FROM audit a WHERE a.id = 2) WHERE id = 1", 1),
    ],
)
def test_a_changed_trail_is_seen(trail: Database, change: str, broken: int) -> None:
    with trail.write() as connection:
        unguarded(connection)
        connection.execute(text(change))
        assert audit.first_broken(connection) == broken


@pytest.mark.parametrize(
    "change",
    ["before = '{'", "before = x'ff'", "before = printf('%.*c', 50000, '[')", "mac = x'00'", "at = 'never'"],
)
def test_a_row_that_cannot_be_read_is_seen(operational_db: Database, change: str) -> None:
    trail = filled(operational_db)
    with trail.write() as connection:
        unguarded(connection)
        connection.execute(text(f"UPDATE audit SET {change} WHERE id = 2"))
        assert audit.first_broken(connection) == 2


def chained(rows: Sequence[Any]) -> list[str]:
    """What somebody without the key can compute: the bare hashes of before."""
    macs, previous = [], audit.FIRST
    for row in rows:
        fields = {name: value for name, value in row._mapping.items() if name != "mac"}
        encoded = msgspec.json.Encoder(order="deterministic").encode(fields)
        previous = sha256(previous.encode() + encoded).hexdigest()
        macs.append(previous)
    return macs


def test_a_trail_written_anew_without_the_key_is_seen(trail: Database) -> None:
    with trail.write() as connection:
        unguarded(connection)
        connection.execute(text("UPDATE audit SET actor = 'nobody'"))
        for number, mac in enumerate(chained(rows(trail)), 1):
            connection.execute(text("UPDATE audit SET mac = :mac WHERE id = :id"), {"mac": mac, "id": number})
        assert audit.first_broken(connection) == 1


def test_another_key_does_not_verify(trail: Database) -> None:
    other = Database(trail.engine.url.render_as_string(hide_password=False), b"another key")
    with other.read() as connection:
        assert audit.first_broken(connection) == 1
    other.close()


def heads(db: Database) -> list[AuditHead]:
    return [AuditHead(row=row.id, mac=row.mac, at=row.at) for row in rows(db)]


def test_a_trail_without_its_end_differs_from_what_was_published(trail: Database) -> None:
    published = heads(trail)
    with trail.write() as connection:
        assert audit.differing(connection, published) == []
        unguarded(connection)
        connection.execute(text("DELETE FROM audit WHERE id > 1"))
        assert audit.first_broken(connection) is None, "its signatures cannot tell"
        assert audit.differing(connection, published) == published[1:]
        for n in range(5):  # and it goes on
            audit.record(connection, n, "tester", "probe", f"later/{n}")
        assert audit.first_broken(connection) is None
        assert audit.differing(connection, published) == published[1:]


def test_a_restore_tells_what_became_of_the_rows_it_discarded(trail: Database) -> None:
    published = heads(trail)
    with trail.write() as connection:
        unguarded(connection)
        connection.execute(text("DELETE FROM audit WHERE id > 1"))
        audit.record(connection, 10, "cli:ops", audit.RESTORE, "database")
        assert audit.differing(connection, published) == []
        # What is published behind it counts again, and so do the rows before it.
        later = AuditHead(row=5, mac="0" * 64, at=11)
        changed = AuditHead(row=1, mac="0" * 64, at=0)
        assert audit.differing(connection, [later, changed]) == [later, changed]


@pytest.mark.parametrize("changed", [None, 2])
def test_the_rows_of_before_are_checked_and_signed(any_db: Database, changed: int | None) -> None:
    with any_db.write() as connection:  # back to the version before the signatures
        for table in ("alembic_version", *(t.name for t in reversed(schema.metadata.sorted_tables))):
            connection.execute(text(f'DROP TABLE "{table}"'))
        for function in () if any_db.is_sqlite else ("audit_refuse", "audit_appended"):
            connection.execute(text(f"DROP FUNCTION {function}"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        previous = audit.FIRST
        for number in (1, 2, 3):
            row = {
                "id": number,
                "at": number,
                "actor": "li",
                "action": "save",
                "subject": "port/1",
                "before": None,
                "after": {"b": 1, "a": [2]},
                "reason": "因为",
            }
            encoded = msgspec.json.Encoder(order="deterministic").encode(row)
            previous = sha256(previous.encode() + encoded).hexdigest()
            stored = row | {
                "after": '{"b": 1, "a": [2]}',
                "hash": previous,
                "actor": "x" if number == changed else "li",
            }
            connection.execute(
                text(
                    "INSERT INTO audit (id, at, actor, action, subject, after, reason, hash) "
                    "VALUES (:id, :at, :actor, :action, :subject, :after, :reason, :hash)"
                ),
                stored,
            )
    migrate(any_db)
    found = rows(any_db)
    assert [row.id for row in found] == [1, 2, 3, 4]
    assert (found[3].actor, found[3].action) == ("pipeline", "sign")
    assert found[3].before == {"rows": 3, "hash": previous, "first_broken": changed}
    with any_db.write() as connection:
        assert audit.first_broken(connection) is None
        audit.record(connection, 5, "tester", "probe", "probe")
        assert audit.first_broken(connection) is None
    with pytest.raises(AntispamError, match="append-only"), any_db.write() as connection:
        connection.execute(text("DELETE FROM audit"))
