"""A start is waited for by what is told of it, not by a number of seconds."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rich.console import Console

from pipeline.errors import AntispamError
from pipeline.process import pages, readiness
from pipeline.process.page import Page
from pipeline.run import supervised, up
from pipeline.run.brokers import kafka_node
from pipeline.run.child import Child, free_port
from pipeline.run.supervised import Supervised
from pipeline.settings import Settings

pytestmark = pytest.mark.long


class Slow:
    """A process that says what it waits for, so many times, and then can work."""

    def __init__(self, *stages: str) -> None:
        self.name, self._stages, self.watched = "worker", list(stages), 0

    def waits_for(self) -> str | None:
        return self._stages.pop(0) if self._stages else None

    def watch(self) -> str | None:
        self.watched += 1
        return None


def waited(process: Any, ended: threading.Event, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    ready = up._wait_ready(Console(), [process], None, ended)
    return ready, capsys.readouterr().out


def test_what_lives_is_waited_for_and_each_stage_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "SOON", -1.0)
    stages = ["its program to start", *["counters: 1 of 8 partitions"] * 3, "counters: 7 of 8 partitions"]
    process = Slow(*stages)
    ready, said = waited(process, threading.Event(), capsys)
    assert ready
    assert [line.partition("waits for ")[2] for line in said.splitlines()] == list(dict.fromkeys(stages))
    assert process.watched == len(stages)


def test_no_time_ends_a_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(0, 10**9, 3600))  # an hour between two looks
    monkeypatch.setattr(up, "monotonic", lambda: float(next(clock)))
    ready, said = waited(Slow(*["its partitions"] * 50), threading.Event(), capsys)
    assert ready
    assert said.count("its partitions") == 50  # said again, since the last time is long ago


def test_the_end_is_heard_during_a_start(capsys: pytest.CaptureFixture[str]) -> None:
    ended = threading.Event()
    ended.set()
    assert not waited(Slow("a", "b"), ended, capsys)[0]


def test_a_process_that_keeps_ending_is_given_up_with_its_log(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    process = Supervised("topics", ["no-such-command"], settings, dict(os.environ), "http://127.0.0.1:1/ready")
    restarts = 0
    with pytest.raises(AntispamError, match="topics ended 6 times in a row") as told:  # noqa: PT012 - the sixth raises
        while True:
            process.child.wait(60)
            restarts += process.watch() is not None
    assert restarts == supervised.RESTARTS
    assert "No such command" in str(told.value)


def test_one_that_has_lived_begins_to_count_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "LIVED", -1.0)
    settings = Settings(data_dir=tmp_path, _env_file=None)
    process = Supervised("topics", ["no-such-command"], settings, dict(os.environ))
    for _ in range(2):
        process.child.wait(60)
        assert "started again (1/5)" in (process.watch() or "")
    process.child.wait(60)


@pytest.fixture
def says() -> Iterator[Any]:
    """A page of a test's own: what it says, and where."""
    told = SimpleNamespace(status=503, body=b"{}", address="")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(told.status)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{server.server_port}/ready"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            {"ready": False, "parts": {"relay": True, "timers": False}, "waits_for": {"timers": "Kafka"}},
            "timers: Kafka",
        ),
        ({"ready": False, "parts": {"relay": False}}, "relay"),
        ({"ready": False, "missing": ["configuration", "broker"]}, "configuration; broker"),
        ({"ready": False}, "it starts"),
    ],
)
def test_a_page_says_what_is_waited_for(says: Any, body: dict[str, Any], reason: str) -> None:
    says.body = msgspec.json.encode(body)
    answer = pages.ask(says.address)
    assert answer is not None
    assert (answer.works, answer.reason) == (False, reason)


def test_a_page_that_says_something_else_says_nothing(says: Any) -> None:
    says.body = b"<html>"
    assert pages.ask(says.address) is None
    assert pages.ask(f"http://127.0.0.1:{free_port()}/ready", 1) is None


def test_a_page_that_cannot_leave_its_note_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_parts", {})  # of the whole process: other tests have their own
    (tmp_path / "pages").write_text("no folder")
    page = Page("127.0.0.1", 0, ["relay"], pages.note(tmp_path, "worker-0", ["relay"]))
    answer = pages.ask(f"http://127.0.0.1:{page.port(10)}/ready", 30)
    page.close()
    assert answer is not None
    assert not answer.works


def test_a_process_leaves_a_note_of_its_page_while_it_serves_it(tmp_path: Path) -> None:
    path = pages.note(tmp_path, "worker-0", ["relay", "timers"])
    page = Page("127.0.0.1", 0, ["relay", "timers"], path)
    port = page.port(10)
    for _ in range(1000):
        if pages.noted(tmp_path):
            break
        threading.Event().wait(0.01)
    [note] = pages.noted(tmp_path)
    assert note == pages.Note(f"http://127.0.0.1:{port}", ("relay", "timers"))
    page.close()
    assert pages.noted(tmp_path) == []


def test_a_broker_that_logs_is_waited_for_longer_than_one_that_is_silent(tmp_path: Path) -> None:
    script = "import time\nfor i in range(8): print('recovering', i, flush=True); time.sleep(0.6)\ntime.sleep(600)"
    log = tmp_path / "broker.log"
    child = Child("the broker", [sys.executable, "-c", script], log, env=os.environ, on_parent_death=signal.SIGKILL)
    try:
        with pytest.raises(AntispamError, match="not ready after 4 silent s"):
            child.wait_ready(free_port(), "cluster", timeout=4.0)
        assert "recovering 7" in log.read_text()  # 4.8 s of progress, and 4 s of silence
    finally:
        child.kill()


def test_the_download_of_kafka_tells_of_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text(
        "#!/bin/sh\n"
        "echo 'Downloading from there: https://there/kafka_2.13-4.3.0.jar'\n"
        "echo 'Downloaded from there: https://there/kafka_2.13-4.3.0.jar (5.3 MB at 2.0 MB/s)'\n"
        "exit 3\n"
    )
    maven.chmod(maven.stat().st_mode | stat.S_IXUSR)
    told: list[str] = []
    with pytest.raises(AntispamError, match="Maven could not fetch"):
        kafka_node._fetch([str(maven)], kafka_node.POM, told.append)
    assert told == ["  kafka_2.13-4.3.0.jar  5.3 MB at 2.0 MB/s"]
