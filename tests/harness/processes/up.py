"""`antispam up` as a process of a test, with its output and all its child processes."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil

from pipeline.run.child import free_port
from tests.harness.processes.forked import Forked, run


class Up:
    """A running `antispam up` and all processes that it has started."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTISPAM_")}
        self.data = folder / "var"
        self.environment |= {"ANTISPAM_DATA_DIR": str(self.data), "COLUMNS": "100"}
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.environment |= {"TMPDIR": str(self.temporary)}
        self.environment |= {"ANTISPAM_API_PORT": str(free_port()), "ANTISPAM_CONSOLE_PORT": str(free_port())}
        self.environment |= settings
        self.note = folder / "var" / "embedded-broker.address"
        self.log = (folder / "up.log").open("w+b")
        self.process = Forked(
            "up",
            *arguments,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            umask=0,  # the weakest umask, because our processes must protect their files themselves
        )
        self.family: set[psutil.Process] = set()

    def look(self) -> str:
        """Return its output so far, and record its child processes."""
        with suppress(psutil.NoSuchProcess):
            self.family |= set(psutil.Process(self.process.pid).children(recursive=True))
        self.log.seek(0)
        return self.log.read().decode()

    def until(self, text: str, deadline: float = 90) -> None:
        end = monotonic() + deadline
        while text not in self.look():
            assert self.process.poll() is None, self.look()
            assert monotonic() < end, self.look()
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue

    def ended(self, deadline: float = 90) -> tuple[int, str]:
        """Wait for its end; return exit code and output. Fails if a child process still runs."""
        end = monotonic() + deadline
        while self.process.poll() is None:
            assert monotonic() < end, self.look()
            self.look()
            try:
                self.process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        _, left = psutil.wait_procs(list(self.family), timeout=10)
        assert not left
        assert not self.note.exists()
        output = self.look()
        self.log.close()
        return self.process.returncode, output

    def antispam(self, *arguments: str) -> str:
        """Run another command on the same data folder; return its output."""
        code, output, errors = run(*arguments, env=self.environment, umask=0)
        assert code == 0, errors
        return output
