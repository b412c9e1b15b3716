"""`antispam decode`: a frame is shown only as what it can be, and what is wrong with it is said."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.protocols import cmpp, sgip, smpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.kinds import decode
from pipeline.protocols.sgip import SGIP
from pipeline.protocols.smpp import SMPP
from tests.protocols.sms.test_wap_push import SAMPLE
from tests.protocols.test_cmpp import CONNECT, CONNECT_RESP, CONNECT_RESP_OF_2, REPORT, SUBMIT, SUBMIT_OF_2
from tests.protocols.test_cngp import CNGP_SUBMIT


def test_a_frame_is_shown_with_its_text() -> None:
    answer = CliRunner().invoke(app, ["decode", "cmpp3", SUBMIT])
    assert answer.exit_code == 0
    shown = json.loads(answer.stdout)
    assert (shown["command"], shown["text"], shown["recipients"]) == ("Submit", "您好", ["13800138000"])
    assert shown["surplus"] == ""
    assert show("cmpp3", REPORT)["report"]["msg_id"] == "bab9e14dbba10102"
    assert show("cmpp3", CONNECT)["source_addr"] == "900001"
    assert show("cmpp3", CONNECT_RESP)["status"] == 0
    assert show("cmpp2", CONNECT_RESP_OF_2)["version"] == 0x21
    assert show("cmpp2", SUBMIT_OF_2)["text"] == "您好"


def show(kind: str, octets: str) -> dict[str, Any]:
    shown = decode(kind, octets)
    assert isinstance(shown, dict)
    return shown


@pytest.mark.parametrize(
    ("kind", "octets", "fault"),
    [
        ("cmpp3", "zz", "hex digits expected"),
        ("cmpp3", "0000000c00000099", "at least 12 expected"),
        ("cmpp3", "0000000c0000009900000001", "unknown command 0x00000099"),
        ("cmpp3", "0000000c000000080000000100", "frame of 13 octets has 12 in its length field"),
        (
            "cmpp3",
            "00000015800000040000000100000000000000010a",
            "not exactly a frame of cmpp3; cmpp2 fits better",
        ),
        ("cmpp3", SUBMIT_OF_2, "0 recipients"),
        ("cmpp2", SUBMIT, "0 recipients"),
        ("guess", "0000000c0000009900000001", "not a frame of"),
        ("pdu", "0003", "reserved message type"),
        ("pdu9", "00", "unknown kind"),
    ],
)
def test_what_is_wrong_is_said(kind: str, octets: str, fault: str) -> None:
    with pytest.raises(ProtocolError, match=fault):
        decode(kind, octets)


@pytest.mark.parametrize("frame", [SUBMIT, REPORT, CONNECT, CONNECT_RESP])
@pytest.mark.parametrize("surplus", ["00", "0001ff", "aa" * 20])
def test_surplus_octets_are_shown(frame: str, surplus: str) -> None:
    octets = bytes.fromhex(frame + surplus)
    longer = len(octets).to_bytes(4, "big") + octets[4:]
    assert show("cmpp3", longer.hex()) == show("cmpp3", frame) | {"surplus": surplus}


def test_a_guess_names_every_kind_that_reads_a_frame() -> None:
    def guess(octets: str) -> list[str]:
        shown = decode("guess", octets)
        assert isinstance(shown, list)
        return [one["kind"] for one in shown]

    assert guess(SUBMIT) == ["cmpp3"]
    assert guess(SUBMIT_OF_2) == ["cmpp2"]
    assert guess("0000000c0000000800000009")[:2] == ["cmpp2", "cmpp3"]
    answer = CliRunner().invoke(app, ["decode", "guess", REPORT])
    assert [one["command"] for one in json.loads(answer.stdout)] == ["Deliver"]


def test_a_report_with_surplus_octets_is_refused() -> None:
    deliver = CMPP3.decode(bytes.fromhex(REPORT))
    assert isinstance(deliver, cmpp.Deliver)
    longer = cmpp.Deliver(
        sequence=1,
        msg_id=1,
        dest_id="1069",
        msg_fmt=0,
        src_terminal_id="1",
        registered_delivery=1,
        content=deliver.content + b"\0",
    )
    with pytest.raises(ProtocolError, match="status report of 72 octets, 71 or 60 expected"):
        decode("cmpp3", CMPP3.encode(longer).hex())


# Frames of other protocols, as their specifications lay them out.

RESPONSE = 0x8000_0000


def _plain(command: int, body: bytes, sequence: int = 7) -> bytes:  # CMPP and SMGP
    return struct.pack(">III", 12 + len(body), command, sequence) + body


def _sgip(command: int, body: bytes) -> bytes:
    return struct.pack(">IIIII", 20 + len(body), command, 3_037_196_688, 1_121_143_005, 1) + body


def _with_status(command: int, body: bytes, status: int = 0, sequence: int = 7) -> bytes:  # CNGP and SMPP
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def _text(value: str, width: int) -> bytes:
    return value.encode().ljust(width, b"\0")


def _smpp_message(command: int, content: bytes, esm_class: int = 0) -> bytes:
    head = b"\0\0\x0010690001\0\x01\x018613800138000\0" + bytes((esm_class, 0, 0)) + b"\0\0\x01\0\x08\0"
    return _with_status(command, head + bytes((len(content),)) + content)


_RECEIPT = b"id:0A1B2C3D4 sub:001 dlvrd:001 submit date:2611211430 done date:2611211431 stat:DELIVRD err:000 text:hello"
_SMGP_REPORT = (
    b"id:\x01\x00\x61\x01\x16\x17\x00\x01\x23\x45 sub:001 dlvrd:001 submit date:2611211430 done date:2611211431"
    b" stat:DELIVRD err:000 txt:003%TD" + bytes(14)
)
_GB = "您好".encode("gb18030")
_OF_2 = {
    "connect_resp": _plain(RESPONSE | 1, bytes(17) + b"\x20"),
    "submit": bytes.fromhex(
        "000000a300000004000000010000000000000000010101015356433031000000000002" + "00" * 21 + "0000083930303030313031"
        "303030303030"
        + "00" * 34
        + "313036393030303100000000000000000000000000013133383030313338303030"
        + "00" * 10
        + "0460a8597d"
        + "00" * 8
    ),
    "submit_resp": _plain(RESPONSE | 4, bytes.fromhex("bab9e14dbba1010200")),
    "deliver": _plain(
        5,
        bytes(8)
        + _text("10690001", 21)
        + bytes(10)
        + b"\0\0\x0f"
        + _text("13800138000", 21)
        + bytes((0, len(_GB)))
        + _GB
        + bytes(8),
    ),
    "deliver_report": _plain(
        5,
        bytes(8)
        + _text("10690001", 21)
        + bytes(10)
        + b"\0\0\0"
        + _text("13800138000", 21)
        + b"\x01\x3c"
        + bytes.fromhex("b4c5530000010000")
        + b"DELIVRD15111209551511120957"
        + _text("13412340000", 21)
        + bytes(4)
        + bytes(8),
    ),
    "deliver_resp": _plain(RESPONSE | 5, bytes.fromhex("bab9e14dbba1010200")),
    "cancel_resp": _plain(RESPONSE | 7, b"\0"),
}
_SGIP = {
    "bind": _sgip(1, b"\x01" + _text("user01", 16) + _text("pass01", 16) + bytes(8)),
    "bind_resp": _sgip(RESPONSE | 1, bytes(9)),
    "bind_resp_short": _sgip(RESPONSE | 1, bytes(1)),
    "unbind": _sgip(2, b""),
    "unbind_resp": _sgip(RESPONSE | 2, b""),
    "submit": _sgip(3, _text("10690001", 21) + _text("", 21) + b"\x01" + _text("8613800138000", 21) + bytes(80)),
    "submit_resp": _sgip(RESPONSE | 3, bytes(9)),
    "deliver": _sgip(
        4,
        _text("8613800138000", 21) + _text("10690001", 21) + b"\0\0\x0f" + len(_GB).to_bytes(4, "big") + _GB + bytes(8),
    ),
    "deliver_resp": _sgip(RESPONSE | 4, bytes(9)),
    "report": _sgip(5, bytes(12) + b"\0" + _text("8613012345678", 21) + bytes(10)),
    "report_resp": _sgip(RESPONSE | 5, bytes(9)),
    "userrpt": _sgip(0x11, _text("10690001", 21) + _text("8613800138000", 21) + bytes(9)),
}
_SMGP = {
    "login": bytes.fromhex("0000002a0000000100000001313233343536373895898c46dedbcf393dcd4c2a861481e90211f0e54030"),
    "submit": _plain(
        2,
        bytes((6, 1, 2))
        + _text("SVC01", 10)
        + b"00"
        + b"000000" * 2
        + b"\x0f"
        + bytes(34)
        + _text("11812345678", 21)
        + bytes(21)
        + b"\x01"
        + _text("18900000000", 21)
        + bytes((len(_GB),))
        + _GB
        + bytes(8),
    ),
    "submit_resp": _plain(RESPONSE | 2, bytes.fromhex("01006101161700012345") + bytes(4)),
    "deliver": _plain(
        3,
        bytes(10)
        + b"\x01\0"
        + b"20261121143105"
        + _text("18900000000", 21)
        + _text("11812345678", 21)
        + bytes((len(_SMGP_REPORT),))
        + _SMGP_REPORT
        + bytes(8),
    ),
    "deliver_resp": _plain(RESPONSE | 3, bytes(14)),
    "active_test": _plain(4, b""),
    "active_test_resp": _plain(RESPONSE | 4, b""),
    "exit": _plain(6, b""),
    "exit_resp": _plain(RESPONSE | 6, b""),
}
_CNGP = {
    "login": bytes.fromhex(
        "000000300000000100000000000000013132333435363738000017ba18b9add41c8a03f6109ea7c21ef00242d348dd20"
    ),
    "login_resp": _with_status(RESPONSE | 1, bytes(16) + b"\x20"),
    "submit": bytes.fromhex(CNGP_SUBMIT),
    "submit_resp": _with_status(RESPONSE | 2, bytes.fromhex("010061011617000123450428000100")),
    "deliver": _with_status(3, bytes(10) + b"\0\x0f" + b"20261121143105" + bytes(42) + b"\x04" + _GB),
    "active_test": _with_status(4, b""),
    "active_test_resp": _with_status(RESPONSE | 4, b""),
    "exit": _with_status(6, b""),
    "exit_resp": _with_status(RESPONSE | 6, b""),
}
_SMPP = {
    "bind_receiver": _with_status(1, b"esme01\0secret08\0\0\x34\0\0\0"),
    "bind_receiver as long as CONNECT": _with_status(1, b"esme01\0secret8\0WWW\0\x34\0\0\0"),
    "bind_receiver_resp as long as CONNECT_RESP": _with_status(RESPONSE | 1, b"smsc-number\0\x02\x10\0\x01\x34"),
    "bind_transmitter": _with_status(2, b"SMPP3TEST\0secret08\0SUBMIT1\0\0\x01\x01\0"),
    "bind_transceiver": _with_status(9, b"esme01\0secret08\0\0\x34\0\0\0"),
    "query_sm": _with_status(3, b"0A1B\0\0\0\0"),
    "submit_sm": _smpp_message(4, "您好".encode("utf-16-be")),
    "submit_sm long": _smpp_message(4, "您好".encode("utf-16-be") * 35),
    "submit_sm_resp": _with_status(RESPONSE | 4, b"0A1B2C3D\0"),
    "submit_sm_resp as long as SUBMIT_RESP": _with_status(RESPONSE | 4, b"0A1B2C3\0"),
    "submit_sm_resp as long as that of 2.0": _with_status(RESPONSE | 4, b"0A1B\0"),
    "submit_sm_resp throttled": _with_status(RESPONSE | 4, b"", 0x58),
    "deliver_sm": _smpp_message(5, _RECEIPT, 4),
    "deliver_sm_resp": _with_status(RESPONSE | 5, b"\0"),
    "unbind": _with_status(6, b""),
    "unbind_resp": _with_status(RESPONSE | 6, b""),
    "replace_sm": _with_status(7, b"0A1B\0\0\0\0\0\0\0\0\x05hello"),
    "replace_sm_resp": _with_status(RESPONSE | 7, b""),
    "cancel_sm": _with_status(8, b"\x000A1B\0\0\0\0\0\0\0"),
    "cancel_sm_resp": _with_status(RESPONSE | 8, b""),
    "enquire_link": _with_status(0x15, b""),
    "enquire_link_resp": _with_status(RESPONSE | 0x15, b""),
    "generic_nack": _with_status(RESPONSE, b"", 3),
}
_FOREIGN = [
    pytest.param(frame, id=f"{protocol} {name}")
    for protocol, frames in (("CMPP 2.0", _OF_2), ("SGIP", _SGIP), ("SMGP", _SMGP), ("CNGP", _CNGP), ("SMPP", _SMPP))
    for name, frame in frames.items()
]


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        pytest.param(kind, frame, id=f"{kind} {name}")
        for kind, frames in (("cmpp2", _OF_2), ("sgip", _SGIP), ("smgp", _SMGP), ("cngp", _CNGP), ("smpp", _SMPP))
        for name, frame in frames.items()
    ],
)
def test_a_frame_is_shown_as_what_it_is(kind: str, frame: bytes) -> None:
    assert show(kind, frame.hex())["kind"] == kind
    assert kind in [one["kind"] for one in decode("guess", frame.hex()) if isinstance(one, dict)]


@pytest.mark.parametrize("frame", _FOREIGN)
def test_a_frame_of_another_protocol_is_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode("cmpp3", frame.hex())
    with pytest.raises(ProtocolError):
        decode("pdu", frame.hex())
    answer = CliRunner().invoke(app, ["decode", "cmpp3", frame.hex()])
    assert answer.exit_code == 1


def test_a_wap_push_gives_its_link_and_text() -> None:
    push = {"kind": "SI", "link": "http://wap.example.com/a?id=1", "text": "恭喜中奖", "action": "signal-high"}
    shown = show("pdu", SAMPLE)
    assert (shown["command"], shown["recipient"], shown["port"]) == ("Submit", "13808046606", 2948)
    assert shown["push"].items() >= push.items()
    assert shown["text"] == "恭喜中奖"
    assert decode("guess", SAMPLE) == [shown]
    content = bytes.fromhex(SAMPLE)[-70:]
    submit = cmpp.Submit(
        sequence=1, msg_fmt=0xF5, udhi=0x40, msg_src="9", src_id="1", recipients=("1",), content=content
    )
    assert show("cmpp3", CMPP3.encode(submit).hex())["push"].items() >= push.items()


def test_cngp_and_smpp_have_some_frames_in_common() -> None:
    throttled = _SMPP["submit_sm_resp throttled"].hex()
    assert show("smpp", throttled)["status"] == show("cngp", throttled)["status"] == 0x58


def test_the_one_response_that_smgp_has_alike_is_shown() -> None:
    login_resp = _plain(RESPONSE | 1, bytes(4) + b"\x5a" * 16 + b"\x30")
    assert show("cmpp3", login_resp.hex())["command"] == "ConnectResp"


@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(_plain, st.sampled_from(sorted(CMPP3.kinds)), st.binary(max_size=400)),
        st.builds(lambda n: bytes.fromhex(SUBMIT)[:n], st.integers(0, 200)),
    )
)
def test_hostile_bytes_are_shown_or_refused(data: bytes) -> None:
    with suppress(ProtocolError):
        assert show("cmpp3", data.hex())["command"]


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        ("smpp", SMPP.encode(smpp.BindTransceiver(sequence=1, system_id="esme01", password="s3cret"))),
        ("smpp", SMPP.encode(smpp.Outbind(sequence=1, system_id="esme01", password="s3cret"))),
        ("sgip", SGIP.encode(sgip.Bind(sequence=bytes(12), login_type=1, login_name="sp", login_password="s3cret"))),
    ],
)
def test_a_password_is_not_shown(kind: str, frame: bytes) -> None:
    shown = json.dumps(decode(kind, frame.hex()))
    assert "***" in shown
    assert "s3cret" not in shown
