"""Files of consents: every line checked at the door, bad lines kept, the shards published once at the end.

An interrupted import is repeated with the same file: a known entry is no fault, and all shards are published again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any

import msgspec

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.file_exchange import CsvForm
from pipeline.files.columns import Columns, Table
from pipeline.files.rejected import Rejected, rejected_line
from pipeline.files.source_file import SourceFile, open_source
from pipeline.rules.consents import Consent, Consents, Entry, parse_shard, shard_of, shard_text
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import consents as registry
from pipeline.text.faults.form_faults import form_fault

CONSENTS = "consents.csv"  # in a configuration folder, for `antispam screen` only: a database has its own record
MAX_UPLOAD, MAX_LINES = 2_000_000, 10_000  # bytes and lines of a file that the console takes
TOO_LARGE = "at most {lines} lines and {octets} bytes expected; `antispam consent import` takes larger files"
GZIP = b"\x1f\x8b"
BATCH = 5_000  # lines in one transaction, because other writers wait for it on SQLite
FIELDS = ("recipient", "port", "enterprise", "kind", "source", "given_at", "until")


@dataclass(frozen=True, slots=True)
class Imported:
    """How many lines were recorded and how many were rejected; `epoch` publishes them, None if there are none."""

    recorded: int
    rejected: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: its number, what was read of it, and its consent, or the fault of a line without one."""

    number: int
    raw: Any
    consent: Consent | str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of lines: how many were recorded, the refused ones, and the epoch (None if none was recorded)."""

    recorded: int
    refused: Sequence[Line]
    epoch: int | None

    @property
    def rejected_file(self) -> bytes:
        """The refused lines as `antispam consent import` keeps them."""
        return b"".join(rejected_line(line.number, str(line.consent), line.raw) for line in self.refused)


def import_consents(
    db: Database,
    user: User,
    path: Path,
    rejected: Path,
    form: CsvForm | None = None,
) -> Imported:
    """Record the consents of a csv or jsonl file.

    Raises AntispamError for a file that cannot be read.
    """
    lines = _lines(path, form or CsvForm())
    with Rejected(rejected) as bad:
        recorded, epoch = _record(db, user, lines, lambda line: bad.add(line.number, str(line.consent), line.raw))
    return Imported(recorded, bad.count, epoch)


def read_upload(db: Database, user: User, data: bytes) -> list[Line]:
    """The lines of a csv file, with the faults that recording them would find; nothing is recorded.

    Raises AntispamError for a file that is too large or cannot be read.
    """
    require(user, Right.EDIT_LISTS)
    if data.startswith(GZIP):
        raise AntispamError("a csv file expected, not gzip")
    if len(data) > MAX_UPLOAD:
        raise AntispamError(TOO_LARGE, lines=MAX_LINES, octets=MAX_UPLOAD)
    with TemporaryDirectory() as folder:
        path = Path(folder, CONSENTS)
        path.write_bytes(data)
        try:
            lines = list(islice(_lines(path, CsvForm()), MAX_LINES + 1))
        except AntispamError as error:
            raise AntispamError(str(error).removeprefix(f"{path}: ")) from None
    if len(lines) > MAX_LINES:
        raise AntispamError(TOO_LARGE, lines=MAX_LINES, octets=MAX_UPLOAD)
    good = [line.consent for line in lines if isinstance(line.consent, Consent)]
    faults = iter(registry.check(db, user, good))
    return [
        line if isinstance(line.consent, str) or (fault := next(faults)) is None else replace(line, consent=fault)
        for line in lines
    ]


def record_lines(db: Database, user: User, lines: Iterable[Line]) -> Recorded:
    """Record the consents of these lines and put them in force; each is checked again."""
    refused: list[Line] = []
    recorded, epoch = _record(db, user, lines, refused.append)
    return Recorded(recorded, refused, epoch)


def offline_consents(path: Path) -> Consents:
    """The consents of a file in force, without a database. Raises AntispamError for its first bad line."""
    shards: dict[int, list[Entry]] = {}
    for line in _lines(path, CsvForm()):
        consent = line.consent
        if isinstance(consent, str):
            raise AntispamError("{path}:{number}: {consent}", path=path.name, number=line.number, consent=consent)
        entry = (consent.scope, consent.number, consent.given_at, consent.kind, consent.until)
        shards.setdefault(shard_of(consent.number), []).append(entry)
    return Consents().replaced({n: parse_shard(shard_text(entries)) for n, entries in shards.items()})


def _record(db: Database, user: User, lines: Iterable[Line], refuse: Callable[[Line], None]) -> tuple[int, int | None]:
    """Record the lines batch by batch, then publish; returns the number recorded and the epoch."""
    shards: set[int] = set()
    recorded = 0
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        good = [(line, line.consent) for line in batch if isinstance(line.consent, Consent)]
        found = registry.record(db, user, [consent for _, consent in good], int(time() * 1000))
        faults = {line.number: fault for (line, _), fault in zip(good, found, strict=True) if fault is not None}
        for line, consent in good:
            if line.number not in faults:
                shards.add(shard_of(consent.number))
                recorded += 1
        for line in batch:
            if isinstance(line.consent, str):
                refuse(line)
            elif line.number in faults:
                refuse(replace(line, consent=faults[line.number]))
    return recorded, registry.publish(db, shards, int(time() * 1000)) if shards else None


def _lines(path: Path, form: CsvForm) -> Iterator[Line]:
    source = open_source(path)
    table = _table(source, form)
    for number, value, fault, _ in source.rows(table):
        yield Line(number, value, fault or _consent(value, table))


def _table(source: SourceFile, form: CsvForm) -> Table | None:
    needed = frozenset(f.name for f in msgspec.structs.fields(door.ConsentIn) if f.required)
    return source.table([Columns(FIELDS, needed, _fits, closed=True, form=form)])


def _consent(value: Mapping[str, Any], table: Table | None) -> Consent | str:
    """The consent of a line, or its fault."""
    try:
        line = msgspec.convert(table.fields(value) if table else value, door.ConsentIn, strict=table is None)
        return door.consent(line, int(time() * 1000))
    except msgspec.ValidationError as error:
        return str(form_fault(error, door.ConsentIn).unquoted)
    except AntispamError as error:
        return door.fault(error)


def _fits(fields: Mapping[str, str]) -> bool:
    try:
        door.consent(msgspec.convert(fields, door.ConsentIn, strict=False), int(time() * 1000))
    except (msgspec.ValidationError, AntispamError):
        return False
    return True
