"""The end of a process that cannot go on: at once or in order, and always with a logged reason.

A process with a dead thread looks alive and does half of its work. So the death of any thread, also of a library's, is
logged, makes the process not ready, and ends it.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import traceback
from collections.abc import Callable
from typing import NoReturn

import structlog

from pipeline.process import readiness

STUCK = 75  # exit code of a process that ended because one of its threads hung
_STDERR = 2
_log = structlog.get_logger()


def end_now(event: str, code: int, **why: object) -> NoReturn:
    """Log `event`, write the stack of every thread, and exit without a commit and without waiting for threads."""
    _log.critical(event, **why)
    faulthandler.dump_traceback(file=_STDERR, all_threads=True)
    os._exit(code)


def on_thread_death(react: Callable[[], object]) -> list[str]:
    """Call `react` whenever a thread dies of an exception. The returned list collects the names of dead threads."""
    dead: list[str] = []

    def hook(death: threading.ExceptHookArgs) -> None:
        name = death.thread.name if death.thread else "unknown"
        _log.critical("thread_died", thread=name, **fault(death.exc_value))
        dead.append(name)
        readiness.say(name, False)
        react()

    threading.excepthook = hook
    return dead


def fault(error: BaseException | None) -> dict[str, str]:
    """The fields of a log line about an exception: `cause`, and `at`, the file and line that raised it."""
    if error is None:
        return {"cause": "unknown", "at": ""}
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return {"cause": f"{type(error).__name__}: {error}", "at": at}
