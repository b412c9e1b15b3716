"""A batch: the records read since the last flush, as rows by table.

No record is dropped, and none stops the sink. A record that cannot be decoded, or whose values fit no column, becomes a
dead letter with its cause; its bytes are kept with the full texts.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from pipeline.events import DeadLetter
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import DEAD_BYTES, DEAD_LETTERS, TEXTS_OF, Origin, Table, decoder_of, table_of

Versions = Mapping[str, int | None]  # by table: the last offset of a partition that the table holds


class Received(NamedTuple):
    """A record as read. `stamped_at` is the time the broker stamped on it, epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    stamped_at: int
    key: bytes | None
    value: bytes | None

    @classmethod
    def of(cls, message: Any) -> Received:
        """From a Message of librdkafka, whose stubs allow None everywhere. A missing time becomes the current time."""
        kind, stamped_at = message.timestamp()
        at = stamped_at if kind else int(time.time() * 1000)
        return cls(message.topic(), message.partition(), message.offset(), at, message.key(), message.value())


class _Row(NamedTuple):
    table: Table
    event: Any
    origin: Origin
    app_id: str
    received: Received


class Batch:
    """The rows of one flush. `moved` holds, by table, the partitions that the rows come from."""

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._rows: dict[str, list[_Row]] = defaultdict(list)
        self._versions: dict[str, Versions] = {}
        self._buried: set[Origin] = set()
        self.moved: dict[str, set[str]] = defaultdict(set)
        self.undecodable = 0
        self.cause = ""  # of the last dead letter
        self.left_out = 0

    def read(
        self,
        records: Iterable[Received],
        log_id: str,
        app_id: str,
        versions: Versions,
        keep: Callable[[Any], bool],
    ) -> None:
        """Add a partition's records, without the events for which `keep` is false."""
        self._versions[app_id] = versions
        for record in records:
            origin = Origin(log_id, *record[:4])
            own = table_of(record.topic)
            self.moved[own.name].add(app_id)  # also when all its records are dead letters
            try:
                event = decoder_of(record.topic)(record.value or b"")
            except msgspec.DecodeError as error:
                self._bury(record, origin, app_id, f"cannot be decoded: {error}")
                continue
            if not keep(event):
                self.left_out += 1
                continue
            if own.name in TEXTS_OF:
                self._add(_Row(TEXTS_OF[own.name], event, origin, app_id, record))
            elif own is DEAD_LETTERS:
                self._add(_Row(DEAD_BYTES, event, origin, app_id, record))
            self._add(_Row(own, event, origin, app_id, record))

    def build(self) -> dict[str, pa.Table | None]:
        """The rows as columns, by table name. A table whose positions move without rows has none."""
        dead = (DEAD_BYTES.name, DEAD_LETTERS.name)
        built = {name: self._columns(name) for name in list(self.moved) if name not in dead}
        # Dead letters come last, because rows that could not be built above have become dead letters. A dead
        # letter that cannot be built becomes another one, which can.
        for name in (DEAD_LETTERS.name, *dead):
            if name in self.moved:
                built[name] = self._columns(name)
        return built

    def _columns(self, name: str) -> pa.Table | None:
        rows = self._rows[name]
        try:
            return _build(rows, self._privacy)
        except Exception:  # noqa: BLE001 - one hostile value must not stop all other rows
            self._rows[name] = []
            for row in rows:
                try:
                    _build([row], self._privacy)
                    self._rows[name].append(row)
                except Exception as error:  # noqa: BLE001 - as above; the dead letter records the error
                    cause = f"cannot be kept: {type(error).__name__}: {error}"
                    self._bury(row.received, row.origin, row.app_id, cause)
        return _build(self._rows[name], self._privacy)

    def _bury(self, record: Received, origin: Origin, app_id: str, cause: str) -> None:
        if origin in self._buried:
            return  # the record is a dead letter already, for another of its tables
        self._buried.add(origin)
        letter = DeadLetter(
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            cause=cause[:500],
            at=origin.stamped_at,
            key=record.key,
            value=record.value,
        )
        self.undecodable += 1
        self.cause = cause[:500]
        for table in (DEAD_BYTES, DEAD_LETTERS):
            self._add(_Row(table, letter, origin, app_id, record))

    def _add(self, row: _Row) -> None:
        has = self._versions[row.app_id][row.table.name]
        if has is None or row.origin.offset > has:
            self._rows[row.table.name].append(row)
            self.moved[row.table.name].add(row.app_id)


def _build(rows: list[_Row], privacy: Privacy) -> pa.Table | None:
    kinds: dict[int, list[_Row]] = defaultdict(list)  # several kinds of event fill `texts`
    for row in rows:
        kinds[id(row.table)].append(row)
    if not rows:
        return None
    return pa.concat_tables(
        same[0].table.build([row.event for row in same], [row.origin for row in same], privacy)
        for same in kinds.values()
    )
