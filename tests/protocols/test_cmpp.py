"""CMPP 2.0 and 3.0 as the specification and other implementations have them."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP2, CMPP3
from pipeline.protocols.frames import FrameError, ProtocolError, StreamError, UnknownCommandError

CONNECT = "00000027000000010000001739303030303190d00c1d517abd0b4f65f6bcf8535d16213cdc73be"
CONNECT_RESP_OF_2 = "0000001e8000000100000017006c0b846e25bab6daa4ed1c466e0f4bd821"
CONNECT_RESP = "000000218000000100000017000000007942977274098cf210ab0c16c367bc8d30"
SUBMIT = (
    "000000c700000004000000010000000000000000010101015356433031000000000002000000000000000000000000000000000000000000"
    "0000000000000000000000000000083930303030313031303030303030000000000000000000000000000000000000000000000000000000"
    "0000000000000031303639303030310000000000000000000000000001313338303031333830303000000000000000000000000000000000"
    "0000000000000460a8597d0000000000000000000000000000000000000000"
)
SUBMIT_OF_2 = (
    "000000a300000004000000010000000000000000010101015356433031000000000002000000000000000000000000000000000000000000"
    "0000083930303030313031303030303030000000000000000000000000000000000000000000000000000000000000000000003130363930"
    "30303100000000000000000000000000013133383030313338303030000000000000000000000460a8597d0000000000000000"
)
REPORT = (
    "000000b40000000500000007bab9e14dbba10102313036393030303100000000000000000000000000535643303100000000000000003133"
    "383030313338303030000000000000000000000000000000000000000000000147bab9e14dbba1010244454c495652443236313132313134"
    "3330323631313231313433313133383030313338303030000000000000000000000000000000000000000000123456780000000000000000"
    "000000000000000000000000"
)
REPORT_OF_2 = (
    "b4c553000001000044454c495652443135313131323039353531353131313230393537313334313233343030303000000000000000000000"
    "12345678"
)


def test_login_proves_the_secret() -> None:
    connect = CMPP3.decode(bytes.fromhex(CONNECT))
    assert connect == cmpp.Connect(
        sequence=0x17,
        source_addr="900001",
        version=0x21,
        timestamp=1021080510,
        authenticator=cmpp.authenticator_source("900001", b"888888", 1021080510),
    )
    answer = CMPP3.decode(bytes.fromhex(CONNECT_RESP))
    assert isinstance(answer, cmpp.ConnectResp)
    assert answer.authenticator == cmpp.authenticator_ismg(0, connect.authenticator, b"888888", CMPP3)
    assert answer.version == 0x30
    of_2 = CMPP2.decode(bytes.fromhex(CONNECT_RESP_OF_2))
    assert isinstance(of_2, cmpp.ConnectResp)
    assert (of_2.status, of_2.version) == (0, 0x21)
    assert of_2.authenticator == cmpp.authenticator_ismg(0, connect.authenticator, b"888888", CMPP2)
    for codec, frame, pdu in (
        (CMPP2, CONNECT, connect),
        (CMPP3, CONNECT, connect),
        (CMPP3, CONNECT_RESP, answer),
        (CMPP2, CONNECT_RESP_OF_2, of_2),
    ):
        assert codec.encode(pdu).hex() == frame


def test_a_timestamp_before_october_is_padded_to_ten_digits() -> None:
    assert cmpp.authenticator_source("900001", b"s", 102030405) == cmpp.authenticator_source(
        "900001", b"s", int("0102030405")
    )
    assert cmpp.authenticator_source("900001", b"s0", 102030405) != cmpp.authenticator_source("900001", b"s", 102030405)


def test_submit_is_byte_for_byte_the_vector() -> None:
    submit = cmpp.Submit(
        sequence=1,
        msg_level=1,
        service_id="SVC01",
        msg_fmt=8,
        msg_src="900001",
        src_id="10690001",
        recipients=("13800138000",),
        content="您好".encode("utf-16-be"),
    )
    assert CMPP3.encode(submit).hex() == SUBMIT
    assert CMPP3.decode(bytes.fromhex(SUBMIT)) == submit
    assert CMPP2.encode(submit).hex() == SUBMIT_OF_2
    assert CMPP2.decode(bytes.fromhex(SUBMIT_OF_2)) == submit
    assert CMPP3.decode(cmpp.with_sequence(bytes.fromhex(SUBMIT), 77)).sequence == 77


def test_report_of_both_lengths() -> None:
    deliver = CMPP3.decode(bytes.fromhex(REPORT))
    assert isinstance(deliver, cmpp.Deliver)
    report = cmpp.report_of(deliver)
    assert report == cmpp.StatusReport(
        msg_id=0xBAB9E14DBBA10102,
        stat="DELIVRD",
        submit_time="2611211430",
        done_time="2611211431",
        recipient="13800138000",
        smsc_sequence=0x12345678,
    )
    assert cmpp.encode_report(report, CMPP3) == deliver.content
    assert CMPP3.encode(deliver).hex() == REPORT
    assert len(CMPP2.encode(deliver)) == 85 + 71
    older = cmpp.Deliver(
        sequence=1,
        msg_id=1,
        dest_id="1069",
        msg_fmt=0,
        src_terminal_id="1",
        registered_delivery=1,
        content=bytes.fromhex(REPORT_OF_2),
    )
    short = cmpp.report_of(older)
    assert short is not None
    assert (short.msg_id, short.recipient, short.smsc_sequence) == (0xB4C5530000010000, "13412340000", 0x12345678)
    assert cmpp.encode_report(short, CMPP2).hex() == REPORT_OF_2


def _report(body: bytes) -> cmpp.StatusReport:
    deliver = cmpp.Deliver(
        sequence=1, msg_id=1, dest_id="1069", msg_fmt=0, src_terminal_id="1", registered_delivery=1, content=body
    )
    report = cmpp.report_of(deliver)
    assert report is not None
    return report


@pytest.mark.parametrize("extra", [1, 7, 11, 12, 80])
def test_octets_behind_a_report_are_left_unread(extra: int) -> None:
    of_2 = _report(bytes.fromhex(REPORT_OF_2))
    of_3 = cmpp.encode_report(of_2, CMPP3)
    for body in (bytes.fromhex(REPORT_OF_2), of_3):
        longer = _report(body + b"\xff" * extra)
        assert (longer.msg_id, longer.stat, longer.recipient) == (of_2.msg_id, "DELIVRD", "13412340000")
    assert _report(of_3 + b"\xff" * extra) == of_2


def test_a_report_that_is_too_short_says_so() -> None:
    with pytest.raises(FrameError, match="status report of 59 octets, 71 or 60 expected") as caught:
        _report(bytes(59))
    assert caught.value.offset == 59


def _frame(command: int, body: str, sequence: int = 7) -> bytes:
    octets = bytes.fromhex(body)
    return b"".join(n.to_bytes(4, "big") for n in (12 + len(octets), command, sequence)) + octets


MSG_ID = "bab9e14dbba10102"


@pytest.mark.parametrize(
    ("frame", "read"),
    [
        (_frame(0x80000004, MSG_ID + "08"), cmpp.SubmitResp(sequence=7, msg_id=0xBAB9E14DBBA10102, result=8)),
        (_frame(0x80000005, MSG_ID + "01"), cmpp.DeliverResp(sequence=7, msg_id=0xBAB9E14DBBA10102, result=1)),
        (
            _frame(0x80000001, "03" + "00" * 16 + "20"),
            cmpp.ConnectResp(sequence=7, status=3, authenticator=bytes(16), version=0x20),
        ),
        (_frame(0x80000007, "01"), cmpp.CancelResp(sequence=7, success_id=1)),
        (_frame(0x80000008, ""), cmpp.ActiveTestResp(sequence=7)),
        (
            _frame(0x80000004, MSG_ID + "00000009" + "aabbcc"),
            cmpp.SubmitResp(sequence=7, msg_id=0xBAB9E14DBBA10102, result=9),
        ),
        (_frame(0x80000008, "00ffff"), cmpp.ActiveTestResp(sequence=7)),
        (_frame(0x80000002, "ff"), cmpp.TerminateResp(sequence=7)),
    ],
)
def test_responses_in_the_form_of_2_and_with_octets_behind_are_read(frame: bytes, read: cmpp.Pdu) -> None:
    assert CMPP3.decode(frame) == read


def test_a_response_of_3_is_read_on_a_link_of_2() -> None:
    throttled = _frame(0x80000004, MSG_ID + "00000008")
    assert CMPP2.decode(throttled) == cmpp.SubmitResp(sequence=7, msg_id=0xBAB9E14DBBA10102, result=8)
    assert CMPP2.decode(_frame(0x80000007, "00000001")) == cmpp.CancelResp(sequence=7, success_id=1)


def test_fields_of_3_cannot_be_sent_in_2() -> None:
    submit = CMPP2.decode(bytes.fromhex(SUBMIT_OF_2))
    with pytest.raises(ProtocolError, match="recipient_type: this version has no such field"):
        CMPP2.encode(msgspec.structs.replace(submit, recipient_type=1))
    with pytest.raises(ProtocolError, match="recipients: 22 octets, at most 21"):
        CMPP2.encode(msgspec.structs.replace(submit, recipients=("1" * 22,)))


def test_a_missing_reserved_field_is_empty() -> None:
    for codec, frame, width in ((CMPP2, SUBMIT_OF_2, 8), (CMPP3, SUBMIT, 20)):
        octets = bytes.fromhex(frame)
        for cut in (1, width):
            shorter = (len(octets) - cut).to_bytes(4, "big") + octets[4:-cut]
            reading = codec.read(shorter)
            assert reading.pdu == codec.decode(octets)
            assert not reading.regular


def test_of_a_frame_that_cannot_be_read_the_head_is_known() -> None:
    answer = _frame(0x80000004, MSG_ID + "0000")
    with pytest.raises(FrameError, match="22 octets, at least 24 expected") as caught:
        CMPP3.decode(answer)
    assert caught.value.offset == 22
    assert cmpp.head_of(answer) == cmpp.Head(0x80000004, 7, 0xBAB9E14DBBA10102)
    assert cmpp.head_of(answer[:16]) == cmpp.Head(0x80000004, 7, 0)
    with pytest.raises(UnknownCommandError, match="unknown command 0x00000009"):
        CMPP3.decode(_frame(9, "00"))


def test_small_messages() -> None:
    assert CMPP3.encode(cmpp.ActiveTest(sequence=9)).hex() == "0000000c0000000800000009"
    assert CMPP3.encode(cmpp.ActiveTestResp(sequence=9)).hex() == "0000000d800000080000000900"
    assert CMPP3.decode(bytes.fromhex("0000000c8000000800000009")) == cmpp.ActiveTestResp(sequence=9)
    throttled = CMPP3.decode(bytes.fromhex("000000188000000400000001bab9e14dbba1010200000008"))
    assert throttled == cmpp.SubmitResp(sequence=1, msg_id=0xBAB9E14DBBA10102, result=cmpp.THROTTLED)
    assert cmpp.message_id(11, 21, 14, 30, 5, 900001, 258) == 0xBAB9E14DBBA10102
    assert cmpp.message_id(11, 9, 17, 21, 12, 1, 0) == 0xB4C5530000010000
    assert cmpp.message_id(11, 5, 14, 29, 42, 1, 0) == 0xB2B9DA8000010000


def test_an_impossible_length_ends_the_stream_behind_the_good_frames() -> None:
    good = CMPP3.encode(cmpp.ActiveTest(sequence=1))
    stream = CMPP3.frames().feed(good + b"\xff" * 12)
    assert next(stream) == good
    with pytest.raises(StreamError, match="frame of 4294967295 octets; 12 to 4096 expected"):
        next(stream)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"recipients": ()}, "0 recipients, 1 to 99 expected"),
        ({"recipients": ("1",) * 100}, "100 recipients"),
        ({"content": bytes(141)}, "content: 141 octets, at most 140"),
        ({"content": bytes(160), "msg_fmt": 0}, "content: 160 octets, at most 159"),
        ({"src_id": "1" * 22}, "src_id: 22 octets, at most 21"),
        ({"msg_src": "名"}, "msg_src: characters beyond Latin-1"),
        ({"pk_total": 256}, "a number is too large for its field: .*pk_total=256"),
        ({"udhi": 2}, "udhi: 2 is not allowed"),
        ({"recipients": ("",)}, "recipients: empty"),
        ({"src_id": "1 "}, "src_id: ends in a space"),
        ({"src_id": "1\0"}, "src_id: has NUL"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], fault: str) -> None:
    fields: dict[str, object] = {"msg_fmt": 8, "msg_src": "9", "src_id": "1", "recipients": ("1",), "content": b""}
    with pytest.raises(ProtocolError, match=fault):
        CMPP3.encode(cmpp.Submit(sequence=1, **(fields | change)))  # type: ignore[arg-type]
