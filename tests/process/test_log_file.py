"""A child's log keeps why the one before it ended, and never fills the disk."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import sys
from pathlib import Path

import pytest

from pipeline.process.log_file import KEPT, SIZE, bound, open_log
from pipeline.run.child import Child


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_a_restart_keeps_what_the_process_before_it_said(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    before = os.umask(0)  # the loosest there is
    try:
        for word in ("first", "second"):
            command = [sys.executable, "-c", f"raise SystemExit('the {word} died')"]
            child = Child("role", command, log, env=os.environ, on_parent_death=signal.SIGKILL)
            assert child.wait(60) == 1
    finally:
        os.umask(before)
    text = log.read_text()
    assert text.index("the first died") < text.index("the second died")
    assert text.count("--- role started ") == 2
    assert "the second died" in child.tail()
    assert modes(tmp_path) == {0o600}


def test_a_log_is_bounded_in_size_and_number_while_it_is_written_to(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    with open_log(log, "role") as output:
        for n in range(KEPT + 3):
            output.write(f"{n}\n".encode() + b"x" * SIZE)
            bound(log)
            assert log.stat().st_size < SIZE
        output.write(b"last\n")
    assert log.read_bytes() == b"last\n"  # written where the emptied file ends
    older = sorted(path.name for path in tmp_path.iterdir() if path != log)
    assert older == [f"role.log.{n + 1}" for n in range(KEPT)]
    assert (tmp_path / "role.log.1").read_bytes().startswith(f"{KEPT + 2}\n".encode())
    assert modes(tmp_path) == {0o600}


def test_a_full_disk_does_not_end_who_bounds_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    log = tmp_path / "role.log"
    with open_log(log, "role") as output:
        output.write(b"x" * SIZE)
        bound(log)
    assert log.stat().st_size == 0
