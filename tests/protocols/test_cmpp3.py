"""CMPP 3.0 as its specification and other implementations have it; hostile bytes make an error, nothing else."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.protocols import cmpp3
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.kinds import decode as decode_hex

CONNECT = "00000027000000010000001739303030303190d00c1d517abd0b4f65f6bcf8535d16213cdc73be"
CONNECT_RESP = "000000218000000100000017000000007942977274098cf210ab0c16c367bc8d30"
SUBMIT = (
    "000000c700000004000000010000000000000000010101015356433031000000000002000000000000000000000000000000000000000000"
    "0000000000000000000000000000083930303030313031303030303030000000000000000000000000000000000000000000000000000000"
    "0000000000000031303639303030310000000000000000000000000001313338303031333830303000000000000000000000000000000000"
    "0000000000000460a8597d0000000000000000000000000000000000000000"
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
    connect = cmpp3.decode(bytes.fromhex(CONNECT))
    assert connect == cmpp3.Connect(
        sequence=0x17, source_addr="900001", version=0x21, timestamp=1021080510,
        authenticator=cmpp3.authenticator_source("900001", b"888888", 1021080510),
    )  # fmt: skip
    answer = cmpp3.decode(bytes.fromhex(CONNECT_RESP))
    assert isinstance(answer, cmpp3.ConnectResp)
    assert answer.authenticator == cmpp3.authenticator_ismg(0, connect.authenticator, b"888888")
    assert answer.version == 0x30


def test_a_timestamp_before_october_is_padded_to_ten_digits() -> None:
    assert cmpp3.authenticator_source("900001", b"s", 102030405) == cmpp3.authenticator_source(
        "900001", b"s", int("0102030405")
    )
    assert cmpp3.authenticator_source("900001", b"s0", 102030405) != cmpp3.authenticator_source(
        "900001", b"s", 102030405
    )


def test_submit_is_byte_for_byte_the_vector() -> None:
    submit = cmpp3.Submit(
        sequence=1, msg_level=1, service_id="SVC01", msg_fmt=8, msg_src="900001", src_id="10690001",
        recipients=("13800138000",), content="您好".encode("utf-16-be"),
    )  # fmt: skip
    assert cmpp3.encode(submit).hex() == SUBMIT
    assert cmpp3.decode(bytes.fromhex(SUBMIT)) == submit
    assert cmpp3.decode(cmpp3.with_sequence(bytes.fromhex(SUBMIT), 77)).sequence == 77


def test_report_of_both_lengths() -> None:
    deliver = cmpp3.decode(bytes.fromhex(REPORT))
    assert isinstance(deliver, cmpp3.Deliver)
    report = cmpp3.report_of(deliver)
    assert report == cmpp3.StatusReport(
        msg_id=0xBAB9E14DBBA10102, stat="DELIVRD", submit_time="2611211430", done_time="2611211431",
        recipient="13800138000", smsc_sequence=0x12345678,
    )  # fmt: skip
    assert cmpp3.encode_report(report) == deliver.content
    assert cmpp3.encode(deliver).hex() == REPORT
    older = cmpp3.Deliver(
        sequence=1, msg_id=1, dest_id="1069", msg_fmt=0, src_terminal_id="1", registered_delivery=1,
        content=bytes.fromhex(REPORT_OF_2),
    )  # fmt: skip
    short = cmpp3.report_of(older)
    assert short is not None
    assert (short.msg_id, short.recipient, short.smsc_sequence) == (0xB4C5530000010000, "13412340000", 0x12345678)


def test_small_messages() -> None:
    assert cmpp3.encode(cmpp3.ActiveTest(sequence=9)).hex() == "0000000c0000000800000009"
    assert cmpp3.encode(cmpp3.ActiveTestResp(sequence=9)).hex() == "0000000d800000080000000900"
    assert cmpp3.decode(bytes.fromhex("0000000c8000000800000009")) == cmpp3.ActiveTestResp(sequence=9)
    throttled = cmpp3.decode(bytes.fromhex("000000188000000400000001bab9e14dbba1010200000008"))
    assert throttled == cmpp3.SubmitResp(sequence=1, msg_id=0xBAB9E14DBBA10102, result=cmpp3.THROTTLED)
    assert cmpp3.message_id(11, 21, 14, 30, 5, 900001, 258) == 0xBAB9E14DBBA10102
    assert cmpp3.message_id(11, 9, 17, 21, 12, 1, 0) == 0xB4C5530000010000


def _text(width: int) -> st.SearchStrategy[str]:
    plain = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=width)
    return plain.filter(lambda t: not t.endswith(" "))


_WIDTHS = {
    "source_addr": 6, "msg_src": 6, "service_id": 10, "fee_terminal_id": 32, "fee_type": 2, "fee_code": 6,
    "valid_time": 17, "at_time": 17, "src_id": 21, "dest_id": 21, "src_terminal_id": 32, "link_id": 20, "time": 8,
    "query_code": 10, "reserve": 8,
}  # fmt: skip
_BYTES = {
    "pk_total", "pk_number", "registered_delivery", "msg_level", "fee_user_type", "fee_terminal_type", "pid", "udhi",
    "msg_fmt", "recipient_type", "src_terminal_type", "query_type", "version", "reserved",
}  # fmt: skip


def _field(name: str) -> st.SearchStrategy[object]:
    if name in _WIDTHS:
        return _text(_WIDTHS[name])
    if name == "recipients":
        return st.lists(_text(32), min_size=1, max_size=99).map(tuple)
    if name == "content":
        return st.binary(max_size=140)
    if name == "authenticator":
        return st.binary(min_size=16, max_size=16)
    bits = 8 if name in _BYTES else 64 if name == "msg_id" else 32
    return st.integers(0, (1 << bits) - 1)


_PDUS = st.one_of([
    st.builds(kind, **{name: _field(name) for name in kind.__struct_fields__}) for kind in cmpp3._KINDS.values()
])  # fmt: skip


@given(_PDUS)
def test_every_message_comes_back_as_it_was(pdu: cmpp3.Pdu) -> None:
    assert cmpp3.decode(cmpp3.encode(pdu)) == pdu


def _framed(command: int, body: bytes) -> bytes:
    return (12 + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(4) + body


@given(st.one_of(
    st.binary(max_size=300),
    st.builds(_framed, st.sampled_from(sorted(cmpp3._KINDS)), st.binary(max_size=400)),
    st.builds(lambda n, frame: frame[:n], st.integers(0, 200), st.just(bytes.fromhex(SUBMIT))),
))  # fmt: skip
def test_hostile_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    with suppress(ProtocolError):
        assert cmpp3.describe(data)["command"]


@given(st.lists(_PDUS, max_size=5), st.integers(1, 50))
def test_a_stream_cut_anywhere_gives_the_same_messages(pdus: list[cmpp3.Pdu], size: int) -> None:
    stream = b"".join(cmpp3.encode(pdu) for pdu in pdus)
    frames = cmpp3.frames()
    found: list[cmpp3.Pdu] = []
    for i in range(0, len(stream), size):
        found += map(cmpp3.decode, frames.feed(stream[i : i + size]))
    assert found == pdus


def test_an_impossible_length_ends_the_stream_behind_the_good_frames() -> None:
    good = cmpp3.encode(cmpp3.ActiveTest(sequence=1))
    stream = cmpp3.frames().feed(good + b"\xff" * 12)
    assert next(stream) == good
    with pytest.raises(ProtocolError, match="frame of 4294967295 octets; 12 to 4096 expected"):
        next(stream)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"recipients": ()}, "0 receivers, 1 to 99 expected"),
        ({"recipients": ("1",) * 100}, "100 receivers"),
        ({"content": bytes(141)}, "content: 141 octets, at most 140"),
        ({"src_id": "1" * 22}, "src_id: 22 octets, at most 21"),
        ({"msg_src": "名"}, "msg_src: characters beyond Latin-1"),
        ({"pk_total": 256}, "too large for its field"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], fault: str) -> None:
    fields: dict[str, object] = {"msg_fmt": 8, "msg_src": "9", "src_id": "1", "recipients": ("1",), "content": b""}
    with pytest.raises(ProtocolError, match=fault):
        cmpp3.encode(cmpp3.Submit(sequence=1, **(fields | change)))  # type: ignore[arg-type]


def test_decode_command() -> None:
    answer = CliRunner().invoke(app, ["decode", "cmpp3", SUBMIT])
    assert answer.exit_code == 0
    shown = json.loads(answer.stdout)
    assert (shown["command"], shown["text"], shown["recipients"]) == ("Submit", "您好", ["13800138000"])
    assert decode_hex("cmpp3", REPORT)["report"]["msg_id"] == "bab9e14dbba10102"
    for kind, hexed, fault in (
        ("cmpp3", "zz", "hex digits expected"),
        ("cmpp3", "0000000c00000099", "at least 12 expected"),
        ("cmpp3", "0000000c0000009900000001", "unknown command 0x00000099"),
        ("pdu9", "00", "unknown kind"),
    ):
        with pytest.raises(ProtocolError, match=fault):
            decode_hex(kind, hexed)
