"""One of our processes, started again when it ends: the supervisor of `antispam up`."""

from __future__ import annotations

import signal
import sys
from urllib.error import URLError
from urllib.request import urlopen

from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.stream.child import Child

RESTARTS = 5  # of one process before `up` gives up


class Supervised:
    """A command of `antispam` as a child, its output in `<data folder>/<name>.log`.

    `ready` is the address that answers 200 once the process can work, or None when that needs no waiting.
    """

    def __init__(
        self, name: str, arguments: list[str], settings: Settings, environment: dict[str, str], ready: str | None = None
    ) -> None:
        self.name = name
        self.ready_at = ready
        self._command = [sys.executable, "-m", "pipeline.cli", *arguments]
        self._log = settings.data_dir / f"{name}.log"
        self._environment = environment
        self._restarts = 0
        self.child = self._start()

    def _start(self) -> Child:
        return Child(self.name, self._command, self._log, env=self._environment, on_parent_death=signal.SIGTERM)

    def stop(self) -> None:
        """End it, giving a running batch time to commit."""
        self.child.stop(20)

    def ready(self) -> bool:
        """Whether it can work."""
        if self.ready_at is None:
            return True
        try:
            with urlopen(self.ready_at, timeout=2) as answer:  # noqa: S310 - an address of ours
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def watch(self) -> str | None:
        """Start it again if it has ended; what happened, or None. Raises AntispamError at the last try."""
        if self.child.returncode is None:
            return None
        if self._restarts == RESTARTS:
            raise AntispamError(f"{self.name} ended {RESTARTS + 1} times{self.child.tail()}")
        code = self.child.returncode
        self._restarts += 1
        self.child = self._start()
        return f"{self.name} ended (exit code {code}); started again ({self._restarts}/{RESTARTS})"
