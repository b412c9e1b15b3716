"""Events put into tables of a lake, as the sink puts them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from pipeline.lake import delta
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import Origin, Table
from pipeline.settings import Settings

_offsets = count()


def put_rows(settings: Settings, table: Table, events: Sequence[Any]) -> None:
    """Append the rows of these events to a table, with the key of the settings."""
    found = delta.open_table(settings.lake_dir, table)
    origins = [Origin("log", table.name, 0, next(_offsets), table.at(event)) for event in events]
    before = found.transaction_version("rows")
    rows = table.build(events, origins, Privacy(settings.privacy_secret))
    delta.append(found, rows, {"rows": before}, {"rows": next(_offsets)})
