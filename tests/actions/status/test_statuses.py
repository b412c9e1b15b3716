"""What a sender is told of a submission, from records met in any order and any number of times."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from pipeline.actions.status.statuses import (
    digests,
    project_decisions,
    project_submissions,
    senders_of,
    status_of,
)
from pipeline.actions.status.submission_status import POLICY, Said, SubmissionStatus
from pipeline.events import Submission, encode
from pipeline.store import schema
from pipeline.store.callback_queue import enqueue
from pipeline.store.database import Database
from pipeline.store.digest import digest
from tests.harness.case_events import add_port

NOW = 1_700_000_000_000
PORT, SENDER, ID = "10690001", "1069000105", "s-1"


def submission(ident: str = ID, sender: str = SENDER, content: str = "你好", round_: int = 0) -> Submission:
    return Submission(
        id=ident, port=sender, recipients=("13800000001", "13800000002"), content=content, accepted_at=NOW, round=round_
    )


def decision(verdict: str, round_: int = 0, ident: str = ID, sender: str = SENDER, **more: Any) -> bytes:
    reasons = [{"rule": "words", "verdict": verdict, "severity": 3, "message": "a word", "values": {}, "spans": []}]
    return msgspec.json.encode(
        {
            "id": ident,
            "round": round_,
            "verdict": verdict,
            "exceptions": [],
            "reasons": reasons,
            "source": "submission",
            "port": PORT,
            "sender": sender,
            "accepted_at": NOW,
            "decided_at": NOW + 5 + round_,
            **more,
        }
    )


def port_with_callback(connection: Connection, port: str = PORT, url: str = "http://127.0.0.1:1/told") -> None:
    add_port(connection, port)
    connection.execute(insert(schema.api_keys).values(key="0" * 64, port=port, callback_url=url, created_at=NOW))


def states(status: SubmissionStatus | None) -> list[str]:
    assert status is not None
    return [r.state for r in status.recipients]


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        ("release", "released"),
        ("hold", "held"),
        ("review", "in_review"),
        ("reject", "rejected"),
        ("blacklist", "rejected"),
    ],
)
def test_the_verdict_is_the_state_of_each_recipient(operational_db: Database, verdict: str, state: str) -> None:
    with operational_db.write() as connection:
        project_submissions(connection, NOW, [encode(submission())])
        assert states(status_of(connection, SENDER, ID)) == ["accepted"] * 2
        project_decisions(connection, NOW, [decision(verdict)])
        status = status_of(connection, SENDER, ID)
    assert states(status) == [state] * 2
    assert status is not None
    assert status.reasons == [Said("words", "a word")]


def test_a_recipient_may_not_share_the_verdict(operational_db: Database) -> None:
    exceptions = [{"recipient": "13800000002", "verdict": "reject", "rule": "unsubscribed"}]
    with operational_db.write() as connection:
        project_submissions(connection, NOW, [encode(submission())])
        project_decisions(connection, NOW, [decision("release", exceptions=exceptions)])
        status = status_of(connection, SENDER, ID)
    assert states(status) == ["released", "rejected"]
    assert status is not None
    assert status.recipients[1].rule == "unsubscribed"


STEPS = {
    "submission": lambda c: project_submissions(c, NOW, [encode(submission())]),
    "again": lambda c: project_submissions(c, NOW, [encode(submission(round_=1))]),
    "hold": lambda c: project_decisions(c, NOW, [decision("hold")]),
    "reject": lambda c: project_decisions(c, NOW, [decision("reject", 1)]),
}


@pytest.mark.parametrize("order", list(permutations(STEPS)), ids="-".join)
def test_no_order_of_arrival_changes_what_is_known(operational_db: Database, order: tuple[str, ...]) -> None:
    with operational_db.write() as connection:
        port_with_callback(connection)
        for step in (*order, *order):  # and all of it once more
            STEPS[step](connection)
        status = status_of(connection, SENDER, ID)
        told = connection.execute(select(schema.callbacks)).all()
    assert states(status) == ["rejected"] * 2
    assert status is not None
    assert (status.round, status.decided_by, status.accepted_at) == (1, POLICY, NOW)
    assert len(told) == 1
    body = msgspec.json.decode(told[0].body)
    assert (body["event"], body["id"], body["port"], body["round"]) == ("rejected", ID, SENDER, 1)
    assert b"13800000001" not in told[0].body


def test_the_first_submission_of_an_id_and_the_first_decision_of_a_round_count(operational_db: Database) -> None:
    with operational_db.write() as connection:
        project_submissions(connection, NOW, [encode(submission()), encode(submission(content="别的"))])
        project_decisions(connection, NOW, [decision("release"), decision("reject")])
        assert digests(connection, [ID]) == {(SENDER, ID): digest(submission())}
        assert states(status_of(connection, SENDER, ID)) == ["released"] * 2


def test_what_cannot_be_decoded_is_left_out_and_records_are_not_projected(operational_db: Database) -> None:
    with operational_db.write() as connection:
        project_submissions(
            connection, NOW, [b"{", b"\xff", b'{"id": "\xff"}', b'{"x": ' + b"[" * 50_000, encode(submission())]
        )
        project_decisions(connection, NOW, [b"[]", decision("reject", source="record", sender="")])
        assert states(status_of(connection, SENDER, ID)) == ["accepted"] * 2
        assert len(connection.execute(select(schema.submissions)).all()) == 1


def test_a_reviewers_verdict_shows_once_it_is_carried_out(operational_db: Database) -> None:
    with operational_db.write() as connection:
        project_submissions(connection, NOW, [encode(submission())])
        project_decisions(connection, NOW, [decision("review")])
        case: dict[str, Any] = {
            "id": "c",
            "port": PORT,
            "fingerprint": "f",
            "state": "decided",
            "rule": "bulk",
            "content": "",
            "opened_at": NOW,
            "due_at": NOW,
            "verdict": "release",
            "decided_by": "li",
            "released": 0,
        }
        connection.execute(insert(schema.cases).values(case))
        connection.execute(
            insert(schema.case_members).values(
                case="c",
                port=SENDER,
                submission=ID,
                number=1,
                round=0,
                messages=2,
                body=b"",
                recipients=[],
                channel="default",
                added_at=NOW,
            )
        )
        assert states(status_of(connection, SENDER, ID)) == ["in_review"] * 2
        connection.execute(schema.cases.update().values(released=1))
        status = status_of(connection, SENDER, ID)
    assert states(status) == ["released"] * 2
    assert status is not None
    assert status.decided_by == "reviewer"  # a sender is not told who


@given(st.lists(st.sampled_from(["submitted", "delivered", "failed", "expired", "maybe_sent"]), min_size=1, max_size=4))
@pytest.mark.long
def test_a_message_is_delivered_only_when_all_its_parts_are(parts: list[str]) -> None:
    db = Database("sqlite://", b"key")
    schema.metadata.create_all(db.engine)
    with db.write() as connection:
        project_submissions(connection, NOW, [encode(submission())])
        project_decisions(connection, NOW, [decision("release")])
        for number, state in enumerate(parts, 1):
            connection.execute(
                insert(schema.deliveries).values(
                    port=SENDER,
                    submission=ID,
                    n=2,
                    part=number,
                    recipient="13800000002",
                    channel="default",
                    state=state,
                    status=state.upper(),
                    changed_at=NOW,
                )
            )
        status = status_of(connection, SENDER, ID)
    db.close()
    assert status is not None
    first, second = status.recipients
    assert first.state == "released"
    assert (second.state == "delivered") == (set(parts) == {"delivered"})
    assert second.status == second.state.upper()
    assert "failed" not in parts or second.state == "failed"


def test_a_held_submission_says_until_when(operational_db: Database) -> None:
    with operational_db.write() as connection:
        project_submissions(connection, NOW, [encode(submission())])
        project_decisions(connection, NOW, [decision("hold")])
        connection.execute(
            insert(schema.holds).values(
                port=SENDER, submission=ID, round=0, rule="grace", body=b"", held_at=NOW, due_at=NOW + 10_000
            )
        )
        status = status_of(connection, SENDER, ID)
    assert status is not None
    assert status.held_until == NOW + 10_000


def test_senders_are_the_port_and_its_extensions(operational_db: Database) -> None:
    with operational_db.write() as connection:
        for sender in (PORT, SENDER, "10690002"):
            project_submissions(connection, NOW, [encode(submission(sender=sender))])
        assert sorted(senders_of(connection, PORT, ID)) == [PORT, SENDER]
        assert status_of(connection, PORT, "other") is None


def test_a_callback_goes_to_the_longest_registered_port_and_to_nobody_without_an_address(
    operational_db: Database,
) -> None:
    with operational_db.write() as connection:
        port_with_callback(connection, "1069")
        assert enqueue(connection, SENDER, {}, NOW) == 1
        add_port(connection, PORT)
        assert enqueue(connection, SENDER, {}, NOW) == 0  # another owner's: not told to 1069's
        connection.execute(schema.api_keys.update().values(revoked_at=NOW))
        assert enqueue(connection, "1069", {}, NOW) == 0
