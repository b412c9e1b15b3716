"""A number that a decision lists is listed once."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from pipeline.actions.conduct.notices import project_list_actions
from pipeline.events import ListAction, encode
from pipeline.rules.lists import ListEntry, parse_lists
from pipeline.store import schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from tests.harness.case_events import NOW


def test_a_number_is_listed_once_and_published(operational_db: Database) -> None:
    action = ListAction(list="black", entity="sender", value="13800138000", rule="sender-volume", evidence="r1", at=NOW)
    with operational_db.write() as c:
        project_list_actions(c, NOW, [encode(action)] * 2)
        assert c.execute(select(func.count()).select_from(schema.list_entries)).scalar() == 1
        ((_, publication),) = unpublished(c, 10)
    change = msgspec.json.decode(publication.messages[0].value or b"")
    assert parse_lists(change["value"]) == [ListEntry("black", "13800138000", "sender-volume")]
