"""First decisions: of a round decided twice, only the first decision is kept.

On a broker with transactions no reader sees a second one. The embedded broker shows the writes of a killed worker; the
next worker then writes the same decisions to the same partition again, up to a few thousand records later. So the sink
remembers the newest decisions of each partition, and reads them from the table when it is assigned the partition.
"""

from __future__ import annotations

from collections.abc import Mapping

from deltalake import DeltaTable

from pipeline.events import Decision
from pipeline.lake.privacy import Privacy

REMEMBERED = 50_000  # decisions of a partition; a worker repeats at most one poll of 2,000


class FirstDecisions:
    """The newest decisions of one partition, oldest first: at most REMEMBERED keys, about 5 MB."""

    def __init__(self) -> None:
        self._keys: dict[int, None] = {}

    def remember(self, source: str, sender: str, ident: str, decided_round: int) -> bool:
        """True if no remembered decision is of this round. Values as in the lake."""
        key = hash((source, sender, ident, decided_round))
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > REMEMBERED:
            del self._keys[next(iter(self._keys))]
        return True

    def is_first(self, decision: Decision, privacy: Privacy) -> bool:
        """True for a decision to keep."""
        source, sender = privacy.ident(decision.source), privacy.party(decision.sender or decision.port)
        return self.remember(source, sender, privacy.ident(decision.id), decision.round)


def recall(decisions: DeltaTable, log_id: str, last: Mapping[int, int | None]) -> dict[int, FirstDecisions]:
    """The newest decisions of each partition of this log, read from the table up to its last offset there."""
    from pyarrow import dataset  # slow to import, and needed only at assignment

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
