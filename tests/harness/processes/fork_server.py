"""A process that has imported the pipeline, and becomes commands of `antispam` by forks (forked.py asks it).

It runs one thread and is no client of anything, so its fork is as good as a new process. A request is one message on
the socket that is its standard input, with the three standard streams of the command as descriptors. The answer is the
id of the command's process. Its parent in between ends at once, so the nearest subreaper, which asked, adopts it.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import msgspec

from pipeline.run.roles import ROLES

STREAMS = 3
_LARGEST = 1 << 20  # bytes of a request
_ID = 8  # bytes of a process id
_PR_SET_PDEATHSIG = 1


class Request(msgspec.Struct, frozen=True):
    """A command, and how its process begins."""

    code: str | None  # to run instead of `antispam`
    words: list[str]
    environment: dict[str, str]
    folder: str
    umask: int  # -1: that of the server
    own_session: bool
    parent: int  # id of the process that asks


def serve(requests: socket.socket) -> Request | None:
    """Fork for each request. Returns the request in the process that becomes its command, None at the end of all."""
    while True:
        data, streams, _, _ = socket.recv_fds(requests, _LARGEST, STREAMS)
        if not data:
            return None
        request = msgspec.msgpack.decode(data, type=Request)
        answer, answers = os.pipe()
        adopted, held = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child != 0:
                os.write(answers, child.to_bytes(_ID, "big"))
                os._exit(0)
            os.close(held)
            os.read(adopted, 1)  # returns once the server has closed the other end, too
            _begin(request, streams)
            return request
        os.waitpid(between, 0)
        os.close(answers)  # so that the read ends if no id was written
        requests.send(os.read(answer, _ID))
        for descriptor in (answer, adopted, held, *streams):
            os.close(descriptor)


def _begin(request: Request, streams: list[int]) -> None:
    """Make this process as a new one would be. It is killed when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != request.parent:
        os._exit(1)
    if request.own_session:
        os.setsid()
    for target, descriptor in enumerate(streams):
        os.dup2(descriptor, target)
    os.closerange(STREAMS, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    tempfile.tempdir = None  # of another TMPDIR
    os.chdir(request.folder)
    if request.umask >= 0:
        os.umask(request.umask)
    sys.argv[1:] = request.words


def _prepare() -> None:
    """Import what commands need, and fill the caches of the first decision."""
    for role in ROLES.values():
        import_module(role.partition(":")[0])
    for module in ("pipeline.cli", "pipeline.stream.worker", "pipeline.lake.sink_process", "dashboards.serve"):
        import_module(module)
    del sys.modules["pipeline.cli"]  # it will be `__main__`
    from pipeline.decision.configuration import load_directory
    from pipeline.decision.screening import screen
    from pipeline.events import Submission
    from pipeline.rules.counting.counters import MemoryCounters

    event = Submission(id="1", port="10690000", recipients=("13800000000",), content="代开发票", accepted_at=0)
    screen([event], MemoryCounters(), load_directory(None), 0)
    tasks = [task for task in Path("/proc/self/task").iterdir() if int(task.name) != os.getpid()]
    threads = {(task / "comm").read_text().strip() for task in tasks}
    assert threads <= {"jemalloc_bg_thd"}, f"a fork would lack the threads {threads}"  # jemalloc is prepared for forks
    gc.collect()
    gc.freeze()  # the collector would write to the memory that the processes share, and so copy it


def _become(source: str | None) -> NoReturn:
    """Run the code or the command, and end as Python does, but without taking down every module (0.13 s)."""
    code: object = 0
    try:
        if source is None:
            runpy.run_module("pipeline.cli", run_name="__main__", alter_sys=True)
        else:
            exec(source, {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code or 0
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the end of a process
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _prepare()
    asked = serve(socket.socket(fileno=os.dup(0)))
    if asked is not None:
        _become(asked.code)
