"""A trace has the frames it is about, both ways, and nothing that lets a reader log in or read a person's message."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.actions.tracing.one_message import of_message
from pipeline.actions.tracing.recorder import MOST_WAITING, Recorder
from pipeline.actions.tracing.redaction import redacted
from pipeline.actions.tracing.subject import Subject, Trace
from pipeline.protocols import cmpp, smpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.smpp import SMPP

PORT, PHONE, OTHER = "10690001", "13800138000", "13900139000"
NOW = 1_800_000_000_000
TEXT = "【示例】验证码 483920"


def recorder(*traces: Trace) -> Recorder:
    made = Recorder(lambda: NOW)
    made.traces = traces
    return made


def submit(sequence: int, recipient: str = PHONE, source: str = "95" + PORT) -> bytes:
    content = TEXT.encode("utf-16-be")
    return CMPP3.encode(
        cmpp.Submit(
            sequence=sequence, msg_fmt=8, msg_src="900001", src_id=source, recipients=(recipient,), content=content
        )
    )


def answer(sequence: int, msg_id: int) -> bytes:
    return CMPP3.encode(cmpp.SubmitResp(sequence=sequence, msg_id=msg_id, result=0))


def report(sequence: int, msg_id: int, recipient: str = PHONE) -> bytes:
    told = cmpp.StatusReport(
        msg_id=msg_id, stat="DELIVRD", submit_time="2611281200", done_time="2611281200", recipient=recipient
    )
    return CMPP3.encode(
        cmpp.Deliver(
            sequence=sequence,
            msg_id=9,
            dest_id=PORT,
            msg_fmt=0,
            src_terminal_id=recipient,
            registered_delivery=1,
            content=cmpp.encode_report(told, CMPP3),
        )
    )


def exchange(into: Recorder, first: int, recipient: str) -> None:
    """A message of its own, its answer, its report and our answer to that."""
    into.note("default", 0, CMPP3, submit(first, recipient), outgoing=True)
    into.note("default", 0, CMPP3, answer(first, first), outgoing=False)
    into.note("default", 1, CMPP3, report(first, first, recipient), outgoing=False)
    taken = CMPP3.encode(cmpp.DeliverResp(sequence=first, msg_id=9, result=0))
    into.note("default", 1, CMPP3, taken, outgoing=True)


@pytest.mark.parametrize(
    ("trace", "frames"),
    [
        (Trace(1, Subject.NUMBER, PHONE, NOW + 1), 4),
        (Trace(1, Subject.PORT, PORT, NOW + 1), 8),
        (Trace(1, Subject.CHANNEL, "default", NOW + 1), 8),
        (Trace(1, Subject.CHANNEL, "other", NOW + 1), 0),
        (Trace(1, Subject.PORT, "10690002", NOW + 1), 0),
        (Trace(1, Subject.NUMBER, PHONE, NOW), 0),  # over
    ],
)
def test_a_trace_has_its_frames_with_their_answers(trace: Trace, frames: int) -> None:
    made = recorder(trace)
    exchange(made, 1, PHONE)
    exchange(made, 2, OTHER)
    noted = made.take()
    assert len(noted) == frames
    assert made.take() == []
    if frames == 4:
        assert [(each.command, each.outgoing, each.link) for each in noted] == [
            ("Submit", True, 0),
            ("SubmitResp", False, 0),
            ("Deliver", False, 1),
            ("DeliverResp", True, 1),
        ]
        assert noted[0].body["text"] == TEXT
        assert noted[2].body["report"]["stat"] == "DELIVRD"


@pytest.mark.parametrize(
    ("values", "port", "phone"),
    [
        ({"src_id": "95" + PORT + "01", "recipients": [OTHER]}, True, False),
        ({"src_id": "10690002", "recipients": [OTHER, PHONE]}, False, True),
        ({"dest_id": PORT, "report": {"msg_id": "1", "recipient": PHONE}}, True, True),
        ({"sp_number": PORT, "users": ["86" + PHONE]}, True, True),
        ({"src_term_id": "86" + PHONE, "dest_term_id": PORT}, True, True),
        ({"source_addr": PORT, "destinations": [{"dest_flag": 1, "destination_addr": PHONE}]}, True, True),
        ({"msg_id": "0" + PORT + "0000000", "timestamp": PORT, "service_id": PORT}, False, False),
        ({"message_id": PHONE, "link_id": PHONE, "text": PHONE, "tlvs": {"receipted_message_id": PHONE}}, False, False),
    ],
)
def test_only_addresses_tell_what_a_frame_is_about(values: dict[str, object], port: bool, phone: bool) -> None:
    assert Trace(1, Subject.PORT, PORT, NOW).is_about("default", values) is port
    assert Trace(1, Subject.NUMBER, PHONE, NOW).is_about("default", values) is phone


def test_the_code_of_a_port_in_a_persons_number_is_no_port() -> None:
    trace = Trace(1, Subject.PORT, "95533", NOW)
    assert not trace.is_about("default", {"src_term_id": "13895533123", "dest_term_id": PORT})
    assert trace.is_about("default", {"src_term_id": "13800138000", "dest_term_id": "9553301"})


def test_the_frames_of_one_message_are_found_from_any_of_them() -> None:
    made = recorder(Trace(1, Subject.CHANNEL, "default", NOW + 1))
    exchange(made, 1, PHONE)
    exchange(made, 2, OTHER)
    noted = made.take()
    for first in range(4):
        assert of_message(noted, noted[first]) == noted[:4]
    assert of_message(noted, noted[5]) == noted[4:]


def test_without_the_right_no_number_and_no_text_is_seen() -> None:
    made = recorder(Trace(1, Subject.CHANNEL, "default", NOW + 1))
    exchange(made, 1, PHONE)
    receipt = smpp.DeliverSm(sequence=1, source_addr=PHONE, destination_addr=PORT, short_message=TEXT.encode("gbk"))
    made.note("default", 0, SMPP, SMPP.encode(receipt), outgoing=False)
    for noted in made.take():
        shown = msgspec.json.encode(redacted(noted.body)).decode()
        assert PHONE not in shown
        assert "验证码" not in shown
        assert "483920" not in shown
        for encoded in (TEXT.encode("utf-16-be").hex(), TEXT.encode("gbk").hex(), PHONE.encode().hex()):
            assert encoded not in shown
    assert redacted({"src_id": "95" + PORT, "msg_id": "00000138001380001"})["src_id"] == "95" + PORT


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("8613800138000", "861****8000"),
        ("1064912345678", "106****5678"),  # a machine
        ("+95912345678", "+95****5678"),  # abroad
        ("1380013", "****"),
        ("10690001", "10690001"),
        ("106490001", "106490001"),
        ("9510690001", "9510690001"),
    ],
)
def test_numbers_of_people_and_machines_lack_their_middle(address: str, shown: str) -> None:
    assert redacted({"recipients": [address]}) == {"recipients": [shown]}


def test_passwords_are_not_even_stored() -> None:
    made = recorder(Trace(1, Subject.CHANNEL, "default", NOW + 1))
    bind = smpp.BindTransceiver(sequence=1, system_id="esme01", password="geheim")
    made.note("default", 0, SMPP, SMPP.encode(bind), outgoing=True)
    proof = cmpp.Connect(
        sequence=1, source_addr="900001", authenticator=b"\xaa" * 16, version=0x30, timestamp=1128120000
    )
    made.note("default", 0, CMPP3, CMPP3.encode(proof), outgoing=True)
    told = msgspec.json.encode(made.take()).decode()
    assert "geheim" not in told
    assert "aa" * 16 not in told


def test_what_cannot_be_read_is_said_so_and_harms_nobody() -> None:
    made = recorder(Trace(1, Subject.CHANNEL, "default", NOW + 1))
    frame = bytearray(submit(1))
    frame[4:8] = b"\0\0\0\x63"
    made.note("default", 0, CMPP3, bytes(frame), outgoing=False)
    (noted,) = made.take()
    assert noted.command == "0x00000063"
    assert "unknown command" in noted.body["fault"]


def test_a_busy_channel_fills_no_memory() -> None:
    made = recorder(Trace(1, Subject.CHANNEL, "default", NOW + 1))
    frame = CMPP3.encode(cmpp.ActiveTest(sequence=1))
    for _ in range(MOST_WAITING + 5):
        made.note("default", 0, CMPP3, frame, outgoing=True)
    assert len(made.take()) == MOST_WAITING
    assert made.dropped == 5
