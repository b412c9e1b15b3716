"""Commands of `antispam` as processes that start with a fifth of the CPU time of `python -m pipeline.cli`.

They are forks of a server that has imported the pipeline (fork_server.py). A test sees what `subprocess.Popen` starts:
children of its own process, with their exit codes, signals and streams. Only Linux has what this needs; elsewhere the
command itself is started. `antispam up` and tests/run/test_unprivileged.py start every role as an operator does.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import tests
from pipeline.process.log_file import open_log
from pipeline.run.child import Child
from tests.harness.processes.fork_server import Request

_CHECKOUT = Path(tests.__file__).parent.parent
_PR_SET_CHILD_SUBREAPER = 36
_asking = threading.Lock()


class Forked(subprocess.Popen[Any]):
    """As `Popen([sys.executable, "-m", "pipeline.cli", *words], **options)`; with `code`, as of `-c code`.

    The process is killed when this one ends.
    """

    def __init__(self, *words: str | Path, code: str | None = None, **options: Any) -> None:
        program = ["-m", "pipeline.cli"] if code is None else ["-c", code]
        super().__init__([sys.executable, *program, *map(str, words)], **options)

    if sys.platform == "linux":

        def _execute_child(  # as Python 3.11 calls it
            self,
            args: list[str],
            executable: object,
            preexec_fn: object,
            close_fds: object,
            pass_fds: object,
            cwd: Path | str | None,
            env: Mapping[str, str] | None,
            startupinfo: object,
            creationflags: object,
            shell: object,
            p2cread: int,
            p2cwrite: int,
            c2pread: int,
            c2pwrite: int,
            errread: int,
            errwrite: int,
            restore_signals: object,
            gid: object,
            gids: object,
            uid: object,
            umask: int,
            start_new_session: bool,
            process_group: object,
        ) -> None:
            request = Request(
                code=args[2] if args[1] == "-c" else None,
                words=args[3:],
                environment=dict(os.environ if env is None else env),
                folder=str(cwd or Path.cwd()),
                umask=umask,
                own_session=start_new_session,
                parent=os.getpid(),
            )
            streams = [n if given == -1 else given for n, given in enumerate((p2cread, c2pwrite, errwrite))]
            self.pid = _fork(request, streams)
            self._child_created = True
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


class ForkedChild(Child):
    """As `Child` of the command with these words."""

    def __init__(self, name: str, words: tuple[str, ...], log: Path, *, env: Mapping[str, str]) -> None:
        self._name, self._logs = name, (log,)
        with open_log(log, name) as output:
            self._process = Forked(
                *words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )


def run(*words: str | Path, env: Mapping[str, str], timeout: float = 120, **options: Any) -> tuple[int, str, str]:
    """Run the command to its end; returns exit code, output and errors."""
    with Forked(*words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return process.returncode, output, errors


def _fork(request: Request, streams: list[int]) -> int:
    """The id of the new process."""
    library = ctypes.CDLL(None)
    with _asking:
        server = _server()
        library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(server, [msgspec.msgpack.encode(request)], streams)
            pid = int.from_bytes(server.recv(8), "big")
        finally:
            library.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)  # other orphans are none of ours
    assert pid, "the server of forks has ended, or cannot fork"
    return pid


@cache
def _server() -> socket.socket:
    """The socket of the server, which ends once it is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(120)
    command = [sys.executable, "-m", "tests.harness.processes.fork_server"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # it would start a thread for each core
    with theirs:
        server = subprocess.Popen(command, cwd=_CHECKOUT, stdin=theirs.fileno(), env=environment)

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours
