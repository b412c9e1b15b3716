"""A file that an enterprise puts into its folder is submitted once, and its result lies beside it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message
from sqlalchemy import select

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.events import Submission
from pipeline.file_exchange import SubmissionSource
from pipeline.files.results import Result, Results
from pipeline.files.source_file import SourceFile
from pipeline.ingest.files.ingester import Ingested
from pipeline.ingest.files.line_kinds import KINDS
from pipeline.ingest.records.file_rows import UNREADABLE, FileKey, RecordFile
from pipeline.ingest.records.role import run_files
from pipeline.ingest.records.source import TRIES, SourceIntake
from pipeline.ingest.records.submission_drop import FORGOTTEN, SubmissionDrop
from pipeline.kafka import replay as replay_module
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.run.child import free_port
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.in_thread import in_thread
from tests.harness.migrated import migrated_database
from tests.harness.processes.forked import Forked
from tests.harness.processes.workers import publish, settings_for
from tests.harness.servers.openssh import OpenSsh

PORT = "10690001"
NOW = 1_760_000_000_000
LANES = (topics.SUBMISSIONS_EXPRESS.name, topics.SUBMISSIONS_BULK.name)


def lines(prefix: str, count: int, port: str = PORT) -> bytes:
    rows = [f"{prefix}{n},{port},138{n:08d},【示例】第{n}条" for n in range(count)]
    return ("\n".join(["id,port,recipients,content", *rows]) + "\n").encode()


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def until(condition: Callable[[], bool], what: str, deadline: float = 90) -> None:
    end = monotonic() + deadline
    while not condition():
        assert monotonic() < end, f"not in time: {what}"
        sleep(0.05)


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """The enterprise's folder."""
    for name in ("done", "rejected"):
        (tmp_path / "far" / name).mkdir(parents=True)
    return tmp_path / "far"


def source(far: Path, name: str = "acme", **options: Any) -> SubmissionSource:
    return SubmissionSource.model_validate(
        {"name": name, "port": PORT, "url": f"file://{far}/*", "quiet": 0, **options}
    )


def names(far: Path) -> list[str]:
    return sorted(str(path.relative_to(far)) for path in far.rglob("*") if path.is_file())


# The folder, without a broker


class Taken:
    """Stands for `SubmissionDrop`: the files taken, each answered with its first line."""

    def __init__(self) -> None:
        self.files: list[bytes] = []

    def ingest(self, opened: SourceFile) -> Ingested:
        self.files.append(opened.path.read_bytes())
        return Ingested(opened.path, accepted=1)

    def answer(self, file: Any) -> bytes:
        return f"{file.key.name} {file.cause}".strip().encode()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", record_file_bytes=1000)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    db = migrated_database(settings)
    yield db
    db.close()


def intake(far: Path, settings: Settings, db: Database, taken: Taken, **options: Any) -> SourceIntake:
    return SourceIntake(
        source(far, **options), settings, db, taken.ingest, threading.Event(), taken.answer, most_unpacked=2000
    )


def test_a_file_is_moved_once_its_result_lies_beside_it(far: Path, settings: Settings, db: Database) -> None:
    taken = Taken()
    (far / "a.csv").write_bytes(b"one")
    (far / "b.csv.part").write_bytes(b"half of a file")
    (far / ".c.csv").write_bytes(b"half of a file")
    folder = intake(far, settings, db, taken)
    assert folder.poll(NOW)
    assert names(far) == [".c.csv", "a.csv", "b.csv.part"]
    for _ in range(3):
        folder.poll(NOW)
    assert taken.files == [b"one"]  # results are not taken for files of submissions
    assert names(far) == [".c.csv", "a.csv.result.csv", "b.csv.part", "done/a.csv"]
    assert (far / "a.csv.result.csv").read_bytes() == b"a.csv"


def test_what_nobody_can_read_goes_to_the_rejected_with_its_reason(far: Path, settings: Settings, db: Database) -> None:
    taken = Taken()
    (far / "empty.csv").write_bytes(b"\0\1\2")
    (far / "large.csv").write_bytes(b"x" * 1001)
    (far / "bomb.csv.gz").write_bytes(gzip.compress(b"\n" * 2001))
    folder = intake(far, settings, db, taken, after="delete")
    for _ in range(3):
        folder.poll(NOW)
    assert taken.files == []
    answers = [f"{name}.result.csv" for name in ("bomb.csv.gz", "empty.csv", "large.csv")]
    assert names(far) == [*answers, "rejected/bomb.csv.gz", "rejected/empty.csv", "rejected/large.csv"]
    assert (far / "large.csv.result.csv").read_text() == "large.csv 1001 bytes, at most 1000"
    assert "more than 2000 bytes when unpacked" in (far / "bomb.csv.gz.result.csv").read_text()
    assert "NUL" in (far / "empty.csv.result.csv").read_text()
    again = intake(far, settings, db, taken)  # a process that starts anew
    again.poll(NOW)
    assert names(far)[:3] == answers


def test_a_result_that_cannot_be_put_is_tried_again_and_given_up(far: Path, settings: Settings, db: Database) -> None:
    taken = Taken()
    (far / "a.csv").write_bytes(b"one")
    (far / "a.csv.result.csv").mkdir()  # nothing can be renamed to it
    folder = intake(far, settings, db, taken)

    def open_rows() -> int:
        with db.read() as connection:
            rows = connection.execute(select(schema.record_files.c.settled_at)).scalars().all()
        return rows.count(None)

    for _ in range(TRIES):
        folder.poll(NOW)
        assert open_rows() == 1
    folder.poll(NOW)
    assert (open_rows(), names(far)) == (0, [".a.csv.result.csv.part", "a.csv"])
    folder.poll(NOW)
    assert taken.files == [b"one"]


# The lines, on a broker


@pytest.fixture
def deployment(embedded_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A deployment with two registered ports."""
    monkeypatch.setattr(replay_module, "QUIET", 0.1)
    made = settings_for(embedded_broker, tmp_path)
    ensure_topics(embedded_broker, made)
    publish(made, [("port", code, f'{{"code": "{code}"}}') for code in (PORT, "10690002")], int(time() * 1000))
    return made


def submitted(settings: Settings, prefix: str) -> Counter[str]:
    """How often each id of this test lies on the topics of submissions."""
    found: Counter[str] = Counter()

    def take(message: Message) -> None:
        submission = msgspec.json.decode(message.value() or b"", type=Submission)
        if submission.id.startswith(prefix):
            found[submission.id] += 1

    consumer = reader(settings, "test")
    replay(consumer, [(lane, p) for lane in LANES for p in range(settings.partitions)], take)
    consumer.close()
    return found


@pytest.mark.long
@pytest.mark.broker
def test_each_line_is_accepted_or_refused_with_its_reason(deployment: Settings, far: Path, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}-"
    own = [
        f"{prefix}1,{PORT},13800000001,【示例】一",
        f"{prefix}2,{PORT}55,13800000002;13800000003,【示例】二",
        f"{prefix}3,10690002,13800000001,【示例】三",
        f",{PORT},13800000001,【示例】四",
        f"{prefix}1,{PORT},13800000001,【示例】五",
        f"{prefix}6,{PORT},nobody,【示例】六",
    ]
    content = "\n".join(["id,port,recipients,content", *own]).encode()
    migrated_database(deployment).close()
    results = {}
    for folder in ("acme", "other"):  # the same bytes in another's folder are another file
        with_port = source(far, folder, port=PORT if folder == "acme" else "10690002")
        settled = folder_run(with_port, deployment, far, {"a.csv": content, "b.csv": content})
        results[folder] = settled
    acme = results["acme"]["a.csv"]
    assert [(row["line"], row["result"]) for row in acme] == [
        ("2", "accepted"),
        ("3", "accepted"),
        ("4", "refused"),
        ("5", "accepted"),
        ("6", "refused"),
        ("7", "refused"),
    ]
    assert [row["id"] for row in acme[:3]] == [f"{prefix}1", f"{prefix}2", ""]
    assert acme[3]["id"].endswith("-5")
    assert acme[2]["reason"] == "port: not the port of this folder, nor an extension of it"
    assert acme[4]["reason"] == "id: used before in this file"
    assert acme[5]["reason"].startswith("recipients: ")
    assert results["acme"]["b.csv"] == acme
    assert [row["result"] for row in results["other"]["a.csv"]].count("accepted") == 1
    assert submitted(deployment, prefix) == Counter([f"{prefix}1", f"{prefix}2", f"{prefix}3"])
    given_up = RecordFile(FileKey("acme", "a.csv", 1, "1"), UNREADABLE, sha256(content).hexdigest(), "fault")
    drop = SubmissionDrop(source(far), deployment)
    assert rows_of(drop.answer(given_up))[:-1] == acme
    drop.close()
    for kept in (deployment.data_dir / "records" / "acme" / "results").iterdir():
        kept.unlink()
    header = b"id,port,recipients,content\n\n"
    told = folder_run(source(far), deployment, far, {"c.csv": content, "header.csv": header, "copy.csv": header})
    assert [(row["result"], row["reason"]) for row in told["c.csv"]] == [("duplicate", FORGOTTEN)]
    assert [(row["result"], row["reason"]) for row in told["header.csv"]] == [("refused", "header.csv: no lines")]
    assert [(row["result"], row["reason"]) for row in told["copy.csv"]] == [("refused", "copy.csv: no lines")]


def folder_run(
    declared: SubmissionSource, settings: Settings, far: Path, files: dict[str, bytes]
) -> dict[str, list[dict[str, str]]]:
    """The results of these files, taken by the role."""
    for name, content in files.items():
        (far / name).write_bytes(content)
    stop = threading.Event()
    own = settings.model_copy(update={"submission_sources": (declared,), "record_poll": 0.1})
    with in_thread(lambda: run_files(own, stop), stop.set):
        until(lambda: all((far / f"{name}.result.csv").exists() for name in files), "the results")
        until(lambda: not any((far / name).exists() for name in files), "the files moved")
    found = {name: rows_of((far / f"{name}.result.csv").read_bytes()) for name in files}
    for name in files:
        (far / f"{name}.result.csv").unlink()
    return found


def test_a_disk_that_is_full_makes_no_file_unreadable(
    far: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __init__(self, *_: object) -> None: ...

        def forget_ports(self) -> None: ...

        def ingest(self, *_: object) -> Ingested:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.ingest.records.submission_drop.Ingester", Full)
    with pytest.raises(AntispamError, match="No space left"):
        SubmissionDrop(source(far), settings).ingest(SourceFile(far / "a", "00", 1, "utf-8", "csv"), lambda *_: None)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"id,port,recipients,content\n"], ids=["empty", "blank", "header"])
def test_a_file_without_a_line_is_refused(
    far: Path, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A copy of it, too: it is no duplicate of a file that was taken."""

    class Broker:
        def __init__(self, *_: object) -> None: ...

        def forget_ports(self) -> None: ...

        def ingest(self, opened: SourceFile, *_: object) -> Ingested:
            assert list(opened.rows(opened.table([KINDS["submissions"].columns(settings)]))) == []
            return Ingested(opened.path)

        def committed(self, digest: str) -> int:
            return 0

    monkeypatch.setattr("pipeline.ingest.records.submission_drop.Ingester", Broker)
    drop = SubmissionDrop(source(far), settings)
    folder = SourceIntake(
        source(far), settings, db, lambda opened: drop.ingest(opened, lambda *_: None), threading.Event(), drop.answer
    )
    (far / "a.csv").write_bytes(content)
    for _ in range(3):
        folder.poll(NOW)
    assert names(far) == ["a.csv.result.csv", "rejected/a.csv"]
    [row] = rows_of((far / "a.csv.result.csv").read_bytes())
    assert (row["line"], row["result"], row["reason"]) == ("", "refused", "a.csv: no lines")


def test_a_file_given_up_in_the_middle_has_the_rows_of_its_committed_lines(
    far: Path, settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broker:
        def __init__(self, *_: object) -> None: ...

        def forget_ports(self) -> None: ...

        def ingest(self, opened: SourceFile, report: object, results: Path) -> Ingested:
            with Results(results) as rows:
                for line in (2, 3, 4):
                    rows.add(line, f"id{line}", Result.ACCEPTED)
                raise ZeroDivisionError

        def committed(self, digest: str) -> int:
            return 3

    monkeypatch.setattr("pipeline.ingest.records.submission_drop.Ingester", Broker)
    drop = SubmissionDrop(source(far), settings)
    folder = SourceIntake(
        source(far), settings, db, lambda opened: drop.ingest(opened, lambda *_: None), threading.Event(), drop.answer
    )
    (far / "a.csv").write_bytes(b"any")
    for _ in range(TRIES - 1):
        with pytest.raises(ZeroDivisionError):
            folder.poll(NOW)
    for _ in range(2):
        folder.poll(NOW)
    assert names(far) == ["a.csv.result.csv", "rejected/a.csv"]
    rows = rows_of((far / "a.csv.result.csv").read_bytes())
    cause = f"ZeroDivisionError in each of {TRIES} tries"
    assert [(row["line"], row["result"], row["reason"]) for row in rows] == [
        ("2", "accepted", ""),
        ("3", "accepted", ""),
        ("", "refused", cause),
    ]


# OpenSSH, and kill -9


@pytest.mark.slow
@pytest.mark.kafka
def test_openssh_serves_the_folder_and_every_kill_is_survived(kafka_broker: str, tmp_path: Path, far: Path) -> None:
    """Killed with the file in the spool, in the middle of its lines, and between the last line and the result.

    On Kafka only: on the embedded broker the open transactions of the dead surface (docs/brokers.md).
    """
    prefix, count = f"{tmp_path.parent.name}-{tmp_path.name}-", 20_000
    settings = settings_for(kafka_broker, tmp_path)
    ensure_topics(kafka_broker, settings)
    publish(settings, [("port", PORT, f'{{"code": "{PORT}"}}')], int(time() * 1000))
    db = migrated_database(settings)
    server = OpenSsh(tmp_path / "ssh")
    settings.known_hosts_file.write_text(server.known_host())
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.csv").write_bytes(lines(prefix, count) + f"{prefix}x,10690002,13800000001,【示例】外\n".encode())
    declared = {
        "name": "acme",
        "port": PORT,
        "url": server.url(far / "*.csv"),
        "key": str(server.key),
        "quiet": 0,
    }
    environment = {
        **os.environ,
        "ANTISPAM_DATA_DIR": str(settings.data_dir),
        "ANTISPAM_SESSION_TIMEOUT": "6",
        "ANTISPAM_RECORD_POLL": "0.1",
        "ANTISPAM_SUBMISSION_SOURCES": json.dumps([declared]),
    }
    folder = settings.data_dir / "records" / "acme"

    def killed_once(condition: Callable[[], bool], what: str, kafka: str = kafka_broker) -> None:
        process = Forked("serve", "files", env=environment | {"ANTISPAM_KAFKA": kafka})
        try:
            until(condition, what)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)

    def state() -> list[tuple[str, bool]]:
        with db.read() as connection:
            rows = connection.execute(select(schema.record_files)).all()
        return [(row.state, row.settled_at is not None) for row in rows]

    def written() -> int:
        return sum(path.stat().st_size for path in (folder / "results").glob("*"))

    server.up()
    try:
        server.client(f"put {mine}/a.csv {far}/.a.csv.part", f"rename {far}/.a.csv.part {far}/a.csv")
        killed_once(lambda: any((folder / "spool").glob("*.csv")), "the file in the spool", f"127.0.0.1:{free_port()}")
        server.down()
        assert written() == 0
        for share in (0.1, 0.5, 0.8):
            killed_once(lambda: written() > share * 30 * count, f"{share} of the lines")  # noqa: B023 - called at once
        assert state() != [("ingested", True)]
        killed_once(lambda: state() == [("ingested", False)], "all lines admitted")
        assert names(far) == ["a.csv"]
        server.up()
        process = Forked("serve", "files", env=environment | {"ANTISPAM_KAFKA": kafka_broker})
        try:
            until(lambda: state() == [("removed", True)], "the result put")
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        server.client(f"get {far}/a.csv.result.csv {mine}/result.csv", f"rm {far}/a.csv.result.csv")
    finally:
        server.down()
    found = rows_of((mine / "result.csv").read_bytes())
    assert [row["line"] for row in found] == [str(n) for n in range(2, count + 3)]
    assert [row["id"] for row in found] == [*(f"{prefix}{n}" for n in range(count)), ""]
    assert Counter(row["result"] for row in found) == {"accepted": count, "refused": 1}
    assert submitted(settings, prefix) == Counter(f"{prefix}{n}" for n in range(count))
    assert names(far) == ["done/a.csv"]
    db.close()


@pytest.mark.slow
def test_a_server_with_another_key_is_refused(tmp_path: Path, far: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    db = migrated_database(settings)
    server, other = OpenSsh(tmp_path / "ssh"), OpenSsh(tmp_path / "other")
    settings.known_hosts_file.write_text(f"[127.0.0.1]:{server.port} {other.known_host().split(' ', 1)[1]}")
    (far / "a.csv").write_bytes(b"one")
    taken = Taken()
    declared = source(far, url=server.url(far / "*.csv"), key=str(server.key))
    server.up()
    try:
        with pytest.raises(AntispamError, match=r"[Hh]ost key"):
            SourceIntake(declared, settings, db, taken.ingest, threading.Event(), taken.answer).poll(NOW)
    finally:
        server.down()
    assert taken.files == []
    db.close()
