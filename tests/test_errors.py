"""An outage is told as one: on the command line, by the database."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline import cli
from pipeline.errors import AntispamError, UnavailableError
from pipeline.store import database as module
from pipeline.store.database import Database


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnavailableError("Kafka at k:9092: no answer"), "antispam: Kafka at k:9092: no answer (away just now, so try"),
        (AntispamError("no port 1069"), "antispam: no port 1069\n"),
    ],
)
def test_a_command_says_whether_trying_again_helps(
    error: AntispamError, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr("os.umask", lambda _: 0)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(told)
    assert said.count("\n") == 1


def test_a_locked_database_is_an_outage(operational_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    other = sqlite3.connect(str(operational_db.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    impatient = Database(str(operational_db.engine.url), b"key")
    with pytest.raises(UnavailableError, match="locked"), impatient.write():
        pass
    other.close()
    impatient.close()


def test_a_server_that_does_not_listen_is_an_outage() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        db = Database(f"postgresql://a:b@127.0.0.1:{nobody.getsockname()[1]}/c", b"key")
        with pytest.raises(UnavailableError), db.read():
            pass
    db.close()


def test_a_wrong_statement_is_no_outage(any_db: Database) -> None:
    with pytest.raises(AntispamError) as told, any_db.read() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))
    assert not isinstance(told.value, UnavailableError)


def test_a_file_that_cannot_be_opened_is_an_outage(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'no' / 'folder.db'}", b"key")
    with pytest.raises(UnavailableError), db.read():
        pass
