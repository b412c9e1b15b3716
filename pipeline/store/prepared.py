"""Statements for many rows at once in the hot paths: SQLAlchemy compiles each once, and does no work for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Update

Row = dict[str, Any]


class Prepared:
    """The statement that `build` makes for the dialect of a connection; each row has a value for each of `names`.

    The driver gets values as they are: texts, octets and integers, no enums.
    """

    def __init__(self, build: Callable[[Connection], Insert | Update | Delete], *names: str) -> None:
        self._build, self._names = build, names
        self._compiled: dict[str, tuple[str, Row, Callable[[Row], Any]]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Execute it for each of these rows, at least one; returns how many rows of the table it changed."""
        name = connection.dialect.name
        if name not in self._compiled:
            self._compiled[name] = self._compile(connection)
        text, fixed, values = self._compiled[name]
        return connection.exec_driver_sql(text, [values(fixed | row) for row in rows]).rowcount

    def _compile(self, connection: Connection) -> tuple[str, Row, Callable[[Row], Any]]:
        """Its text, the values that it has for all rows, and the parameters of the driver from these and a row's."""
        compiled = self._build(connection).compile(dialect=connection.dialect, column_keys=list(self._names))
        fixed = {name: value for name, value in compiled.params.items() if name not in self._names}
        place = compiled.positiontup  # None: the driver takes names
        return str(compiled), fixed, dict if place is None else itemgetter(*place)
