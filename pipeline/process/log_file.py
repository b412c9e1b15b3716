"""A child process's log file: appended to at each start, bounded in size and number.

Appending keeps the reason why the previous process ended. The child writes to the file itself, also tracebacks of its
libraries. So a file that is too large is copied and then emptied under it; the few lines that the child writes between
copy and truncation are lost.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import structlog

SIZE = 10 * 2**20  # bytes of the current log file
KEPT = 4  # older files beside it; name.log.1 is the newest of them
_log = structlog.get_logger()


def open_log(path: Path, name: str) -> BinaryIO:
    """The log to append to, readable by its owner only, with a line that says when `name` was started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bound(path)
    log = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)
    os.fchmod(log.fileno(), 0o600)
    log.write(f"--- {name} started {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode())
    return log


def bound(path: Path) -> None:
    """Start a new file when the log has reached SIZE, and delete the oldest of KEPT.

    On a full disk the copy is skipped and its lines are lost: the log stays bounded, and its process goes on.
    """
    if not path.exists() or path.stat().st_size < SIZE:
        return
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    copy = path.with_name(f"{path.name}.1")
    try:
        copy.touch(mode=0o600)
        shutil.copyfile(path, copy)
    except OSError as error:
        _log.error("log_not_kept", log=path.name, cause=error.strerror)
    os.truncate(path, 0)
