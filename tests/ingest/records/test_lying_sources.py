"""A source that lies, floods, trickles or breaks off is its own loss: the role lives, and others go on."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import select

from pipeline import metrics
from pipeline.files import source_file
from pipeline.ingest.files.ingester import Ingester
from pipeline.ingest.records import ftp_folder
from pipeline.ingest.records import role as records_role
from pipeline.ingest.records import source as record_source
from pipeline.ingest.records.folder import MAX_SIZE, listed
from pipeline.kafka.admin import ensure_topics
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.migrated import migrated_database
from tests.harness.servers.far_servers import PASSWORD, FarFtp, FarServer, FarSftp, LyingFtp
from tests.ingest.records.running_files import running_files

HEADER = b"kind,sender,recipient,content,submitted_at\n"


def file_of(n: int) -> bytes:
    return HEADER + b"MO,138%08d,13900139000,hi,2025-10-08T10:15:30+08:00\n" % n


def told(size: object, name: bytes = b"lie.csv", modify: bytes = b"20250101000000") -> tuple[bytes, ...]:
    return (b"type=file;size=%s;modify=%s; %s\r\n" % (str(size).encode(), modify, name),)


def forever(piece: bytes) -> Iterable[bytes]:
    """Endless, and from its beginning for each who asks."""

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            return itertools.repeat(piece)

    return Endless()


BOMB = gzip.compress(b"\n" * 3_000_000)
LIES: dict[str, dict[str, Any]] = {
    "size": {"listing": told(10**30)},
    "size-of-words": {"listing": told("1e999")},
    "size-below-zero": {"listing": told(-5)},
    "size-without-end": {"listing": told("9" * 50_000)},
    "time": {"listing": told(5, modify=b"\0" * 40)},
    "way-up": {"listing": told(5, b"../../etc/lie.csv")},
    "control": {"listing": told(5, b"lie\x1b[2J\0.csv")},
    "long": {"listing": told(5, b"x" * 60_000 + b".csv")},
    "nonsense": {"listing": (b"\xff\xfe nonsense ; ; ;\r\n\r\n =;=\r\n",)},
    "no-line-end": {"listing": forever(b"x" * 65_536)},
    "listing-without-end": {"listing": forever(told(5)[0] * 100)},
    "answer-without-end": {"greeting": forever(b"220-hello\r\n" * 100)},
    "file-without-end": {"listing": told(5), "file": forever(b"x" * 65_536)},
    "trickle": {"listing": told(5_000), "file": forever(b"x"), "pause": 0.05},
    "short-file": {"listing": told(5_000), "file": (b"x",)},
    "bomb": {"listing": told(len(BOMB), b"lie.csv.gz"), "file": (BOMB,)},
    "hangs-up": {"greeting": ()},
    "wrong-words": {"greeting": (b"\0\xff\r\n" * 3,)},
    "silence": {"greeting": (b"",), "pause": 3600.0},
}


def until(condition: Callable[[], bool], what: str, deadline: float = 90) -> None:
    end = monotonic() + deadline
    while not condition():
        assert monotonic() < end, f"not in time: {what}"
        sleep(0.05)


@pytest.fixture
def far_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """An honest server and one for each lie; their limits of time are short."""
    monkeypatch.setattr(ftp_folder, "CALL_SECONDS", 2.0)
    monkeypatch.setattr(record_source, "LIST_SECONDS", 2.0)
    monkeypatch.setattr(ftp_folder, "LIST_SECONDS", 2.0)
    monkeypatch.setattr(record_source, "FETCH_SECONDS", 2.0)
    monkeypatch.setattr(records_role, "MAX_PAUSE", 1.0)
    monkeypatch.setattr(source_file, "MAX_UNPACKED", 1_000_000)
    (tmp_path / "far" / "out").mkdir(parents=True)
    with ExitStack() as opened:

        def up(name: str, side: FarServer) -> None:
            opened.callback(side.close)
            monkeypatch.setenv(f"ANTISPAM_SOURCE_{name.upper().replace('-', '_')}_SECRET", PASSWORD)
            side.up()
            sides[name] = side

        sides: dict[str, Any] = {}
        up("honest", FarFtp(tmp_path / "far"))
        unsigned = FarSftp(tmp_path / "far")
        unsigned.told_size = (1 << 64) - 1  # SFTP says sizes in 64 bits without a sign
        up("unsigned", unsigned)
        for n, (name, lie) in enumerate(LIES.items()):
            liar = LyingFtp(tmp_path, file_of(1000 + n))
            for attribute, value in lie.items():
                setattr(liar, attribute, value)
            up(name, liar)
        yield sides


def ingested(db: Database) -> dict[str, int]:
    """Files ingested, by source."""
    with db.read() as connection:
        rows = connection.execute(select(schema.record_files).where(schema.record_files.c.state == "ingested")).all()
    return {name: sum(row.source == name for row in rows) for name in {row.source for row in rows}}


@pytest.mark.slow
def test_every_lie_costs_its_own_source_only_and_none_outlasts_it(
    embedded_broker: str, tmp_path: Path, far_sides: dict[str, Any]
) -> None:
    sources = [{"name": name, "url": side.url("*.csv*"), "quiet": 0} for name, side in far_sides.items()]
    settings = Settings.model_validate(
        {
            "kafka": embedded_broker,
            "data_dir": tmp_path / "data",
            "session_timeout": 6.0,
            "record_poll": 0.1,
            "record_file_bytes": 1_000_000,
            "record_sources": sources,
        }
    )
    ensure_topics(embedded_broker, settings)
    db = migrated_database(settings)
    settings.known_hosts_file.write_text(far_sides["unsigned"].known_host())
    out = tmp_path / "far" / "out"
    for start in (1, 2):  # what a lie left behind must not end the next start either
        with running_files(settings) as running:
            for n in range(3):
                (out / f"{start}{n}.csv").write_bytes(file_of(10 * start + n))
                expected = 3 * (start - 1) + n + 1
                until(lambda: ingested(db).get("honest") == expected, f"honest file {expected}")  # noqa: B023
            assert running.is_alive()
    assert set(ingested(db)) == {"honest"}
    far_sides["unsigned"].told_size = None
    for name in LIES:
        far_sides[name].turn_honest()
    with running_files(settings):
        until(lambda: {"unsigned", *LIES} <= set(ingested(db)), "each source back when it tells the truth")
        for name in ("unsigned", *LIES):
            up = metrics.SOURCE_UP.labels(name)
            until(lambda: up._value.get() == 1, f"{name} shown as up")  # noqa: B023
    db.close()


def test_a_source_that_fails_is_shown_so(
    embedded_broker: str, tmp_path: Path, far_sides: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the fault is one of ours that nobody expected: it names no word of a file."""

    def fails(*_: object) -> None:
        raise ZeroDivisionError("13800000001")

    monkeypatch.setattr(Ingester, "ingest", fails)
    (tmp_path / "far" / "out" / "a.csv").write_bytes(file_of(1))
    sources = [{"name": name, "url": far_sides[name].url("*.csv"), "quiet": 0} for name in ("honest", "hangs-up")]
    settings = Settings.model_validate(
        {"kafka": embedded_broker, "data_dir": tmp_path / "data", "record_poll": 0.01, "record_sources": sources}
    )
    ensure_topics(embedded_broker, settings)
    db = migrated_database(settings)

    def set_aside() -> list[str]:
        with db.read() as connection:
            return [row.cause for row in connection.execute(select(schema.record_files)) if row.state == "unreadable"]

    with running_files(settings):
        until(lambda: set_aside() == ["ZeroDivisionError in each of 5 tries"], "the file set aside")
        until(lambda: metrics.SOURCE_UP.labels("honest")._value.get() == 1, "its source up again")
        until(lambda: metrics.SOURCE_UP.labels("hangs-up")._value.get() == 0, "the other shown as down")
    assert (tmp_path / "data" / "records" / "honest" / "rejected").is_dir()
    db.close()


@pytest.mark.parametrize("size", [10**30, (1 << 64) - 1, 1 << 63, -1, "1e5", "٣", "0x10", "9" * 99, "+5", " 5"])
def test_a_size_that_cannot_be_is_too_large_to_fetch(size: int | str) -> None:
    assert listed(size, "") == listed(MAX_SIZE, "")


def test_a_size_and_a_time_are_kept_as_said() -> None:
    assert (listed("17", "20250101").size, listed(MAX_SIZE, None).size, listed(None, 5).size) == (17, MAX_SIZE, 0)
    assert listed("1", "2025\0\x1b\ud800x" + "y" * 99).modified == "2025???x" + "y" * 24
