"""The conduct of a port closes it: a decision."""

from __future__ import annotations

import msgspec
from sqlalchemy import insert

from pipeline.actions.conduct.port_conduct import project_port_actions
from pipeline.events import PortAction, encode
from pipeline.rules.ports import parse_port
from pipeline.store import schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from tests.harness.case_events import NOW, PORT, add_port, rows


def test_a_decision_suspends_its_port_once(operational_db: Database) -> None:
    action = encode(PortAction(port=PORT, action="suspend", rule="keyword-blacklist", evidence="s1", at=NOW))
    with operational_db.write() as c:
        add_port(c)
        c.execute(insert(schema.signatures).values(port=PORT, signature="甲公司", place=0))
        project_port_actions(c, NOW, [action, action])
        ((_, publication),) = unpublished(c, 10)
        assert b"suspended" in (publication.messages[0].value or b"")
        c.execute(schema.ports.update().values(state="open"))  # an operator resumes it
        project_port_actions(c, NOW, [action])
    (port,) = rows(operational_db, schema.ports)
    assert port.state == "open"
    assert [(a.kind, a.subject, a.evidence) for a in rows(operational_db, schema.actions)] == [
        ("suspend", PORT, "decision/s1")
    ]
    change = msgspec.json.decode(publication.messages[0].value or b"")
    assert parse_port(change["value"]).entry.signatures == ("甲公司",)
