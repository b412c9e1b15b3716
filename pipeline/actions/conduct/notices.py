"""Projects list entries of decisions into the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from pipeline import topics
from pipeline.events import ListAction
from pipeline.kafka.decoding import decoded
from pipeline.rules.lists import ENTITIES, ListEntry
from pipeline.store import audit
from pipeline.store.registry import list_entries


def project_list_actions(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Put permanent entries on operators' lists and publish them.

    A listed value keeps its entry. Evidence acts once: a removed entry does not return through the decision that
    created it.
    """
    actions = decoded(topics.LIST_ACTIONS, ListAction, records)
    for asked in actions:
        if ENTITIES.get(asked.list) != asked.entity or list_entries.stands(connection, asked.list, asked.value, now):
            continue
        item = ListEntry(asked.list, asked.value, asked.rule)
        evidence = f"decision/{asked.evidence}"[:256]
        list_entries.put(connection, now, audit.PIPELINE, item, asked.rule, evidence)
    return len(records) - len(actions)
