"""Bad lines are kept beside their file, and an interrupted run's are neither lost nor doubled."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipeline.files.rejected import Rejected


def kept(path: Path) -> list[int]:
    return [msgspec.json.decode(line)["line"] for line in path.read_bytes().splitlines()]


def test_each_bad_line_is_kept_with_its_number_and_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.rejected.jsonl"
    with Rejected(path) as rejected:
        rejected.add(3, "not JSON", "{\n坏")
        rejected.add(7, "id: used before", {"id": "x"})
        assert rejected.count == 2
    assert [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] == [
        {"line": 3, "error": "not JSON", "raw": "{\n坏"},
        {"line": 7, "error": "id: used before", "raw": {"id": "x"}},
    ]


def test_without_a_bad_line_there_is_no_file_and_an_old_one_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.rejected.jsonl"
    path.write_text("an earlier run's\n")
    with Rejected(path):
        pass
    assert not path.exists()


def test_a_run_that_goes_on_keeps_what_was_committed_before_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.rejected.jsonl"
    with Rejected(path) as rejected:
        for line in (2, 5, 9):
            rejected.add(line, "bad", "")
    with path.open("ab") as file:
        file.write(b'{"line": 1')  # killed in the middle of a write
    with Rejected(path, keep_lines=5) as rejected:
        assert rejected.count == 2
        rejected.add(9, "bad", "")
    assert kept(path) == [2, 5, 9]


def test_a_kill_while_a_run_goes_on_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.rejected.jsonl"
    with Rejected(path) as rejected:
        for line in (2, 5, 9):
            rejected.add(line, "bad", "")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            Rejected(path, keep_lines=5)
    assert kept(path) == [2, 5, 9]
    with Rejected(path, keep_lines=5):
        assert kept(path) == [2, 5]  # on the disk before the first new entry
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_is_written_to_and_never_removed() -> None:
    with Rejected(Path("/dev/null")) as rejected:
        rejected.add(1, "bad", "")
    assert Path("/dev/null").is_char_device()
