"""What a verdict causes: each consequence with its decision, none without one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.actions.alerts.recurring import GRANULARITY_MS
from pipeline.actions.consequences import consequences
from pipeline.actions.proof import proved
from pipeline.actions.routes import Routes
from pipeline.decision.outcome import RuleAlert
from pipeline.decision.screening import Screened
from pipeline.errors import AntispamError
from pipeline.events import (
    Alert,
    AlertLevel,
    CaseMember,
    Decision,
    Event,
    Hold,
    Kind,
    ListAction,
    Outbound,
    PortAction,
    Priority,
    Reason,
    RecipientException,
    Record,
    RecordKind,
    Submission,
    Verdict,
)
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.numbering.segments import Segments
from pipeline.rules.ports import Port, PortEntry

AT = 1_760_000_000_000
SECRET = b"of the releases"
NUMBERS = ("13800000001", "13800000002")
PORT = Port(PortEntry(code="10690001", channel="cmcc"))
SENDER = "13900000009"
SUBMISSION = Submission(id="s-1", port="1069000155", recipients=NUMBERS, content="您好", accepted_at=AT, round=1)
RECORD = Record(id="r-1", kind=RecordKind.MO, sender=SENDER, recipient=NUMBERS[0], content="在吗", submitted_at=AT)


def decision(verdict: Verdict, **fields: Any) -> Decision:
    given: dict[str, Any] = {
        "id": "s-1",
        "round": 1,
        "exceptions": (),
        "score": None,
        "label": None,
        "category": None,
        "epoch": 1,
        "reasons": (Reason(rule="why", verdict=verdict, severity=50, message="", values={}),),
        "policy": None,
        "dictionary": None,
        "model": None,
        "counters": {},
        "degraded": False,
        "shadow": (),
        "decided_at": AT + 5,
        "source": "submission",
        "port": "10690001",
        "kind": Kind.NOTICE,
        "messages": 2,
        "fingerprint": "f" * 16,
        "accepted_at": AT,
    }
    return Decision(**given | fields, verdict=verdict)


def causes(
    event: Submission | Record, made: Decision, port: Port | None = PORT, alerts: tuple[Any, ...] = ()
) -> list[tuple[str, str, Event]]:
    screened = Screened(made, port, alerts)
    return list(
        consequences(
            event, screened, Routes(["default", "cmcc"], {}, Segments({})), lambda number: f"hash-{number[-1]}", SECRET
        )
    )


@pytest.mark.parametrize("priority", Priority)
def test_a_release_goes_to_its_channel_and_lane_under_the_key_of_its_port(priority: Priority) -> None:
    event = Submission(id="s", port="1069000155", recipients=NUMBERS, content="x", accepted_at=AT, priority=priority)
    [(topic, key, sent)] = causes(event, decision(Verdict.RELEASE))
    assert (topic, key) == (f"outbound.cmcc.{priority.value}", "10690001")
    released = Outbound(submission=event, recipients=NUMBERS, round=0, decided_at=AT + 5)
    assert sent == proved(SECRET, topic, key, released)


def test_excepted_recipients_are_left_out_and_nobody_left_is_nothing_sent() -> None:
    away = [
        RecipientException(recipient=n, verdict=Verdict.REJECT, rule=BuiltInRule.RECIPIENT_BLOCKED) for n in NUMBERS
    ]
    [(_, _, sent)] = causes(SUBMISSION, decision(Verdict.RELEASE, exceptions=tuple(away[:1])))
    assert isinstance(sent, Outbound)
    assert sent.recipients == NUMBERS[1:]
    assert causes(SUBMISSION, decision(Verdict.RELEASE, exceptions=tuple(away))) == []


def test_a_channel_the_deployment_does_not_have_is_an_error_not_a_loss() -> None:
    elsewhere = Port(PortEntry(code="10690001", channel="moon"))
    with pytest.raises(AntispamError, match="channel 'moon' is not one of this deployment's"):
        causes(SUBMISSION, decision(Verdict.RELEASE), elsewhere)


@pytest.mark.parametrize("until", [None, AT + 10_000])
def test_a_hold_waits_for_its_time_or_for_a_fact(until: int | None) -> None:
    [found] = causes(SUBMISSION, decision(Verdict.HOLD, hold_until=until))
    assert found == ("holds", "s-1", Hold(submission=SUBMISSION, rule="why", due_at=until, epoch=1))


def test_a_review_is_a_member_of_the_case_of_its_port_and_content() -> None:
    [(topic, key, member)] = causes(SUBMISSION, decision(Verdict.REVIEW))
    assert (topic, key) == ("cases", "s-1")
    assert member == CaseMember(
        submission=SUBMISSION, port="10690001", fingerprint="f" * 16, rule="why", decided_at=AT + 5, channel="cmcc"
    )


def test_a_member_names_the_campaign_of_its_text_whatever_rule_asked() -> None:
    [(_, _, member)] = causes(SUBMISSION, decision(Verdict.REVIEW, campaign="c0123456789abcdef"))
    assert isinstance(member, CaseMember)
    assert (member.campaign, member.fingerprint) == ("c0123456789abcdef", "f" * 16)


def test_a_refusal_causes_nothing_further() -> None:
    assert causes(SUBMISSION, decision(Verdict.REJECT)) == []
    assert causes(RECORD, decision(Verdict.REJECT, source="record", port=""), None) == []


def test_blacklisting_suspends_a_port_and_never_lists_it() -> None:
    expected = PortAction(port="10690001", action="suspend", rule="why", evidence="s-1", at=AT + 5)
    assert causes(SUBMISSION, decision(Verdict.BLACKLIST)) == [("port-actions", "10690001", expected)]
    sent = Record(id="r", kind=RecordKind.AO, sender="1069000155", recipient=NUMBERS[0], content="", submitted_at=AT)
    assert causes(sent, decision(Verdict.BLACKLIST, source="record")) == [("port-actions", "10690001", expected)]


def test_blacklisting_a_number_lists_it_with_its_evidence() -> None:
    made = decision(Verdict.BLACKLIST, id="r-1", source="record", port="")
    expected = ListAction(
        list="black", entity="sender", value=SENDER, rule="why", evidence="r-1", at=AT + 5, sample="加微信 ********"
    )
    written = msgspec.structs.replace(RECORD, content="加微信 13900139")
    assert causes(written, made, None) == [("list-actions", SENDER, expected)]


ALERTS = (RuleAlert(AlertLevel.SEVERE, "volume", "已发 51 条", {"volume": 51}),)


def test_alerts_of_one_rule_and_subject_share_an_id_for_a_quarter_of_an_hour() -> None:
    ids = set()
    for at in (AT, AT // GRANULARITY_MS * GRANULARITY_MS, AT + GRANULARITY_MS):
        [(topic, subject, alert)] = causes(SUBMISSION, decision(Verdict.REJECT, accepted_at=at), PORT, ALERTS)
        assert isinstance(alert, Alert)
        assert (topic, subject, alert.level, alert.at) == ("alerts", "10690001", AlertLevel.SEVERE, at)
        assert (alert.message, alert.values) == ("已发 51 条", {"volume": 51})
        ids.add(alert.id)
    assert len(ids) == 2


def test_an_alert_on_a_person_carries_the_hash_and_never_the_number() -> None:
    [(_, key, alert)] = causes(RECORD, decision(Verdict.RELEASE, source="record", port=""), None, ALERTS)
    assert isinstance(alert, Alert)
    assert (key, alert.subject) == ("hash-9", "hash-9")
    assert SENDER not in alert.id + alert.message


def test_a_released_record_is_not_sent_anywhere() -> None:
    assert causes(RECORD, decision(Verdict.RELEASE, source="record", port=""), None) == []
