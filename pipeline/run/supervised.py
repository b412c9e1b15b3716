"""A child process of `antispam up` that is started again when it ends."""

from __future__ import annotations

import signal
import sys
from time import monotonic

from pipeline.errors import AntispamError
from pipeline.process import pages
from pipeline.run.child import Child
from pipeline.settings import Settings

RESTARTS = 5  # restarts in a row of one process until `up` gives up; they have no pause, so no `Backoff`
LIVED = 60.0  # seconds; a process that ran so long resets its count of restarts


class Supervised:
    """A command of `antispam` as a child process; its output goes to `<data folder>/<name>.log`.

    `page` is the address of the page that tells what the process waits for; None if its start is not awaited.
    """

    def __init__(
        self, name: str, arguments: list[str], settings: Settings, environment: dict[str, str], page: str | None = None
    ) -> None:
        self.name = name
        self._page = page
        self._command = [sys.executable, "-m", "pipeline.cli", *arguments]
        self._log = settings.data_dir / f"{name}.log"
        self._environment = environment
        self._restarts = 0
        self._started_at = 0.0
        self.child = self._start()

    def _start(self) -> Child:
        self._started_at = monotonic()
        return Child(self.name, self._command, self._log, env=self._environment, on_parent_death=signal.SIGTERM)

    def stop(self) -> None:
        """End it, with time for a running batch to commit."""
        self.child.stop(20)

    def waits_for(self) -> str | None:
        """What the process waits for; None when it is ready."""
        if self._page is None:
            return None
        answer = pages.ask(self._page)
        if answer is None:
            return "its program to start"
        return None if answer.works else answer.reason

    def watch(self) -> str | None:
        """Start it again if it has ended. Returns a message, or None. Raises AntispamError after the last restart."""
        if self.child.returncode is None:
            self.child.bound_log()
            return None
        if monotonic() - self._started_at > LIVED:
            self._restarts = 0
        if self._restarts == RESTARTS:
            raise AntispamError(f"{self.name} ended {RESTARTS + 1} times in a row{self.child.tail()}")
        code = self.child.returncode
        self._restarts += 1
        self.child = self._start()
        return f"{self.name} ended (exit code {code}); started again ({self._restarts}/{RESTARTS})"
