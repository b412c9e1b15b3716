"""What became of each line of a file, for whoever sent it: a csv `line,id,result,reason`, without numbers and texts."""

from __future__ import annotations

import csv
import io
from enum import StrEnum
from pathlib import Path

from pipeline.files.kept_lines import KeptLines

HEADER = b"line,id,result,reason\n"


class Result(StrEnum):
    """`duplicate`: the id was accepted before, with the same sender, content and recipients."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class Results(KeptLines):
    """The rows of the csv, without its header."""

    def __init__(self, path: Path, keep_lines: int = 0) -> None:
        """`keep_lines` as in KeptLines."""
        super().__init__(path, _line_of, keep_lines)

    def add(self, line: int, ident: str, result: Result, reason: str = "") -> None:
        """The result of one line; `ident` is empty for a refused line."""
        self.write(result_row(line, ident, result, reason))


def result_row(line: int | None, ident: str, result: Result, reason: str = "") -> bytes:
    """One row; without a line it tells of the whole file."""
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow([line or "", ident, result, " ".join(reason.split())])
    return row.getvalue().encode()


def _line_of(entry: bytes) -> int:
    """The line number of a row; 0 for a row that a killed run left half written."""
    number = entry.split(b",", 1)[0]
    return int(number) if entry.endswith(b"\n") and number.isdigit() else 0
