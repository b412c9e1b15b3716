"""Imports a file of consents: every line checked at the door, bad lines kept, the shards published once at the end.

An interrupted import is repeated with the same file: a known entry is no fault, and all shards are published again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import msgspec

from pipeline.errors import AntispamError
from pipeline.file_exchange import CsvForm
from pipeline.ingest import door
from pipeline.ingest.files.columns import Columns, Table
from pipeline.ingest.files.rejected import Rejected
from pipeline.ingest.files.source_file import SourceFile, open_source
from pipeline.rules.consents import Consent, Consents, Entry, parse_shard, shard_of, shard_text
from pipeline.store.accounts.roles import User
from pipeline.store.database import Database
from pipeline.store.registry import consents as registry
from pipeline.text.faults.form_faults import form_fault

CONSENTS = "consents.csv"  # in a configuration folder, for `antispam screen` only: a database has its own record
BATCH = 5_000  # lines in one transaction, because other writers wait for it on SQLite
_FIELDS = ("recipient", "port", "enterprise", "kind", "source", "given_at", "until")


@dataclass(frozen=True, slots=True)
class Imported:
    """How many lines were recorded and how many were rejected; `epoch` publishes them, None if there are none."""

    recorded: int
    rejected: int
    epoch: int | None


def import_consents(
    db: Database,
    user: User,
    path: Path,
    rejected: Path,
    form: CsvForm | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Record the consents of a csv or jsonl file; `progress` is told the number of lines so far.

    Raises AntispamError for a file that cannot be read.
    """
    source = open_source(path)
    table = _table(source, form or CsvForm())
    shards: set[int] = set()
    recorded = 0
    with Rejected(rejected) as bad:
        batch: list[tuple[int, Any, Consent]] = []

        def flush() -> None:
            nonlocal recorded
            faults = registry.record(db, user, [consent for _, _, consent in batch], int(time() * 1000))
            for (line, value, consent), fault in zip(batch, faults, strict=True):
                if fault is None:
                    shards.add(shard_of(consent.number))
                    recorded += 1
                else:
                    bad.add(line, fault, value)
            batch.clear()

        for line, value, fault, _ in source.rows(table):
            consent = fault or _consent(value, table)
            if isinstance(consent, str):
                bad.add(line, consent, value)
            else:
                batch.append((line, value, consent))
            if len(batch) == BATCH:
                flush()
            progress(line)
        flush()
    epoch = registry.publish(db, shards, int(time() * 1000)) if shards else None
    return Imported(recorded, bad.count, epoch)


def offline_consents(path: Path) -> Consents:
    """The consents of a file in force, without a database. Raises AntispamError for its first bad line."""
    source = open_source(path)
    table = _table(source, CsvForm())
    shards: dict[int, list[Entry]] = {}
    for line, value, fault, _ in source.rows(table):
        consent = fault or _consent(value, table)
        if isinstance(consent, str):
            raise AntispamError(f"{path.name}:{line}: {consent}")
        entry = (consent.scope, consent.number, consent.given_at, consent.kind, consent.until)
        shards.setdefault(shard_of(consent.number), []).append(entry)
    return Consents().replaced({n: parse_shard(shard_text(entries)) for n, entries in shards.items()})


def _table(source: SourceFile, form: CsvForm) -> Table | None:
    needed = frozenset(f.name for f in msgspec.structs.fields(door.ConsentIn) if f.required)
    return source.table([Columns(_FIELDS, needed, _fits, closed=True, form=form)])


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
