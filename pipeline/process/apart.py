"""Work in a process of its own: the memory of the libraries that it imports goes with its end."""

from __future__ import annotations

import threading
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from pipeline.errors import AntispamError, UnavailableError
from pipeline.process import logs
from pipeline.process.ending import fault

LOOK = 0.2  # seconds between looks whether the work must stop


def apart(work: str, seconds: float, stop: threading.Event, level: str, *arguments: Any) -> Any:
    """Call the function `work` ("module:function") in a new process, and return its result; None once `stop` is set.

    `level` is that of its logs. Arguments and result are pickled. Raises UnavailableError if the process ends without
    a result, or works for longer than `seconds`; it is killed then. Raises AntispamError if the function raises
    anything.
    """
    context = get_context("spawn")  # a fork would share locks of other threads
    reads, writes = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(writes, work, level, arguments), name=work, daemon=True)
    process.start()
    writes.close()
    deadline = monotonic() + seconds
    try:
        while not reads.poll(LOOK):
            if stop.is_set():
                return None
            if monotonic() > deadline:
                raise UnavailableError(f"{work} has no result after {seconds:.0f} s")
        result = reads.recv()
    except EOFError:
        if stop.is_set():  # Ctrl-C ends both
            return None
        process.join()
        raise UnavailableError(f"the process of {work} ended with exit code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        reads.close()
    if isinstance(result, AntispamError):
        raise result
    return result


def _run(writes: Connection, work: str, level: str, arguments: tuple[Any, ...]) -> None:
    """In the new process: send the result, or the error."""
    logs.configure(level)
    module, _, function = work.partition(":")
    try:
        result = getattr(import_module(module), function)(*arguments)
    except AntispamError as error:
        result = error
    except Exception as error:  # noqa: BLE001 - sent on: not every exception can be pickled
        why = fault(error)
        result = AntispamError(f"{why['cause']} ({why['at']})")
    writes.send(result)
