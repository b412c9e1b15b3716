"""Work in a process of its own gives its result or its error, and never more than its time."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from pipeline.errors import AntispamError, UnavailableError
from pipeline.process.apart import apart

pytestmark = pytest.mark.long

HERE = "tests.process.test_apart"
PLENTY = 60.0  # seconds


def pair(a: int, b: str) -> tuple[int, str, int]:
    return a, b, os.getpid()


def refuse() -> None:
    raise AntispamError("policy.yaml:3: no such signal")


def fail() -> None:
    raise LookupError("x")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(note: Path) -> None:
    note.write_text(str(os.getpid()))
    signal.pause()


def test_the_result_comes_from_another_process() -> None:
    a, b, pid = apart(f"{HERE}:pair", PLENTY, threading.Event(), "INFO", 1, "two")
    assert (a, b) == (1, "two")
    assert pid != os.getpid()


def test_an_error_for_a_person_keeps_its_words() -> None:
    with pytest.raises(AntispamError, match=r"^policy.yaml:3: no such signal$"):
        apart(f"{HERE}:refuse", PLENTY, threading.Event(), "INFO")


def test_any_other_error_says_where() -> None:
    with pytest.raises(AntispamError, match=r"LookupError: x \(test_apart\.py:\d+\)"):
        apart(f"{HERE}:fail", PLENTY, threading.Event(), "INFO")


def test_a_process_that_dies_is_worth_another_try() -> None:
    with pytest.raises(UnavailableError, match="ended with exit code -9"):
        apart(f"{HERE}:die", PLENTY, threading.Event(), "INFO")


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no result after"):
        apart(f"{HERE}:hang", 3.0, threading.Event(), "INFO", tmp_path / "pid")
    assert not [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]


def test_a_stop_ends_the_work(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert apart(f"{HERE}:hang", PLENTY, stop, "INFO", tmp_path / "pid") is None
