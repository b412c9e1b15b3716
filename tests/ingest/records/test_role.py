"""The role `files` as it runs: real FTP and SFTP servers on one side, a broker on the other."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import msgspec
import pytest
from confluent_kafka import Message
from sqlalchemy import insert, select

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.events import Record
from pipeline.ingest.records.role import run_files
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.run.child import free_port
from pipeline.settings import Settings
from pipeline.store import schema
from tests.harness.migrated import migrated_database
from tests.harness.processes.forked import Forked
from tests.harness.servers.far_servers import PASSWORD, USER, FarFtp, FarSftp
from tests.ingest.records.running_files import running_files

COLUMNS = {
    "id": "流水号",
    "kind": "类型",
    "sender": "主叫",
    "recipient": "被叫",
    "content": "内容",
    "submitted_at": "提交时间",
    "smsc": "短信中心",
}


def gbk_file(smsc: str, count: int) -> bytes:
    """A day's file as an SMSC writes it; its last line has a sender that is none."""
    lines = [",".join(COLUMNS.values())]
    lines += [f"{n},MO,13800138{n:03},13900139000,您好第{n}条,20251008101530,{smsc}" for n in range(count)]
    lines.append(f"x,MO,nobody,13900139000,您好,20251008101530,{smsc}")
    return ("\n".join(lines) + "\n").encode("gbk")


def records(settings: Settings, smsc: str) -> list[Record]:
    found: list[Record] = []

    def take(message: Message) -> None:
        record = msgspec.json.decode(message.value() or b"", type=Record)
        if record.smsc == smsc:
            found.append(record)

    consumer = reader(settings, "test-records")
    try:
        replay(consumer, [(topics.RECORDS.name, p) for p in range(settings.partitions)], take)
    finally:
        consumer.close()
    return found


def until(condition: Callable[[], bool], what: str, deadline: float = 60) -> None:
    end = monotonic() + deadline
    while not condition():
        assert monotonic() < end, f"not in time: {what}"
        sleep(0.05)


def source(name: str, url: str) -> dict[str, object]:
    return {"name": name, "url": url, "quiet": 0.3, "columns": COLUMNS, "time_format": "%Y%m%d%H%M%S"}


def test_gbk_gzip_files_of_two_servers_each_once_while_a_third_is_down(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FTP", "SFTP", "DOWN"):
        monkeypatch.setenv(f"ANTISPAM_SOURCE_{name}_SECRET", PASSWORD)
    (tmp_path / "far" / "out").mkdir(parents=True)
    ftp, sftp = FarFtp(tmp_path / "far"), FarSftp(tmp_path / "far")
    settings = Settings.model_validate(
        {
            "kafka": broker,
            "data_dir": tmp_path / "data",
            "session_timeout": 6.0,
            "record_poll": 0.1,
            "record_sources": [
                source("ftp", ftp.url("*.csv.gz")),
                source("sftp", sftp.url("*.csv")),
                source("down", f"ftp://{USER}@127.0.0.1:{free_port()}/out/*"),
            ],
            "blacklist_file": {"name": "ftp", "url": ftp.url("black.txt"), "header": False},
        }
    )
    ensure_topics(broker, settings)
    db = migrated_database(settings)
    with db.write() as connection:
        row = {"list": "black", "value": "13800138000", "entity": "sender", "added_by": "t", "added_at": 1}
        connection.execute(insert(schema.list_entries).values(**row))
    settings.known_hosts_file.write_text(sftp.known_host())
    smsc = f"smsc-{tmp_path.parent.name}-{tmp_path.name}"[:100]
    plain = gbk_file(smsc, 200)
    out = tmp_path / "far" / "out"
    (out / "one.csv.gz").write_bytes(gzip.compress(plain, mtime=0))
    (out / "two.csv.gz").write_bytes(gzip.compress(plain, mtime=0))
    (out / "one.csv").write_bytes(gbk_file(smsc + "b", 50))
    ftp.up()
    sftp.up()

    def finished() -> bool:
        with db.read() as connection:
            done = connection.execute(select(schema.record_files.c.settled_at)).scalars().all()
        return len(done) == 3 and None not in done and (out / "black.txt").exists()

    try:
        with running_files(settings):
            until(finished, "three files ingested, the black list written")
    finally:
        ftp.close()
        sftp.close()
    found = records(settings, smsc)
    assert sorted(int(record.id) for record in found) == list(range(200))
    assert {record.content for record in found} == {f"您好第{n}条" for n in range(200)}
    assert {record.submitted_at for record in found} == {1_759_889_730_000}  # 10:15:30 in Shanghai
    assert len(records(settings, smsc + "b")) == 50
    bad = [path.read_text() for path in (tmp_path / "data" / "records" / "ftp" / "rejected").iterdir()]
    assert [json.loads(text)["line"] for text in bad] == [202]
    assert (out / "black.txt").read_text() == "13800138000\n"
    db.close()


@pytest.mark.parametrize("after", ["keep", "delete"])
def test_killed_between_download_and_ingestion(broker: str, tmp_path: Path, after: str) -> None:
    out, smsc = tmp_path / "out", f"smsc-{tmp_path.parent.name}-{tmp_path.name}"[:100]
    out.mkdir()
    (out / "a.csv").write_bytes(gbk_file(smsc, 100))
    settings = Settings(kafka=broker, data_dir=tmp_path / "data", session_timeout=6.0)
    ensure_topics(broker, settings)
    db = migrated_database(settings)
    environment = {
        **os.environ,
        "ANTISPAM_DATA_DIR": str(tmp_path / "data"),
        "ANTISPAM_RECORD_POLL": "0.1",
        "ANTISPAM_RECORD_SOURCES": json.dumps([source("smsc", f"file://{out}/*.csv") | {"after": after}]),
    }

    def start(kafka: str) -> Forked:
        return Forked("serve", "files", env=environment | {"ANTISPAM_KAFKA": kafka})

    spool = tmp_path / "data" / "records" / "smsc" / "spool"
    process = start(f"127.0.0.1:{free_port()}")  # no broker there: the file gets as far as the spool
    try:
        until(
            lambda: spool.is_dir() and any(path.suffix == ".csv" for path in spool.iterdir()), "the file in the spool"
        )
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    if after == "keep":
        (out / "a.csv").unlink()  # the SMSC cleans up by itself: ours is now the only copy

    def settled() -> int:
        with db.read() as connection:
            done = connection.execute(select(schema.record_files.c.settled_at)).scalars().all()
        return len([at for at in done if at is not None])

    for restarts in (1, 2):  # the second time with the same bytes under another name
        process = start(broker)
        try:
            until(lambda: settled() == restarts, "the file settled")  # noqa: B023 - called at once
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        if restarts == 1:
            (out / "b.csv").write_bytes(gbk_file(smsc, 100))
    assert Counter(record.id for record in records(settings, smsc)) == Counter(str(n) for n in range(100))
    assert not (out / "a.csv").exists()
    assert (out / "b.csv").exists() == (after == "keep")
    assert list(spool.iterdir()) == []
    with db.read() as connection:
        rows = connection.execute(select(schema.record_files)).all()
    state = "ingested" if after == "keep" else "removed"
    assert [(row.accepted, row.rejected, row.state) for row in rows] == [(100, 1, state)] * 2
    db.close()


def test_a_source_says_how_its_files_are_written(embedded_broker: str, tmp_path: Path) -> None:
    out, smsc = tmp_path / "out", f"smsc-{tmp_path.parent.name}-{tmp_path.name}"[:100]
    out.mkdir()
    places = {name: n for n, name in enumerate(COLUMNS, 1)}
    form = {"columns": places, "delimiter": "|", "header": False, "quotes": False}
    settings = Settings.model_validate(
        {
            "kafka": embedded_broker,
            "data_dir": tmp_path / "data",
            "session_timeout": 6.0,
            "record_poll": 0.1,
            "record_sources": [
                source("plain", f"file://{out}/*.txt.csv") | form,
                source("named", f"file://{out}/*.named.csv") | {"columns": {"sender": "主叫"}},
            ],
        }
    )
    ensure_topics(embedded_broker, settings)
    db = migrated_database(settings)
    rows = [f'{n}|MO|1380013{n:04}|13900139000|"第{n}条|20251008101530|{smsc}' for n in range(20)]
    (out / "a.txt.csv").write_bytes("\n".join(rows).encode("gbk"))
    (out / "b.named.csv").write_bytes(gbk_file(smsc, 3))  # has no column of the name `kind`

    def finished() -> bool:
        with db.read() as connection:
            done = connection.execute(select(schema.record_files.c.finished_at)).scalars().all()
        return len(done) == 2 and None not in done

    with running_files(settings):
        until(finished, "both files")
    assert {(r.id, r.content) for r in records(settings, smsc)} == {(str(n), f'"第{n}条') for n in range(20)}
    with db.read() as connection:
        found = {row.source: row for row in connection.execute(select(schema.record_files))}
    assert (found["plain"].accepted, found["plain"].rejected) == (20, 0)
    assert "header: no column `kind`" in found["named"].cause
    db.close()


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    with pytest.raises(AntispamError, match="ANTISPAM_RECORD_SOURCES"):
        run_files(Settings(data_dir=tmp_path), threading.Event())
