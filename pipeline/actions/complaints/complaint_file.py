"""Files of complaint channels: each line is read by the channel's shape, checked at the door and taken once.

A bad line is kept with its fault and costs itself only. The same file, or the same complaint in another file, changes
nothing: an interrupted import is repeated with the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any

import msgspec

from pipeline import door
from pipeline.actions.complaints.intake import Taken, take
from pipeline.actions.complaints.shapes import of_fields, of_line
from pipeline.errors import AntispamError
from pipeline.events import Complaint
from pipeline.file_exchange import ComplaintShape
from pipeline.files.columns import Columns
from pipeline.files.rejected import Rejected, rejected_line
from pipeline.files.source_file import open_source
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database

BATCH = 500  # lines in one transaction, because other writers wait for it on SQLite
MAX_UPLOAD, MAX_LINES = 2_000_000, 10_000  # bytes and lines of a file that the console takes
TOO_LARGE = "at most {lines} lines and {octets} bytes expected; `antispam complaint import` takes larger files"
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: its number, what was read of it, its complaint or its fault, and the bytes read so far."""

    number: int
    raw: Any
    complaint: Complaint | str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's lines. `taken` counts the good ones, `rejected` the bad ones."""

    taken: Taken
    rejected: int


def import_complaints(
    db: Database,
    user: User,
    path: Path,
    rejected: Path,
    source: str,
    settings: Settings,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Imported:
    """Take the complaints of a file in the shape of `source`; bad lines go to `rejected`.

    `report(bytes read, size)` is called after each batch. Raises AntispamError for a file that cannot be read.
    """
    _require(user)
    size = path.stat().st_size if path.is_file() else 0
    taken = Taken()
    with Rejected(rejected) as bad:
        lines = _lines(path, source, settings)
        while batch := list(islice(lines, BATCH)):
            taken = _take(db, batch, settings, taken)
            for line in batch:
                if isinstance(line.complaint, str):
                    bad.add(line.number, line.complaint, line.raw)
            bad.flush()
            report(batch[-1].position, size)
        return Imported(taken, bad.count)


def read_upload(user: User, data: bytes, source: str, settings: Settings) -> list[Line]:
    """The lines of a file, with their faults; nothing is taken.

    Raises AntispamError for a file that is too large or cannot be read.
    """
    _require(user)
    if data.startswith(GZIP):
        raise AntispamError("a plain file expected, not gzip")
    if len(data) > MAX_UPLOAD:
        raise AntispamError(TOO_LARGE, lines=MAX_LINES, octets=MAX_UPLOAD)
    with TemporaryDirectory() as folder:
        path = Path(folder, "complaints")
        path.write_bytes(data)
        try:
            lines = list(islice(_lines(path, source, settings), MAX_LINES + 1))
        except AntispamError as error:
            raise AntispamError(str(error).removeprefix(f"{path}: ")) from None
    if len(lines) > MAX_LINES:
        raise AntispamError(TOO_LARGE, lines=MAX_LINES, octets=MAX_UPLOAD)
    return lines


def take_lines(db: Database, user: User, lines: Sequence[Line], settings: Settings) -> Taken:
    """Take the complaints of lines that `read_upload` has read."""
    _require(user)
    taken = Taken()
    for i in range(0, len(lines), BATCH):
        taken = _take(db, lines[i : i + BATCH], settings, taken)
    return taken


def rejected_file(lines: Iterable[Line]) -> bytes:
    """The bad lines as `antispam complaint import` keeps them."""
    bad = [line for line in lines if isinstance(line.complaint, str)]
    return b"".join(rejected_line(line.number, str(line.complaint), line.raw) for line in bad)


def _require(user: User) -> None:
    require(user, Right.EDIT_LISTS)
    if user.scope:
        raise Forbidden(
            "{person}: a file of complaints is about all ports, beyond the scope of this account", person=user.name
        )


def _take(db: Database, lines: Sequence[Line], settings: Settings, before: Taken) -> Taken:
    good = [line.complaint for line in lines if isinstance(line.complaint, Complaint)]
    if not good:
        return before
    with db.write() as connection:
        more = take(connection, int(time() * 1000), good, settings.complaint_shapes)
    return Taken(before.new + more.new, before.doubles + more.doubles, before.strange + more.strange)


def _lines(path: Path, source: str, settings: Settings) -> Iterator[Line]:
    shape = settings.complaint_shapes.get(source)
    if shape is None:
        known = ", ".join(sorted(settings.complaint_shapes))
        raise AntispamError("unknown shape {source!r}; one of {known}", source=source[:32], known=known)
    opened = open_source(path)
    if shape.lines:
        for number, text, fault, position in opened.plain():
            read = fault or _complaint(partial(of_line, source, shape, text), settings)
            yield Line(number, text, read, position)
        return
    table = replace(opened, format="csv").table([_columns(source, shape, settings)])
    for number, row, fault, position in opened.rows(table):
        fields = {} if fault or table is None else table.fields(row)
        read = fault or _complaint(partial(of_fields, source, shape, fields), settings)
        yield Line(number, row, read, position)


def _columns(source: str, shape: ComplaintShape, settings: Settings) -> Columns:
    def fits(fields: Mapping[str, str]) -> bool:
        return not isinstance(_complaint(partial(of_fields, source, shape, fields), settings), str)

    return Columns(tuple(shape.columns), frozenset(shape.columns), fits, named=shape.columns, form=shape)


def _complaint(read: Callable[[], door.ComplaintIn], settings: Settings) -> Complaint | str:
    """The complaint, or the fault of what was read."""
    try:
        # A struct checks its fields only when it is converted.
        line = msgspec.convert(msgspec.to_builtins(read()), door.ComplaintIn)
        return door.complaint(line, settings, int(time() * 1000))
    except (msgspec.ValidationError, AntispamError) as error:
        return door.fault(error)
