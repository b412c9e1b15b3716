"""A backup holds everything and says when it does not; a restored database goes on where it was."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from pipeline.errors import AntispamError
from pipeline.rules.ports import PortEntry
from pipeline.store import audit, positions, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.backup import backup, restore
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.harness.migrated import migrated_sqlite

pytestmark = pytest.mark.long

ADMIN = User("admin", Role.ADMINISTRATOR)


def fill(db: Database) -> None:
    registry.save_port(db, ADMIN, PortEntry(code="10690001", enterprise="ent-1", signatures=("签名",)), 1)
    registry.add_list_entry(db, ADMIN, "black", "13800138000", "因为", 99, 2)
    with db.write() as connection:
        connection.execute(
            insert(schema.callbacks),
            {"port": "1", "url": "u", "body": b"\x00\xff body", "created_at": 1, "due_at": None},
        )
        connection.execute(
            insert(schema.users), {"name": "a", "role": "viewer", "scope": {"city": "杭州"}, "created_at": 1}
        )
        positions.set_only_log(connection, "relay", "cluster/topic", 3)


def rows(db: Database) -> dict[str, list[tuple[object, ...]]]:
    with db.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=str)
            for table in schema.metadata.sorted_tables
        }


def restored(db: Database, held: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """What a database holds after the restore of what `held` it: the relay's position gone, and a row that tells."""
    with db.read() as connection:
        told = tuple(connection.execute(select(schema.audit).order_by(schema.audit.c.id.desc()).limit(1)).one())
    total = sum(len(found) for found in held.values())
    assert told[1:8] == (3, "cli:ops", "restore", "database", None, {"rows": total}, "")
    (counter,) = held["epochs"]
    own = {"positions": [], "audit": sorted([*held["audit"], told], key=str), "epochs": [(1, counter[1] + 1)]}  # type: ignore[operator]
    return held | own


@pytest.fixture
def other_db(tmp_path: Path) -> Database:
    return migrated_sqlite(tmp_path / "other.db")


@pytest.mark.parametrize("target", ["operational_db", "postgres_db"])
def test_a_backup_restores_everything_on_either_database(
    request: pytest.FixtureRequest, any_db: Database, other_db: Database, target: str, tmp_path: Path
) -> None:
    fill(any_db)
    total = backup(any_db, tmp_path / "b")
    expected = rows(any_db)
    assert total == sum(len(found) for found in expected.values())
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    into: Database = request.getfixturevalue(target)
    if into.engine.url == any_db.engine.url:
        into = other_db
    restore(into, tmp_path / "b", "cli:ops", 3, replace=False)
    assert rows(into) == restored(into, expected)
    registry.save_port(into, ADMIN, PortEntry(code="10690002"), 3)  # ids and chain go on
    with into.write() as connection:
        connection.execute(
            insert(schema.callbacks), {"port": "1", "url": "u", "body": b"", "created_at": 1, "due_at": None}
        )
        assert audit.first_broken(connection) is None


def test_a_database_that_holds_something_is_only_replaced_when_told(any_db: Database, tmp_path: Path) -> None:
    fill(any_db)
    backup(any_db, tmp_path / "b")
    kept = rows(any_db)
    registry.save_port(any_db, ADMIN, PortEntry(code="10690002"), 3)
    with pytest.raises(AntispamError, match="not empty"):
        restore(any_db, tmp_path / "b", "cli:ops", 3, replace=False)
    restore(any_db, tmp_path / "b", "cli:ops", 3, replace=True)
    assert rows(any_db) == restored(any_db, kept)
    with pytest.raises(AntispamError, match="append-only"), any_db.write() as connection:
        connection.execute(text("DELETE FROM audit"))


@pytest.mark.parametrize(
    "damage", ["truncated", "flipped", "row lost", "audit changed", "no backup", "empty", "format"]
)
def test_a_damaged_backup_changes_nothing(
    operational_db: Database, other_db: Database, damage: str, tmp_path: Path
) -> None:
    fill(operational_db)
    path = tmp_path / "b"
    backup(operational_db, path)
    raw = path.read_bytes()
    lines = gzip.decompress(raw).splitlines(keepends=True)
    if damage == "truncated":
        raw = raw[: len(raw) // 2]
    elif damage == "flipped":
        raw = raw[:-6] + bytes([raw[-6] ^ 1]) + raw[-5:]
    elif damage == "row lost":
        raw = gzip.compress(b"".join(lines[:-1]))
    elif damage == "audit changed":
        raw = gzip.compress(b"".join(lines).replace("因为".encode(), "所以".encode()))
    elif damage == "format":
        raw = gzip.compress(b'{"format":"x","revision":"1","rows":{}}\n')
    else:
        raw = b"" if damage == "empty" else b"hello"
    path.write_bytes(raw)
    before = rows(other_db)
    with pytest.raises(AntispamError):
        restore(other_db, path, "cli:ops", 3, replace=True)
    assert rows(other_db) == before


def test_a_backup_that_fails_leaves_no_file(operational_db: Database, tmp_path: Path) -> None:
    with operational_db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(AntispamError, match="0001"):
        backup(operational_db, tmp_path / "b")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("b")] == []
