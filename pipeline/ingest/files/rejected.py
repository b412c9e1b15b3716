"""Bad input lines are kept with their line number and what is wrong, never lost."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec


class Rejected:
    """The file beside an input (or output) that holds its bad lines; made with the first of them."""

    def __init__(self, path: Path, keep_lines: int = 0) -> None:
        """Entries up to line `keep_lines` of an earlier, interrupted run are kept; later ones go."""
        self.path = path
        self.count = 0
        self._file: IO[bytes] | None = None
        kept = []
        if keep_lines and path.exists():
            kept = [line for line in path.read_bytes().splitlines(True) if 0 < _line_of(line) <= keep_lines]
        if path.is_file():  # never a device such as /dev/null
            path.unlink()
        for line in kept:
            self._write(line)

    def add(self, line: int, error: str, raw: Any) -> None:
        """Keep one line. `raw` is what was read of it."""
        entry = {"line": line, "error": error, "raw": raw}
        self._write(msgspec.json.encode(entry) + b"\n")

    def flush(self) -> None:
        """Hand everything to the operating system."""
        if self._file is not None:
            self._file.flush()

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("wb")
        self._file.write(line)
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def _line_of(entry: bytes) -> int:
    """Its line number; 0 for an entry that the killed run had only half written."""
    try:
        return int(msgspec.json.decode(entry)["line"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return 0
