"""What an SMSC lays down is taken once, whole and only when finished, whatever breaks in between."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import IngestProgress
from pipeline.file_exchange import BlacklistTarget, RecordSource
from pipeline.files.columns import Columns
from pipeline.files.source_file import SourceFile
from pipeline.ingest.files.ingester import Ingested
from pipeline.ingest.records.folder import FolderError
from pipeline.ingest.records.role import backoff, write_blacklist
from pipeline.ingest.records.source import TRIES, SourceIntake
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.database import Database
from tests.harness.migrated import migrated_database
from tests.harness.servers.far_servers import PASSWORD, FarFtp, FarServer, FarSftp

pytestmark = pytest.mark.long

NOW = 1_760_000_000_000


class Topic:
    """Stands for `Ingester`: keeps each content once, by its hash; may be killed or down."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.order: list[bytes] = []
        self.fault: Exception | None = None

    def __call__(self, source: SourceFile) -> Ingested:
        if self.fault is not None:
            raise self.fault
        content = source.path.read_bytes()
        for _ in source.rows(source.table([Columns(("a",), frozenset("a"))])):
            pass
        if source.digest in self.files:
            done = IngestProgress(file=source.digest, topic="records", lines=1, accepted=1, rejected=0, done=True, at=0)
            return Ingested(source.path, skipped=1, before=done)
        self.files[source.digest] = content
        self.order.append(content)
        return Ingested(source.path, accepted=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    db = migrated_database(settings)
    yield db
    db.close()


@pytest.fixture(params=["ftp", "sftp"])
def far(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FarServer]:
    """A server with a folder /out; its password in the environment, its host key known."""
    monkeypatch.setenv("ANTISPAM_SOURCE_SMSC_1_SECRET", PASSWORD)
    (tmp_path / "far" / "out" / "done").mkdir(parents=True)
    server: FarServer = FarFtp(tmp_path / "far") if request.param == "ftp" else FarSftp(tmp_path / "far")
    settings.data_dir.mkdir()
    if isinstance(server, FarSftp):
        settings.known_hosts_file.write_text(server.known_host())
    server.up()
    yield server
    server.close()


def lay(far: FarServer, name: str, content: bytes, at: int = 1_700_000_000) -> Path:
    path = far.root / "out" / name
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def intake(far: FarServer, settings: Settings, db: Database, topic: Topic, **options: object) -> SourceIntake:
    source = RecordSource.model_validate({"name": "smsc-1", "url": far.url("*.csv*"), "quiet": 0, **options})
    return SourceIntake(source, settings, db, topic, threading.Event())


def states(db: Database) -> list[str]:
    with db.read() as connection:
        return list(connection.execute(select(schema.record_files.c.state)).scalars())


def spool(settings: Settings) -> list[Path]:
    return list((settings.data_dir / "records" / "smsc-1" / "spool").iterdir())


def test_half_written_file_is_waited_for(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    source = intake(far, settings, db, topic, quiet=30)
    lay(far, "a.csv", b"a\n1\n")
    for name in (".a.csv", "b.csv.part", "c.tmp", "d.txt"):
        lay(far, name, b"a\n0\n")
    source.poll(NOW)
    lay(far, "a.csv", b"a\n1\n2\n")
    source.poll(NOW + 29_999)
    source.poll(NOW + 59_998)
    lay(far, "a.csv", b"a\n1\n3\n", at=1_700_000_001)  # the same size: its time tells
    source.poll(NOW + 59_999)
    source.poll(NOW + 89_998)
    assert topic.order == []
    source.poll(NOW + 89_999)
    assert topic.order == [b"a\n1\n3\n"]
    source.poll(NOW + 200_000)
    assert len(topic.order) == 1
    assert spool(settings) == []


def test_marker_says_that_a_file_is_finished_and_goes_with_it(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    source = intake(far, settings, db, topic, marker=".ok", after="delete")
    path = lay(far, "a.csv", b"a\n1\n")
    source.poll(NOW)
    assert topic.order == []
    marker = lay(far, "a.csv.ok", b"")
    assert source.poll(NOW)
    assert path.exists()  # only a visit after the ingestion deletes
    source.poll(NOW)
    assert topic.order == [b"a\n1\n"]
    assert not path.exists()
    assert not marker.exists()


def test_connection_cut_in_the_middle(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    source = intake(far, settings, db, topic)
    content = b"a\n" + os.urandom(1 << 20).hex().encode() + b"\n"
    lay(far, "a.csv", content)
    far.cut_after = 3
    with pytest.raises(FolderError):
        source.poll(NOW)
    assert topic.order == []
    assert all(path.suffix == ".part" for path in spool(settings))
    with pytest.raises(FolderError):  # down for good now, or cut again
        source.poll(NOW)
    far.cut_after = None
    far.down()
    far.up()
    source.poll(NOW)
    assert topic.order == [content]
    assert states(db) == ["ingested"]


def test_short_transfer_that_the_server_calls_a_success(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    source = intake(far, settings, db, topic)
    content = b"a\n" + os.urandom(1 << 20).hex().encode() + b"\n"
    lay(far, "a.csv", content)
    far.short = True
    source.poll(NOW)
    assert topic.order == []
    far.short = False
    source.poll(NOW)
    assert topic.order == [content]


def test_server_that_is_down_does_not_keep_the_spool_waiting(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    lay(far, "a.csv", b"a\n1\n")
    topic.fault = AntispamError("the broker does not answer")
    with pytest.raises(AntispamError, match="broker"):
        intake(far, settings, db, topic).poll(NOW)
    (far.root / "out" / "a.csv").unlink()
    far.down()
    topic.fault = None
    with pytest.raises(FolderError):  # a process started anew: the far side is gone, the spool is not
        intake(far, settings, db, topic).poll(NOW)
    assert topic.order == [b"a\n1\n"]
    far.up()
    lay(far, "b.csv", b"a\n2\n")
    intake(far, settings, db, topic).poll(NOW)
    assert topic.order == [b"a\n1\n", b"a\n2\n"]


def test_same_bytes_once_and_same_name_with_other_bytes_again(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    source = intake(far, settings, db, topic, after="move")
    lay(far, "a.csv", b"a\n1\n")
    lay(far, "b.csv", b"a\n1\n")
    while source.poll(NOW):
        pass
    lay(far, "a.csv", b"a\n2\n")
    while source.poll(NOW):
        pass
    assert topic.order == [b"a\n1\n", b"a\n2\n"]
    digest = sha256(b"a\n2\n").hexdigest()[:12]
    moved = {path.name: path.read_bytes() for path in (far.root / "out" / "done").iterdir()}
    assert moved == {"a.csv": b"a\n1\n", "b.csv": b"a\n1\n", f"a.csv.{digest}": b"a\n2\n"}


def test_replaced_file_is_not_deleted(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    source = intake(far, settings, db, topic, after="delete")
    lay(far, "a.csv", b"a\n1\n")
    source.poll(NOW)
    lay(far, "a.csv", b"a\n23\n")
    source.poll(NOW)
    assert topic.order == [b"a\n1\n", b"a\n23\n"]


def test_the_files_of_three_visits_in_order_of_time(
    far: FarServer, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.ingest.records.source.FETCHED_AT_ONCE", 20)
    count, topic = 50, Topic()
    source = intake(far, settings, db, topic)
    for n in range(count):
        lay(far, f"{(n * 7919) % count:04}.csv", b"a\n%d\n" % n, at=1_700_000_000 + n)
    while source.poll(NOW):
        pass
    assert topic.order == [b"a\n%d\n" % n for n in range(count)]
    source.poll(NOW)
    assert len(topic.order) == count


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("a.csv.gz", gzip.compress(os.urandom(5000).hex().encode())[:-900], "end-of-stream"),
        ("a.csv", "编号,内容\n".encode("utf-16"), "first line holds NUL"),
        ("a.csv", b"a\n" + b"\xff\xff\n" * 100, "100 of 101 lines cannot be decoded"),
    ],
    ids=["gzip-cut", "utf-16", "latin-1"],
)
def test_unreadable_file_is_kept_with_its_cause(
    far: FarServer, settings: Settings, db: Database, name: str, content: bytes, cause: str
) -> None:
    topic = Topic()
    source = intake(far, settings, db, topic, after="delete")
    path = lay(far, name, content)
    lay(far, "b.csv", b"a\n1\n")
    while source.poll(NOW):
        pass
    source.poll(NOW)
    assert topic.order == [b"a\n1\n"]
    assert path.exists()
    kept, why = sorted((settings.data_dir / "records" / "smsc-1" / "rejected").iterdir(), key=lambda p: len(p.name))
    assert kept.read_bytes() == content
    assert cause in why.read_text()
    assert sorted(states(db)) == ["removed", "unreadable"]


def test_refused_file_is_given_up_and_stops_no_other(far: FarServer, settings: Settings, db: Database) -> None:
    topic = Topic()
    source = intake(far, settings.model_copy(update={"record_file_bytes": 10}), db, topic)
    lay(far, "a.csv", b"a\n" + b"1\n" * 50)
    lay(far, "b.csv", b"a\n1\n")
    for _ in range(TRIES + 1):
        source.poll(NOW)
    assert topic.order == [b"a\n1\n"]
    assert states(db).count("ingested") == 1


def test_wrong_password_is_refused(
    far: FarServer, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTISPAM_SOURCE_SMSC_1_SECRET", "another")
    with pytest.raises(FolderError) as caught:
        intake(far, settings, db, Topic()).poll(NOW)
    assert "another" not in str(caught.value)


@pytest.mark.parametrize("known", [None, "", "another"])
def test_unknown_host_key_is_refused(
    tmp_path: Path, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch, known: str | None
) -> None:
    monkeypatch.setenv("ANTISPAM_SOURCE_SMSC_1_SECRET", PASSWORD)
    (tmp_path / "far" / "out").mkdir(parents=True)
    far = FarSftp(tmp_path / "far")
    other = FarSftp(tmp_path / "far")
    try:
        far.up()
        other.port = far.port
        if known is not None:
            settings.known_hosts_file.write_text(other.known_host() if known else "")
        lay(far, "a.csv", b"a\n1\n")
        topic = Topic()
        with pytest.raises(FolderError):
            intake(far, settings, db, topic).poll(NOW)
        assert topic.order == []
    finally:
        far.close()
        other.close()


def test_black_list_goes_round(far: FarServer, settings: Settings, db: Database) -> None:
    target = BlacklistTarget(
        name="smsc-1",
        url=far.url("black.csv"),
        columns={"value": "号码", "reason": "原因"},
        encoding="gbk",
        delimiter=";",
    )
    path = far.root / "out" / "black.csv"

    def add(value: str, list_name: str = "black", expires_at: int | None = None) -> None:
        row = {"list": list_name, "value": value, "entity": "sender", "reason": "诈骗\n😀", "added_by": "t"}
        with db.write() as connection:
            connection.execute(insert(schema.list_entries).values(**row, added_at=NOW, expires_at=expires_at))

    assert not write_blacklist(target, settings, db, NOW)  # never had an entry: nothing is undone over there
    assert not path.exists()
    add("106900012")
    add("106900011", expires_at=NOW + MINUTE_MS)
    add("106900013", list_name="allow")
    assert write_blacklist(target, settings, db, NOW)
    assert path.read_bytes().decode("gbk") == "号码;原因\n106900011;诈骗 ?\n106900012;诈骗 ?\n"
    assert not write_blacklist(target, settings, db, NOW + 1)
    far.down()
    with pytest.raises(FolderError):
        write_blacklist(target, settings, db, NOW + MINUTE_MS)
    far.up()
    assert write_blacklist(target, settings, db, NOW + MINUTE_MS)
    assert path.read_bytes().decode("gbk") == "号码;原因\n106900012;诈骗 ?\n"
    assert [p.name for p in path.parent.iterdir() if p.is_file()] == ["black.csv"]
    with db.read() as connection:
        rows = connection.execute(select(schema.audit)).mappings().all()
        assert audit.first_broken(connection) is None
    assert [row["after"]["entries"] for row in rows] == [2, 1]
    assert "1069" not in str(rows)


def test_pause_grows_and_ends() -> None:
    assert [backoff(30).pause(n) for n in (1, 2, 3, 4, 99)] == [60, 120, 240, 300, 300]
    assert backoff(900).pause(5) == 900
