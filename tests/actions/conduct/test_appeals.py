"""A port's owner appeals once; another person than the first decides, and the owner is answered."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from pipeline.actions.conduct.appeals import Appeal, appeals, decide_appeal, file_appeal, find_appeal
from pipeline.actions.conduct.port_conduct import close
from pipeline.actions.review.case_members import project_members
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.harness.case_events import NOW, PORT, add_port, member, rows

OPS, OTHER = User("ops", Role.OPERATOR), User("other", Role.OPERATOR)
SENIOR = User("senior", Role.SENIOR_REVIEWER)


@pytest.fixture
def db(any_db: Database) -> Database:
    """A port with a callback; `lin` refused s1, and s2 was released."""
    with any_db.write() as c:
        add_port(c)
        add_port(c, "1069000")  # a shorter code is another port
        c.execute(insert(schema.api_keys).values(key="k", port=PORT, callback_url="http://x.example/", created_at=0))
        for ident, verdict, by in (("s1", "reject", "lin"), ("s2", "release", "policy")):
            c.execute(
                insert(schema.submissions).values(
                    port=PORT + "9",
                    id=ident,
                    recipients=["1"],
                    priority="bulk",
                    accepted_at=NOW,
                    verdict=verdict,
                    decided_by=by,
                )
            )
    return any_db


def filed(db: Database, submission: str | None = "s1", port: str = PORT, text: str = "it is our own shop") -> Appeal:
    with db.write() as c:
        return file_appeal(c, port, submission, text, NOW)


def told(db: Database) -> list[dict[str, Any]]:
    bodies = [msgspec.json.decode(row.body) for row in rows(db, schema.callbacks)]
    return [body for body in bodies if body["event"] == "appeal"]


def test_a_refusal_is_appealed_once_and_only_by_its_port(db: Database) -> None:
    first = filed(db)
    assert (first.state, first.submission) == ("open", "s1")
    assert filed(db, text="again") == first
    with db.read() as c:
        assert find_appeal(c, PORT, first.id) == first
        assert find_appeal(c, "1069000", first.id) is None
    for submission, port, fault in (
        ("s2", PORT, "it was not refused"),
        ("s9", PORT, "no submission of this port"),
        ("s1", "1069000", "no submission of this port"),
        (None, PORT, "not suspended"),
    ):
        with pytest.raises(AntispamError, match=fault):
            filed(db, submission, port)
    with pytest.raises(AntispamError, match="text: 1 to 1000"):
        filed(db, text=" ")
    assert [(row.actor, row.action) for row in rows(db, schema.audit)] == [(f"port/{PORT}", "appeal")]


def test_who_decided_first_does_not_decide_again(db: Database) -> None:
    appeal = filed(db)
    with pytest.raises(Forbidden, match="another person"):
        decide_appeal(db, User("lin", Role.SENIOR_REVIEWER), appeal.id, True, "no", NOW)
    with pytest.raises(Forbidden):
        decide_appeal(db, OPS, appeal.id, True, "no", NOW)  # may not review
    with pytest.raises(AntispamError, match="answer: 1 to 1000"):
        decide_appeal(db, SENIOR, appeal.id, False, " ", NOW)
    decide_appeal(db, SENIOR, appeal.id, False, "the brand is not yours", NOW + 1)
    with pytest.raises(AntispamError, match="decided already"):
        decide_appeal(db, SENIOR, appeal.id, True, "yes", NOW + 2)
    assert told(db) == [
        {
            "event": "appeal",
            "port": PORT,
            "id": appeal.id,
            "state": "denied",
            "filed_at": NOW,
            "submission": "s1",
            "answer": "the brand is not yours",
            "decided_at": NOW + 1,
        }
    ]
    assert appeals(db, SENIOR) == []
    assert [row.state for row in appeals(db, SENIOR, "denied")] == ["denied"]


def test_a_granted_appeal_resumes_the_port(db: Database) -> None:
    registry.suspend_port(db, OPS, PORT, "complaints", "", NOW)
    appeal = filed(db, None)
    with db.write() as c:
        close(c, NOW, "suspend", PORT, audit.PIPELINE, "complaints", "complaint/17")  # it is suspended already
    assert filed(db, None) == appeal
    with pytest.raises(Forbidden, match="another person"):
        decide_appeal(db, OPS, appeal.id, True, "yes", NOW)
    decide_appeal(db, OTHER, appeal.id, True, "the complaints were about another port", NOW + 1)
    assert {row.code: row.state for row in rows(db, schema.ports)}[PORT] == "open"
    [answer] = told(db)
    assert (answer["state"], answer.get("submission")) == ("granted", None)
    deeds = [row.action for row in rows(db, schema.audit)]
    assert deeds == ["suspend", "appeal", "decide_appeal", "resume"]
    registry.suspend_port(db, OPS, PORT, "again", "", NOW + 2)
    assert filed(db, None).id != appeal.id  # another suspension, another appeal


def test_later_submissions_do_not_follow_an_overturned_refusal(db: Database) -> None:
    cases = schema.cases

    def arrive(ident: str) -> str:
        with db.write() as c:
            project_members(c, NOW + 10, [member(ident)], campaigns=None)
            found = select(cases.c.state).join(schema.case_members, schema.case_members.c.case == cases.c.id)
            return str(c.scalar(found.where(schema.case_members.c.submission == ident)))

    assert arrive("s1") == "open"
    values = {"state": "effective", "verdict": "reject", "decided_by": "lin", "decided_at": NOW, "effective_at": NOW}
    with db.write() as c:
        c.execute(cases.update().values(**values))
    assert arrive("s3") == "effective"  # it follows the refusal
    decide_appeal(db, SENIOR, filed(db).id, True, "send it again", NOW)
    assert arrive("s4") == "open"
    assert [row.actor for row in rows(db, schema.audit) if row.action == "decide_appeal"] == ["senior"]
    assert audit.PIPELINE not in {row.decided_by for row in rows(db, schema.appeals)}
