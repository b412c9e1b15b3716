"""A broker as a child process: its start succeeds only when it is ready, and it never outlives us.

A broker left behind would keep its port, and the next start would silently talk to the old cluster. So a child ends
with its parent process, even when that is killed with SIGKILL (on Linux, by the kernel's parent-death signal). It
counts as ready only when it answers with the cluster id that we gave it. It runs in its own session, so Ctrl-C
reaches only us and we decide the order in which processes end.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from pipeline.errors import AntispamError
from pipeline.kafka import admin
from pipeline.process.log_file import bound, open_log
from pipeline.settings import Settings

_RANDOM = random.SystemRandom()
_RESERVING, _RESERVED = threading.Lock(), set[int]()
LOOPBACK = "127.0.0.1"
_TAIL_BYTES = 2000
# The parent-death signal must be requested inside the child. Doing that between fork and exec (preexec_fn) may
# deadlock a process with threads. So a new interpreter requests it and then becomes the broker. If the parent died
# before the request, the child has another parent by now and exits.
_TIED_TO_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[2]), 0, 0, 0)  # 1 = PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[3], sys.argv[3:])
"""


def free_port() -> int:
    """A free TCP port of 127.0.0.1. While this process runs, no other call by this user, in any process, returns it.

    It is below 32768, because ports from there on are given to outgoing connections. A connection could take the port
    of a server that is being restarted.
    """
    while True:
        port = _RANDOM.randrange(20_000, 32_000)
        if _reserve(port):
            with socket.socket() as probe, suppress(OSError):
                probe.bind((LOOPBACK, port))
                return port


def _reserve(port: int) -> bool:
    """Reserve the port for this process. False if any process, this one included, has reserved it already.

    A port is bound only once its server binds it, which may take seconds, and two processes that start servers could be
    given the same port. So byte `port` of a file stays locked until the process ends.
    """
    with _RESERVING:
        if port in _RESERVED:
            return False
        try:
            fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except BlockingIOError:
            return False
        _RESERVED.add(port)
        return True


@cache
def _reservations() -> int:
    """The file's descriptor. It is never closed, because closing it would release the locks."""
    file = Path(tempfile.gettempdir()) / f"antispam-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


class Child:
    """A running broker process. Its output is appended to `log` (log_file.py).

    `name` is its name in error texts. The kernel watches the *thread* that started the child, so start it from a thread
    that lives as long as the child is needed, such as the main thread. Raises AntispamError when the program cannot be
    started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str],
        on_parent_death: int,
        logs: Sequence[Path] = (),
    ) -> None:
        self._name = name
        self._logs = (log, *logs)
        if sys.platform == "linux":
            shim = [sys.executable, "-I", "-S", "-c", _TIED_TO_PARENT, str(os.getpid()), str(on_parent_death)]
            command = [*shim, *command]
        try:
            with open_log(log, name) as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    start_new_session=True,
                )
        except OSError as error:
            raise AntispamError(f"{name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; afterwards the exit code, or the negative number of the signal that ended it."""
        return self._process.poll()

    def wait_ready(self, port: int, cluster_id: str, timeout: float, settings: Settings | None = None) -> None:
        """Return when the broker answers on this port of 127.0.0.1 with this cluster id.

        `settings` are the clients' sign-in settings. Raises AntispamError with the end of its log when the broker ends
        first, or when it logged nothing for `timeout` seconds: a long recovery shows progress in the log.
        """
        written, deadline = self._written(), time.monotonic() + timeout
        while True:
            if self.returncode is not None:
                raise AntispamError(f"{self._name} ended at once (exit code {self.returncode}){self.tail()}")
            reason = _not_ready(port, cluster_id, settings)
            if reason is None:
                return
            if self._written() != written:
                written, deadline = self._written(), time.monotonic() + timeout
            if time.monotonic() > deadline:
                raise AntispamError(f"{self._name} is not ready after {timeout:g} silent s: {reason}{self.tail()}")
            time.sleep(0.05)

    def _written(self) -> int:
        """Bytes in its logs."""
        return sum(path.stat().st_size for path in self._logs if path.is_file())

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for its end. Returns the exit code, or None if it still runs."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace: float) -> None:
        """Ask it to end, wait `grace` seconds, then kill it. Returns when it has ended."""
        self._process.terminate()
        if self.wait(grace) is None:
            self.kill()

    def kill(self) -> None:
        """Kill it with SIGKILL, as in a crash. Returns when it has ended."""
        self._process.kill()
        self._process.wait()

    def bound_log(self) -> None:
        """Shorten its log if it is too long; the caller calls this now and then while the broker runs."""
        bound(self._logs[0])

    def tail(self) -> str:
        """The end of its logs, for an error text; empty if the logs are empty."""
        parts = []
        for path in self._logs:
            if path.is_file():
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                    text = file.read().decode(errors="replace").strip()
                if text:
                    parts.append(f"\n{path}:\n{text}")
        return "".join(parts)


def _not_ready(port: int, cluster_id: str, settings: Settings | None) -> str | None:
    """The reason why the broker cannot be used yet; None when it can."""
    # A client would log each refused connection as an error, and a starting broker refuses many.
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError as error:
        return f"port {port}: {error}"
    try:
        answered = admin.cluster_id(f"{LOOPBACK}:{port}", 2, settings)
    except AntispamError as error:
        return str(error)
    return None if answered == cluster_id else f"port {port} is another cluster's: {answered}"
