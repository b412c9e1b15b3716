"""What a carrier says means the same to a link in every protocol."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.actions.senders.answers import Answers, Meaning
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.dialect_of_channel import dialect_of
from pipeline.actions.senders.dialects.dialect import (
    CHINA,
    Answered,
    Asks,
    Closes,
    Delivered,
    Dialect,
    Expected,
    StatusReport,
    SubscriberMessage,
)
from pipeline.protocols import cmpp, sgip, smgp, smpp
from pipeline.protocols.carried import carried
from pipeline.protocols.report_text import ReportText, write_report
from pipeline.protocols.sms.text import parts
from pipeline.protocols.tlvs import Tlv

KINDS = ("cmpp2", "cmpp3", "smgp", "sgip", "smpp")
AT = datetime(2026, 11, 21, 14, 30, 5, tzinfo=CHINA)
SEQUENCE = 0x0102_0304
TWELVE = sgip.SequenceNumber(100_010, 1_121_143_106, 5).octets()


def dialect(kind: str, **fields: Any) -> Dialect:
    settings = {"node": 3_029_999_999, "listen": "127.0.0.1:8801"} if kind == "sgip" else {}
    channel = Channel(host="127.0.0.1", port=1, account="900001", kind=kind, **(settings | fields))  # type: ignore[arg-type]
    return dialect_of(channel, b"secret")


def report(kind: str, stat: str = "DELIVRD") -> Any:
    if kind == "smgp":
        text = write_report(ReportText(msg_id=bytes(9) + b"\x07", stat=stat, error="000"))
        return smgp.Deliver(
            sequence=1, msg_id=bytes(10), is_report=1, msg_format=0, src_term_id="1", dest_term_id="106", content=text
        )
    if kind == "sgip":
        state = {"DELIVRD": 0, "ACCEPTD": 1}.get(stat, 2)
        return sgip.Report(
            sequence=TWELVE, submit_sequence=TWELVE, user_number="8613800138000", state=state, error_code=25
        )
    if kind == "smpp":
        text = (
            f"id:00AB sub:001 dlvrd:001 submit date:2611281200 done date:2611281200 stat:{stat} err:000 text:".encode()
        )
        return smpp.DeliverSm(sequence=1, source_addr="1", destination_addr="106", esm_class=4, short_message=text)
    codec = cmpp.CMPP2 if kind == "cmpp2" else cmpp.CMPP3
    body = cmpp.StatusReport(msg_id=7, stat=stat, submit_time="", done_time="", recipient="13800138000")
    return cmpp.Deliver(
        sequence=1,
        msg_id=7,
        dest_id="106",
        msg_fmt=0,
        src_terminal_id="1",
        registered_delivery=1,
        content=cmpp.encode_report(body, codec),
    )


def refusal(kind: str, result: int) -> Any:
    if kind == "smgp":
        return smgp.SubmitResp(sequence=3, msg_id=bytes(10), status=result)
    if kind == "sgip":
        return sgip.SubmitResp(sequence=sgip.SequenceNumber(1, 2, 3).octets(), result=result)
    if kind == "smpp":
        return smpp.SubmitSmResp(sequence=3, status=result)
    return cmpp.SubmitResp(sequence=3, msg_id=0, result=result)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["【银行】您好😀" * 20, "hello {world}", "您好"])
def test_a_submit_carries_the_text_its_number_and_its_validity(kind: str, text: str) -> None:
    spoken = dialect(kind, service="SVC01")
    cut = parts(text, 9, spoken.seven_bit)
    seen = []
    for part in cut:
        frame = spoken.submit(part, "10690001", "13800138000", datetime(2026, 11, 22, tzinfo=CHINA))
        pdu = spoken.codec.decode(spoken.numbered(frame, SEQUENCE, AT))
        message = carried(pdu)
        assert message is not None
        assert (message.place is not None) == (len(cut) > 1)
        seen.append(message.text)
        valid = {"smpp": "validity_period", "sgip": "expire_time"}.get(kind, "valid_time")
        assert getattr(pdu, valid) == "261122000000032+"
        answered = spoken.event(_accepted(kind, pdu))
        assert isinstance(answered, Answered)
        assert (answered.sequence, answered.result) == (SEQUENCE, 0)
        assert answered.carrier_id
    assert "".join(map(str, seen)) == text


def _accepted(kind: str, pdu: Any) -> Any:
    if kind == "smgp":
        return smgp.SubmitResp(sequence=pdu.sequence, msg_id=bytes(9) + b"\x07", status=0)
    if kind == "sgip":
        return sgip.SubmitResp(sequence=pdu.sequence, result=0)
    if kind == "smpp":
        return smpp.SubmitSmResp(sequence=pdu.sequence, message_id="00Ab")
    return cmpp.SubmitResp(sequence=pdu.sequence, msg_id=7, result=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_names_the_id_of_the_answer(kind: str) -> None:
    spoken = dialect(kind)
    event = spoken.event(report(kind))
    assert isinstance(event, Delivered)
    assert isinstance(event.content, StatusReport)
    accepted = (
        _accepted(kind, smpp.EnquireLink(sequence=1)) if kind != "sgip" else sgip.SubmitResp(sequence=TWELVE, result=0)
    )
    answered = spoken.event(accepted)
    assert isinstance(answered, Answered)
    assert event.content.carrier_id == answered.carrier_id
    assert event.content.status == "DELIVRD"
    assert event.content.sender == ("" if kind == "sgip" else "106")


def test_a_failure_over_sgip_keeps_its_number() -> None:
    event = dialect("sgip").event(report("sgip", "UNDELIV"))
    assert isinstance(event, Delivered)
    assert isinstance(event.content, StatusReport)
    assert event.content.status == "SG:0025"


@pytest.mark.parametrize(("decimal", "ident"), [(False, "0000AB"), (False, "ab"), (True, "171"), (True, "0000000171")])
def test_ids_of_smpp_are_compared_without_case_zeros_and_base(decimal: bool, ident: str) -> None:
    spoken = dialect("smpp", decimal_receipts=decimal)
    text = f"id:{ident} sub:001 dlvrd:001 submit date:2611281200 done date:2611281200 stat:DELIVRD err:000 text:"
    event = spoken.event(
        smpp.DeliverSm(
            sequence=1, source_addr="1", destination_addr="2", esm_class=smpp.RECEIPT, short_message=text.encode()
        )
    )
    assert isinstance(event, Delivered)
    assert isinstance(event.content, StatusReport)
    answered = spoken.event(smpp.SubmitSmResp(sequence=1, message_id="00AB"))
    assert isinstance(answered, Answered)
    assert event.content.carrier_id == answered.carrier_id == "ab"


def test_an_smpp_answer_without_an_id_leaves_its_part_in_doubt() -> None:
    event = dialect("smpp").event(smpp.SubmitSmResp(sequence=5, message_id=""))
    assert event == Answered(5, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_that_cannot_be_read_is_refused_not_dropped(kind: str) -> None:
    broken: dict[str, Any] = {
        "smgp": smgp.Deliver(
            sequence=1, msg_id=bytes(10), is_report=1, msg_format=0, src_term_id="1", dest_term_id="2", content=b"x"
        ),
        "smpp": smpp.DeliverSm(
            sequence=1, source_addr="1", destination_addr="2", esm_class=smpp.RECEIPT, short_message=b"hello"
        ),
    }
    if kind == "sgip":  # its report has no text
        frame = sgip.SGIP.encode(report(kind))[:-20]
        frame = len(frame).to_bytes(4, "big") + frame[4:]
        answered, answer = dialect(kind).unreadable(frame, unknown=False)
        assert answered is None
        assert isinstance(answer, sgip.ReportResp)
        assert answer.result != 0
        return
    if kind in broken:
        event = dialect(kind).event(broken[kind])
    else:
        short = cmpp.Deliver(
            sequence=1, msg_id=7, dest_id="2", msg_fmt=0, src_terminal_id="1", registered_delivery=1, content=b"x"
        )
        event = dialect(kind).event(short)
    assert isinstance(event, Delivered)
    assert event.content is None
    assert event.fault
    answer = event.refused
    assert (answer.result if kind.startswith("cmpp") else answer.status) != 0


@pytest.mark.parametrize("kind", KINDS)
def test_subscribers_messages_are_told_from_reports(kind: str) -> None:
    content = "退订".encode("utf-16-be")
    pdu: Any = {
        "smgp": smgp.Deliver(
            sequence=1,
            msg_id=bytes(9) + b"\1",
            is_report=0,
            msg_format=8,
            src_term_id="13800138000",
            dest_term_id="106",
            content=content,
            tlvs=(Tlv(smgp.TP_UDHI, b"\0"),),
        ),
        "sgip": sgip.Deliver(sequence=TWELVE, user_number="8613800138000", sp_number="106", coding=8, content=content),
        "smpp": smpp.DeliverSm(
            sequence=1, source_addr="13800138000", destination_addr="106", data_coding=8, short_message=content
        ),
    }.get(kind) or cmpp.Deliver(
        sequence=1,
        msg_id=7,
        dest_id="106",
        msg_fmt=8,
        src_terminal_id="13800138000",
        registered_delivery=0,
        content=content,
    )
    event = dialect(kind).event(pdu)
    assert isinstance(event, Delivered)
    assert isinstance(event.content, SubscriberMessage)
    assert event.content.message.text == "退订"
    assert event.content.to == "106"
    assert event.content.carrier_id


@pytest.mark.parametrize("kind", KINDS)
def test_questions_and_wishes_to_close(kind: str) -> None:
    spoken = dialect(kind)
    question, end = spoken.test(5), spoken.end(6)
    assert (question is None) == (kind == "sgip")
    if question is not None:
        asks = spoken.event(question)
        assert isinstance(asks, Asks)
        assert asks.answer.sequence == 5
        assert isinstance(spoken.event(asks.answer), Expected)
    closes = spoken.event(end)
    assert isinstance(closes, Closes)
    assert isinstance(spoken.event(closes.answer), Expected)


@pytest.mark.parametrize(
    ("kind", "pause", "elsewhere", "final"),
    [("cmpp2", 8, 9, 13), ("cmpp3", 8, 10, 6), ("smgp", 1, 75, 36), ("sgip", 11, None, 6), ("smpp", 0x58, 0x0A, 0x0B)],
)
def test_refusals_have_a_meaning(kind: str, pause: int, elsewhere: int | None, final: int) -> None:
    spoken = dialect(kind)
    answers = Answers({}, spoken.meanings)

    def meaning(result: int) -> Meaning:
        event = spoken.event(refusal(kind, result))
        assert isinstance(event, Answered)
        assert event.result == result
        return answers.meaning(result)

    assert meaning(pause) is Meaning.PAUSE
    assert elsewhere is None or meaning(elsewhere) is Meaning.NEXT
    assert meaning(final) is Meaning.FINAL


def test_a_login_proves_the_secret() -> None:
    at = datetime(2026, 10, 21, 8, 5, 10, tzinfo=UTC)
    connect = dialect("cmpp2").login(at, 1)
    assert connect.version == 0x20
    assert connect.authenticator == cmpp.authenticator_source("900001", b"secret", 1_021_080_510)
    login = dialect("smgp").login(at, 1)
    assert login.authenticator == smgp.authenticator_client("900001", b"secret", 1_021_080_510)
    assert dialect("smpp").login(at, 1).password == "secret"
    assert dialect("sgip").login(at, 1).login_password == "secret"
