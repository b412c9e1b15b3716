"""One of our processes, started again when it ends: the supervisor of `antispam up`."""

from __future__ import annotations

import signal
import sys
from time import monotonic

from pipeline.errors import AntispamError
from pipeline.process import pages
from pipeline.run.child import Child
from pipeline.settings import Settings

RESTARTS = 5  # of one process in a row before `up` gives up; without a pause, so no `Backoff`
LIVED = 60.0  # seconds after which a process has lived, and the next end of it is the first in a row


class Supervised:
    """A command of `antispam` as a child, its output in `<data folder>/<name>.log`.

    `page` is the address of the page that says what the process waits for, or None when nobody waits for it.
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
        """End it, giving a running batch time to commit."""
        self.child.stop(20)

    def waits_for(self) -> str | None:
        """What it waits for; None once it can work."""
        if self._page is None:
            return None
        answer = pages.ask(self._page)
        if answer is None:
            return "its program to start"
        return None if answer.works else answer.reason

    def watch(self) -> str | None:
        """Start it again if it has ended; what happened, or None. Raises AntispamError at the last try."""
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
