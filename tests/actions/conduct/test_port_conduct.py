"""The conduct of a port closes it: a decision."""

from __future__ import annotations

import msgspec
from sqlalchemy import insert

from pipeline.actions.complaints.intake import take
from pipeline.actions.conduct.port_conduct import project_port_actions
from pipeline.durations import DAY_MS
from pipeline.events import Complaint, PortAction, encode
from pipeline.file_exchange import COMPLAINT_SHAPES
from pipeline.rules.ports import parse_port
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from pipeline.store.registry.port_history import port_history
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


def test_the_owner_hears_of_a_rule_once_a_day_before_the_port_is_suspended_for_it(any_db: Database) -> None:
    def act(at: int, action: str, rule: str, *evidence: str) -> None:
        values = {"impersonates": "中国工商银行"}
        with any_db.write() as c:
            records = [
                PortAction(
                    port=PORT, action=action, rule=rule, evidence=each, at=at, reason="冒充中国工商银行", values=values
                )
                for each in evidence
            ]
            project_port_actions(c, at, [encode(record) for record in records])

    with any_db.write() as c:
        add_port(c)
        c.execute(insert(schema.api_keys).values(key="k", port=PORT, callback_url="http://x.example/", created_at=0))
    act(NOW, "warn", "impersonation", "s1", "s2")
    act(NOW + 1, "warn", "impersonation", "s3")
    act(NOW + 2, "suspend", "impersonation-repeated", "s4", "s5")
    act(NOW + 2 * DAY_MS, "warn", "impersonation", "s6")
    told = [msgspec.json.decode(row.body) for row in rows(any_db, schema.callbacks)]
    assert [(each["event"], each["rule"], each["at"]) for each in told] == [
        ("port_warning", "impersonation", NOW),
        ("port", "impersonation-repeated", NOW + 2),
        ("port_warning", "impersonation", NOW + 2 * DAY_MS),
    ]
    assert told[0]["message"] == "冒充中国工商银行"
    viewer = User("v", Role.VIEWER)
    deeds = port_history(any_db, viewer, PORT, NOW + 3).deeds
    assert [(d.kind, d.evidence, d.reason, d.values) for d in deeds[-2:]] == [
        ("suspend", "decision/s4", "冒充中国工商银行", {"impersonates": "中国工商银行"}),
        ("warn", "decision/s1", "冒充中国工商银行", {"impersonates": "中国工商银行"}),
    ]


def test_the_owner_is_warned_before_complaints_suspend_the_port(any_db: Database) -> None:
    def complain(first: int, count: int) -> None:
        complaints = [
            Complaint(id=f"c{n}", port=PORT, recipient="13800138000", complained_at=NOW) for n in range(first, count)
        ]
        with any_db.write() as c:
            for complaint in complaints:
                take(c, NOW, [complaint], COMPLAINT_SHAPES)

    with any_db.write() as c:
        add_port(c)
        c.execute(insert(schema.api_keys).values(key="k", port=PORT, callback_url="http://x.example/", created_at=0))
    complain(0, 10)
    assert rows(any_db, schema.callbacks) == []
    complain(10, 16)
    told = [msgspec.json.decode(row.body) for row in rows(any_db, schema.callbacks)]
    assert told == [
        {
            "event": "port_warning",
            "port": PORT,
            "rule": "complaints",
            "message": "投诉过多：30 天内 11 次，超过 15 次即处置",
            "at": NOW,
            "count": 11,
            "limit": 15,
        },
        {
            "event": "port",
            "port": PORT,
            "step": "suspend",
            "state": "suspended",
            "limited_until": None,
            "rule": "complaints",
            "at": NOW,
        },
    ]
    complain(16, 20)
    assert [row.kind for row in rows(any_db, schema.actions) if row.kind != "list"] == ["warn", "suspend"]
