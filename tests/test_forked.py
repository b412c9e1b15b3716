"""A fork for a new process: a test cannot tell them apart, whatever it asks, and however it ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from tests.harness.processes.forked import Forked, run

LOOK = """
import json, os, signal, sys, tempfile
mask = os.umask(0)
print(json.dumps({
    "words": sys.argv[1:], "stdin": sys.stdin.read(), "environment": dict(os.environ), "folder": os.getcwd(),
    "mask": mask, "leads": os.getsid(0) == os.getpid(), "temporary": tempfile.gettempdir(), "parent": os.getppid(),
    "descriptors": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")),
    "handlers": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)],
    "main": __name__,
}))
print("told", file=sys.stderr)
sys.exit(3)
"""
WAIT = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever started the tests may ignore it
print("begun", flush=True)
time.sleep(600)
"""
pytestmark = pytest.mark.long
linux = pytest.mark.skipif(sys.platform != "linux", reason="without forks")


@linux
@pytest.mark.parametrize("session", [True, False])
def test_it_begins_as_a_new_process_does(tmp_path: Path, session: bool) -> None:
    def look(kind: Any, *start: Any, **own: Any) -> tuple[int, dict[str, Any], str]:
        with kind(
            *start,
            **own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={"LANG": "C.UTF-8", "TMPDIR": str(tmp_path)},
            umask=0o27,
            start_new_session=session,
        ) as process:
            output, errors = process.communicate("in", timeout=60)
            return process.returncode, msgspec.json.decode(output), errors

    new = look(subprocess.Popen, [sys.executable, "-c", LOOK, "a", "b c"])
    fork = look(Forked, "a", "b c", code=LOOK)
    assert fork == new
    assert new[1]["parent"] == os.getpid()
    assert (new[0], new[1]["leads"], new[2]) == (3, session, "told\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_by_the_signals_that_it_gets(number: signal.Signals) -> None:
    with Forked(code=WAIT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert process.poll() is None
        assert psutil.Process(process.pid) in psutil.Process().children()
        try:
            process.send_signal(number)
            assert process.wait(60) == -number
        finally:
            process.kill()
    assert not psutil.pid_exists(process.pid)


def test_it_is_the_command_line() -> None:
    code, output, errors = run("match", "--in", "/nowhere", env={})
    assert (code, output) == (2, "")
    assert "--out" in errors
    assert run("policy", "signals", env={})[0] == 0


@pytest.mark.slow
@linux
def test_it_ends_with_its_parent() -> None:
    parent = f"""
from tests.harness.processes.forked import Forked
print(Forked(code={WAIT!r}, stdout=-3).pid, flush=True)
import time; time.sleep(600)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
        psutil.wait_procs([child], 60)
    assert not child.is_running()
