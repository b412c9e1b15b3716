"""Projects list entries of decisions into the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from pipeline import topics
from pipeline.actions.orders.follow_up import report
from pipeline.actions.orders.parties import Parties
from pipeline.events import ListAction
from pipeline.kafka.decoding import decoded
from pipeline.rules.lists import ENTITIES, ListEntry
from pipeline.store import audit
from pipeline.store.registry import list_entries


def project_list_actions(
    connection: Connection, now: int, records: Sequence[bytes], parties: Parties | None = None
) -> int:
    """Put permanent entries on operators' lists and publish them. Of a person's number, BOSS or its network is told.

    A listed value keeps its entry. Evidence acts once: a removed entry does not return through the decision that
    created it. Without `parties` nobody is told.
    """
    actions = decoded(topics.LIST_ACTIONS, ListAction, records)
    for asked in actions:
        if ENTITIES.get(asked.list) != asked.entity or list_entries.stands(connection, asked.list, asked.value, now):
            continue
        item = ListEntry(asked.list, asked.value, asked.rule)
        evidence = f"decision/{asked.evidence}"[:256]
        listed = list_entries.put(connection, now, audit.PIPELINE, item, asked.rule, evidence)
        if listed is not None and asked.list == "black" and parties is not None:
            report(
                connection,
                now,
                parties,
                asked.value,
                audit.PIPELINE,
                rule=asked.rule,
                reason=asked.reason,
                values=asked.values,
                sample=asked.sample,
                evidence=evidence,
            )
    return len(records) - len(actions)
