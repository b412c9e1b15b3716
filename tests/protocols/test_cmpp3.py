"""CMPP 3.0 as its specification and other implementations have it; a bad frame makes a FrameError, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols import cmpp3
from pipeline.protocols.frames import FrameError, ProtocolError, StreamError, UnknownCommandError

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
        sequence=0x17,
        source_addr="900001",
        version=0x21,
        timestamp=1021080510,
        authenticator=cmpp3.authenticator_source("900001", b"888888", 1021080510),
    )
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
        sequence=1,
        msg_level=1,
        service_id="SVC01",
        msg_fmt=8,
        msg_src="900001",
        src_id="10690001",
        recipients=("13800138000",),
        content="您好".encode("utf-16-be"),
    )
    assert cmpp3.encode(submit).hex() == SUBMIT
    assert cmpp3.decode(bytes.fromhex(SUBMIT)) == submit
    assert cmpp3.decode(cmpp3.with_sequence(bytes.fromhex(SUBMIT), 77)).sequence == 77


def test_report_of_both_lengths() -> None:
    deliver = cmpp3.decode(bytes.fromhex(REPORT))
    assert isinstance(deliver, cmpp3.Deliver)
    report = cmpp3.report_of(deliver)
    assert report == cmpp3.StatusReport(
        msg_id=0xBAB9E14DBBA10102,
        stat="DELIVRD",
        submit_time="2611211430",
        done_time="2611211431",
        recipient="13800138000",
        smsc_sequence=0x12345678,
    )
    assert cmpp3.encode_report(report) == deliver.content
    assert cmpp3.encode(deliver).hex() == REPORT
    older = cmpp3.Deliver(
        sequence=1,
        msg_id=1,
        dest_id="1069",
        msg_fmt=0,
        src_terminal_id="1",
        registered_delivery=1,
        content=bytes.fromhex(REPORT_OF_2),
    )
    short = cmpp3.report_of(older)
    assert short is not None
    assert (short.msg_id, short.recipient, short.smsc_sequence) == (0xB4C5530000010000, "13412340000", 0x12345678)


def _report(body: bytes) -> cmpp3.StatusReport:
    deliver = cmpp3.Deliver(
        sequence=1, msg_id=1, dest_id="1069", msg_fmt=0, src_terminal_id="1", registered_delivery=1, content=body
    )
    report = cmpp3.report_of(deliver)
    assert report is not None
    return report


@pytest.mark.parametrize("extra", [1, 7, 11, 12, 80])
def test_octets_behind_a_report_are_left_unread(extra: int) -> None:
    of_2 = _report(bytes.fromhex(REPORT_OF_2))
    of_3 = cmpp3.encode_report(of_2)
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
        (_frame(0x80000004, MSG_ID + "08"), cmpp3.SubmitResp(sequence=7, msg_id=0xBAB9E14DBBA10102, result=8)),
        (_frame(0x80000005, MSG_ID + "01"), cmpp3.DeliverResp(sequence=7, msg_id=0xBAB9E14DBBA10102, result=1)),
        (
            _frame(0x80000001, "03" + "00" * 16 + "20"),
            cmpp3.ConnectResp(sequence=7, status=3, authenticator=bytes(16), version=0x20),
        ),
        (_frame(0x80000007, "01"), cmpp3.CancelResp(sequence=7, success_id=1)),
        (_frame(0x80000008, ""), cmpp3.ActiveTestResp(sequence=7)),
        (
            _frame(0x80000004, MSG_ID + "00000009" + "aabbcc"),
            cmpp3.SubmitResp(sequence=7, msg_id=0xBAB9E14DBBA10102, result=9),
        ),
        (_frame(0x80000008, "00ffff"), cmpp3.ActiveTestResp(sequence=7)),
        (_frame(0x80000002, "ff"), cmpp3.TerminateResp(sequence=7)),
    ],
)
def test_responses_in_the_form_of_2_and_with_octets_behind_are_read(frame: bytes, read: cmpp3.Pdu) -> None:
    assert cmpp3.decode(frame) == read


def test_of_a_frame_that_cannot_be_read_the_head_is_known() -> None:
    answer = _frame(0x80000004, MSG_ID + "0000")
    with pytest.raises(FrameError, match="22 octets, at least 24 expected") as caught:
        cmpp3.decode(answer)
    assert caught.value.offset == 22
    assert cmpp3.head_of(answer) == cmpp3.Head(0x80000004, 7, 0xBAB9E14DBBA10102)
    assert cmpp3.head_of(answer[:16]) == cmpp3.Head(0x80000004, 7, 0)
    with pytest.raises(UnknownCommandError, match="unknown command 0x00000009"):
        cmpp3.decode(_frame(9, "00"))


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
    "source_addr": 6,
    "msg_src": 6,
    "service_id": 10,
    "fee_terminal_id": 32,
    "fee_type": 2,
    "fee_code": 6,
    "valid_time": 17,
    "at_time": 17,
    "src_id": 21,
    "dest_id": 21,
    "src_terminal_id": 32,
    "link_id": 20,
    "time": 8,
    "query_code": 10,
    "reserve": 8,
}
_BYTES = {
    "pk_total",
    "pk_number",
    "registered_delivery",
    "msg_level",
    "fee_user_type",
    "fee_terminal_type",
    "pid",
    "udhi",
    "msg_fmt",
    "recipient_type",
    "src_terminal_type",
    "query_type",
    "version",
    "reserved",
}


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


_PDUS = st.one_of(
    [st.builds(kind, **{name: _field(name) for name in kind.__struct_fields__}) for kind in cmpp3._KINDS.values()]
)


@given(_PDUS)
def test_every_message_comes_back_as_it_was(pdu: cmpp3.Pdu) -> None:
    assert cmpp3.decode(cmpp3.encode(pdu)) == pdu


def _framed(command: int, body: bytes) -> bytes:
    return (12 + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(4) + body


_BODIES = st.binary(max_size=400)
_FRAMES = st.one_of(  # any frame whose length is true
    st.builds(_framed, st.integers(0, (1 << 32) - 1), _BODIES),
    st.builds(_framed, st.sampled_from(sorted(cmpp3._KINDS)), _BODIES),
    st.builds(lambda pdu, n: _framed(pdu.command, cmpp3.encode(pdu)[12 : 12 + n]), _PDUS, st.integers(0, 300)),
)


def _read(frame: bytes) -> cmpp3.Pdu | type[FrameError]:
    try:
        pdu = cmpp3.decode(frame)
        if isinstance(pdu, cmpp3.Deliver):
            cmpp3.report_of(pdu)
    except FrameError as error:
        head = cmpp3.head_of(frame)
        assert head.sequence == int.from_bytes(frame[8:12], "big")
        return type(error)
    return pdu


@given(st.lists(st.one_of(_FRAMES, _PDUS.map(cmpp3.encode)), max_size=6), st.integers(1, 50))
def test_a_bad_frame_costs_itself_only_wherever_the_stream_is_cut(sent: list[bytes], size: int) -> None:
    stream = b"".join(sent)
    frames = cmpp3.frames()
    found = [frame for i in range(0, len(stream), size) for frame in frames.feed(stream[i : i + size])]
    assert found == sent
    assert [_read(frame) for frame in found] == [_read(frame) for frame in sent]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_frames_or_a_stream_error(data: bytes, size: int) -> None:
    frames = cmpp3.frames()
    for i in range(0, len(data), size):
        try:
            for frame in frames.feed(data[i : i + size]):
                _read(frame)
        except StreamError:
            return


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
    with pytest.raises(StreamError, match="frame of 4294967295 octets; 12 to 4096 expected"):
        next(stream)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"recipients": ()}, "0 receivers, 1 to 99 expected"),
        ({"recipients": ("1",) * 100}, "100 receivers"),
        ({"content": bytes(141)}, "content: 141 octets, at most 140"),
        ({"content": bytes(160), "msg_fmt": 0}, "content: 160 octets, at most 159"),
        ({"src_id": "1" * 22}, "src_id: 22 octets, at most 21"),
        ({"msg_src": "名"}, "msg_src: characters beyond Latin-1"),
        ({"pk_total": 256}, "too large for its field"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], fault: str) -> None:
    fields: dict[str, object] = {"msg_fmt": 8, "msg_src": "9", "src_id": "1", "recipients": ("1",), "content": b""}
    with pytest.raises(ProtocolError, match=fault):
        cmpp3.encode(cmpp3.Submit(sequence=1, **(fields | change)))  # type: ignore[arg-type]
