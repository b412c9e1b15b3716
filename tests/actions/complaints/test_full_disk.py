"""The disk is full while a file of complaints is read or answered: nothing is lost, and the error says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.actions.complaints.answers import answered
from pipeline.actions.complaints.complaint_file import import_complaints
from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from tests.harness.case_events import add_port, rows
from tests.harness.command import command
from tests.harness.migrated import migrated_database
from tests.harness.small_disk import small_disk

pytestmark = pytest.mark.slow

OPS = User("ops", Role.OPERATOR)
NO_ROOM = "No space left on device"


def test_complaints_are_taken_once_and_bad_lines_kept_when_there_is_room(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    db = migrated_database(settings)
    with db.write() as connection:
        add_port(connection)
    file = tmp_path / "mo.txt"
    good = [f"138{n:08d}|10086999|20251125093000|10690001*中奖{n}" for n in range(1500)]
    file.write_text("\n".join(line + "\nnonsense" for line in good), encoding="utf-8")
    with small_disk(tmp_path / "disk") as disk:
        kept = disk.path / "rejected.jsonl"
        disk.fill(left=8192)
        for _ in range(2):
            with pytest.raises(AntispamError, match=f"{kept}: {NO_ROOM}"):
                import_complaints(db, OPS, file, kept, "mo", settings)
        disk.free()
        done = import_complaints(db, OPS, file, kept, "mo", settings)
        assert done.rejected == kept.read_bytes().count(b"\n") == 1500
    assert done.taken.new + done.taken.doubles == 1500
    assert len(rows(db, schema.complaints)) == 1500
    db.close()


def test_answers_that_found_no_room_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_DATA_DIR", str(tmp_path / "data"))
    settings = Settings(_env_file=None)
    db = migrated_database(settings)
    file = tmp_path / "mo.txt"
    file.write_text("".join(f"138{n:08d}|10086999|20251125093000|10690001*中奖\n" for n in range(200)))
    import_complaints(db, OPS, file, tmp_path / "bad", "mo", settings)
    with db.write() as connection:
        connection.execute(schema.complaints.update().values(found="matched"))
    with small_disk(tmp_path / "disk") as disk:
        out = disk.path / "answers.csv"
        out.write_bytes(b"the last one")
        disk.fill(left=4096)
        with pytest.raises(AntispamError, match=f"{out}: {NO_ROOM}; the 200 answers of .* are given: make") as error:
            command("complaint", "answers", "mo", "--out", out)
        assert out.read_bytes() == b"the last one"
        assert [path.name for path in disk.path.iterdir() if path != out] == [".filler"]
        disk.free()
        again = str(error.value).rpartition("--again ")[2]
        said = command("complaint", "answers", "mo", "--out", out, "--again", again).output
        assert "200 answers" in said
        assert out.read_bytes().count(b"\n") == 201
    assert [row.number for row in answered(db, OPS, "mo", settings)] == [200]
    db.close()
