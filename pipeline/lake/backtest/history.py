"""The configuration of every epoch, from the changes that the lake keeps."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import duckdb

from pipeline.decision.configuration import Config, ConfigEntries
from pipeline.events import ConfigChange
from pipeline.lake.tables import CONFIGURATION
from pipeline.lake.views import view_full
from pipeline.settings import Settings

SNAPSHOTS = 16  # kept, the last used ones: of two workers, one may be an epoch behind for a moment


def read_changes(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[ConfigChange]:
    """Every change in the lake, in order of epochs."""
    view_full(connection, settings, CONFIGURATION)
    rows = connection.execute(
        'SELECT epoch, kind, name, value, file FROM configuration ORDER BY epoch, log_id, "offset"'
    ).fetchall()
    return [ConfigChange(epoch=e, kind=k, name=n, value=v, file=f) for e, k, n, v, f in rows]


class History:
    """Snapshots by epoch. Epochs that grow are cheap; one further back than SNAPSHOTS builds again from `first`."""

    def __init__(self, changes: Sequence[ConfigChange], first: int, settings: Settings) -> None:
        """`first` is the lowest epoch that will be asked for."""
        self._changes = changes
        self._epochs = [change.epoch for change in changes]
        self._base = ConfigEntries(settings.blob_dir)
        self._begin = self._apply(self._base, 0, first)
        self._entries, self._next = self._base.copy(), self._begin
        self._snapshots: OrderedDict[int, Config] = OrderedDict()

    def at(self, epoch: int) -> Config:
        """The configuration in force at this epoch, without what leaves shadow outcomes only.

        That is a model under trial, and a candidate policy that decides nothing.
        """
        found = self._snapshots.get(epoch)
        if found is None:
            if epoch < self._entries.config.epoch:
                self._entries, self._next = self._base.copy(), self._begin
            self._next = self._apply(self._entries, self._next, epoch)
            config = self._entries.config
            candidate = config.candidate if config.candidate and config.candidate.share else None
            found = replace(config, epoch=epoch, challenger=None, candidate=candidate)
            self._snapshots[epoch] = found
            if len(self._snapshots) > SNAPSHOTS:
                self._snapshots.popitem(last=False)
        self._snapshots.move_to_end(epoch)
        return found

    def _apply(self, entries: ConfigEntries, begin: int, epoch: int) -> int:
        """Apply the changes from `begin` to this epoch, inclusive; returns where the next begin.

        Faults are not told: every worker met the same ones, and decided without these values.
        """
        end = bisect_right(self._epochs, epoch)
        if end > begin:
            entries.apply(self._changes[begin:end])
        return max(begin, end)
