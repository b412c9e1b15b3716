"""A disk is full, ours or the far side's: nothing is lost, the error names the place, and work goes on with room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select

from pipeline.actions.orders.parties import load_parties
from pipeline.errors import AntispamError
from pipeline.file_exchange import SubmissionSource
from pipeline.files.results import Result, Results
from pipeline.files.source_file import SourceFile
from pipeline.ingest.files.ingester import Ingested
from pipeline.ingest.records.file_rows import RecordFile
from pipeline.ingest.records.folder import FolderError
from pipeline.ingest.records.order_exchange import Exchange
from pipeline.ingest.records.source import TRIES, SourceIntake
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.far_boss import BOSS_WORDS, FarParty
from tests.harness.migrated import migrated_database
from tests.harness.servers.openssh import OpenSsh
from tests.harness.small_disk import SmallDisk, small_disk
from tests.ingest.records.test_order_exchange import listed, numbers, states

pytestmark = pytest.mark.slow

NOW = 1_764_041_400_000
ROWS = b"line,id,result,reason\n" * 4000  # 88 kB
NO_ROOM = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", _env_file=None)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    db = migrated_database(settings)
    yield db
    db.close()


class Taken:
    """Each file is taken once, and has a long result."""

    def __init__(self) -> None:
        self.files: list[bytes] = []

    def ingest(self, opened: SourceFile) -> Ingested:
        self.files.append(opened.path.read_bytes())
        return Ingested(opened.path, accepted=1)

    def answer(self, file: RecordFile) -> bytes:
        return file.key.name.encode() + ROWS


def intake(
    url: str, settings: Settings, db: Database, ingest: Callable[[SourceFile], Ingested], answer: object, key: str = ""
) -> SourceIntake:
    declared = {"name": "acme", "port": "10690001", "url": url, "quiet": 0} | ({"key": key} if key else {})
    source = SubmissionSource.model_validate(declared)
    return SourceIntake(source, settings, db, ingest, threading.Event(), answer)  # type: ignore[arg-type]


def settled(db: Database) -> list[bool]:
    with db.read() as connection:
        return [row.settled_at is not None for row in connection.execute(select(schema.record_files))]


def names(far: Path) -> list[str]:
    return sorted(str(path.relative_to(far)) for path in far.rglob("*") if path.is_file() and path.name != ".filler")


@pytest.mark.parametrize("server", ["folder", "openssh"])
def test_results_wait_until_the_far_disk_has_room(
    disk: SmallDisk, settings: Settings, db: Database, tmp_path: Path, server: str
) -> None:
    """However often it was tried. The next file is taken meanwhile."""
    for name in ("done", "rejected"):
        (disk.path / name).mkdir()
    taken = Taken()
    ssh = OpenSsh(tmp_path / "ssh") if server == "openssh" else None
    if ssh is not None:
        ssh.up()
        settings.known_hosts_file.write_text(ssh.known_host())
    try:
        url = f"file://{disk.path}/*.csv" if ssh is None else ssh.url(disk.path / "*.csv")
        folder = intake(url, settings, db, taken.ingest, taken.answer, "" if ssh is None else str(ssh.key))
        (disk.path / "a.csv").write_bytes(b"a")
        (disk.path / "b.csv").write_bytes(b"b")
        disk.fill(left=8192)
        with structlog.testing.capture_logs() as said:
            for _ in range(TRIES + 3):
                folder.poll(NOW)
        assert sorted(taken.files) == [b"a", b"b"]
        assert names(disk.path) == ["a.csv", "b.csv"], "and no half of a result fills the disk"
        assert settled(db) == [False, False]
        refused = [line for line in said if line["event"] == "record_file_not_answered"]
        assert [line["file"] for line in refused] == ["a.csv", "b.csv"] * 2
        assert all(f".{line['file']}.result.csv.part: " in line["cause"] for line in refused)
        if ssh is None:
            assert all(line["cause"].endswith(NO_ROOM) for line in refused)
        disk.free()
        folder.poll(NOW)
        assert names(disk.path) == ["a.csv.result.csv", "b.csv.result.csv", "done/a.csv", "done/b.csv"]
        assert (disk.path / "a.csv.result.csv").read_bytes() == b"a.csv" + ROWS
        assert settled(db) == [True, True]
        folder.poll(NOW)
        assert len(taken.files) == 2
    finally:
        if ssh is not None:
            ssh.down()


@pytest.fixture
def far(tmp_path: Path) -> Path:
    for name in ("done", "rejected"):
        (tmp_path / "far" / name).mkdir(parents=True)
    return tmp_path / "far"


def test_a_file_waits_at_the_far_side_until_our_disk_has_room(far: Path, settings: Settings, db: Database) -> None:
    taken = Taken()
    with small_disk(settings.data_dir / "records") as disk:
        folder = intake(f"file://{far}/*.csv", settings, db, taken.ingest, taken.answer)
        (far / "a.csv").write_bytes(b"a" * 100_000)
        (disk.path / "acme" / "spool").mkdir(parents=True)
        (disk.path / "acme" / "rejected").mkdir()
        disk.fill(left=8192)
        for _ in range(TRIES + 3):
            with pytest.raises(FolderError, match=f"acme/spool: {NO_ROOM}"):
                folder.poll(NOW)
        assert not list((disk.path / "acme" / "spool").iterdir())
        assert names(far) == ["a.csv"]
        disk.free()
        folder.poll(NOW)
        folder.poll(NOW)
        assert taken.files == [b"a" * 100_000]
        assert names(far) == ["a.csv.result.csv", "done/a.csv"]


def test_a_file_whose_rows_find_no_room_is_not_given_up(far: Path, settings: Settings, db: Database) -> None:
    """It is fetched, and there is no room for what became of its lines."""
    with small_disk(settings.data_dir / "records") as disk:
        rows = disk.path / "rows"

        def ingest(opened: SourceFile) -> Ingested:
            with Results(rows) as results:
                for line in range(2, 4000):
                    results.add(line, f"id{line}", Result.ACCEPTED)
                results.flush()
            return Ingested(opened.path, accepted=3998)

        folder = intake(f"file://{far}/*.csv", settings, db, ingest, lambda _: rows.read_bytes())
        (far / "a.csv").write_bytes(b"a")
        (disk.path / "acme" / "spool").mkdir(parents=True)
        (disk.path / "acme" / "rejected").mkdir()
        disk.fill(left=16_384)
        for _ in range(TRIES + 3):
            with pytest.raises(AntispamError, match=f"{rows}: {NO_ROOM}"):
                folder.poll(NOW)
        assert not list((disk.path / "acme" / "rejected").iterdir())
        disk.free()
        folder.poll(NOW)
        folder.poll(NOW)
        assert names(far) == ["a.csv.result.csv", "done/a.csv"]
        assert (far / "a.csv.result.csv").read_bytes().count(b"\n") == 3998


def test_orders_wait_until_the_disk_of_boss_has_room(disk: SmallDisk, tmp_path: Path) -> None:
    boss = FarParty(disk.path, "boss", BOSS_WORDS)
    settings = Settings.model_validate({"data_dir": tmp_path / "data", "order_exchanges": [boss.settings()]})
    db = migrated_database(settings)
    clock = [NOW / 1000]
    exchange = Exchange(
        settings.order_exchanges[0], load_parties(settings), settings, db, threading.Event(), lambda: clock[0]
    )
    given = numbers(300)
    listed(db, settings, given)
    disk.fill(left=4096)
    for _ in range(TRIES + 3):
        clock[0] += 60
        with pytest.raises(FolderError, match=f"boss-in/.orders-.*: {NO_ROOM}"):
            exchange.visit()
        assert boss.take() == []
    assert sum(states(db).values()) == 300
    disk.free()
    clock[0] += 60
    exchange.visit()
    assert sorted(order["号码"] for order in boss.take()) == given
    boss.answer(boss.orders, lambda _: "增加")
    while exchange.visit():
        continue
    assert set(boss.sent.values()) == {1}
    assert states(db) == {("suspect", "confirmed"): 300}
    db.close()
