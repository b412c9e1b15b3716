"""The first decision of a round counts; one given again after a crash is left out.

On a broker with transactions no reader ever sees a second. The embedded broker shows what a killed
worker had written; its successor then writes the same decisions to the same partition again, a few
thousand records later. So each partition remembers its newest decisions, and learns them from the
table when it is assigned.
"""

from __future__ import annotations

from collections.abc import Mapping

from deltalake import DeltaTable

from pipeline.events import Decision
from pipeline.lake.privacy import Privacy

REMEMBERED = 50_000  # records a partition looks back; a worker repeats at most one poll, 2,000


class FirstDecisions:
    """The newest decisions of one partition, oldest first: at most REMEMBERED keys, about 5 MB."""

    def __init__(self) -> None:
        self._keys: dict[int, None] = {}

    def remember(self, source: str, sender: str, ident: str, decided_round: int) -> bool:
        """True when this round has not been decided among those remembered. Values as in the lake."""
        key = hash((source, sender, ident, decided_round))
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > REMEMBERED:
            del self._keys[next(iter(self._keys))]
        return True

    def is_first(self, decision: Decision, privacy: Privacy) -> bool:
        """True for a decision that is to be kept."""
        source, sender = privacy.ident(decision.source), privacy.party(decision.sender or decision.port)
        return self.remember(source, sender, privacy.ident(decision.id), decision.round)


def recall(decisions: DeltaTable, log_id: str, last: Mapping[int, int | None]) -> dict[int, FirstDecisions]:
    """What each partition of this log, by its last offset in the table, is to remember."""
    from pyarrow import dataset  # heavy, and needed at assignment only

    memories = {partition: FirstDecisions() for partition in last}
    known = {partition: offset for partition, offset in last.items() if offset is not None}
    if not known:
        return memories
    partition, offset = dataset.field("partition"), dataset.field("offset")
    recent = (dataset.field("log_id") == log_id) & (offset > min(known.values()) - REMEMBERED)
    rows = decisions.to_pyarrow_dataset().to_table(
        columns=["source", "sender", "port", "id", "round", "partition", "offset"],
        filter=recent & partition.isin(list(known)),
    )
    for row in rows.sort_by("offset").to_pylist():
        if row["offset"] > known[row["partition"]] - REMEMBERED:
            sender = row["sender"] or row["port"]
            memories[row["partition"]].remember(row["source"], sender, row["id"], row["round"])
    return memories
