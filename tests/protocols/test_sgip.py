"""SGIP 1.2 as its specification and other implementations have it."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.protocols import sgip
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sgip import SGIP, SequenceNumber

SGIP_SUBMIT = (
    "000000a8000000030000000011f333f26ebb10dd313036353539313235303238000000000000000000000000000000000000000000000000"
    "0000000000000138363138363835373138363336000000000000000036313131380000000000000000000002000000000000000000000000"
    "0000090000000000000000000000000000000000000000000000000000000000000000010000000000000004323333610000000000000000"
)
SGIP_BIND = (
    "0000003d00000001b507f19042d348dd00000001017573657230310000000000000000000070617373303100000000000000000000000000"
    "0000000000"
)
SGIP_BIND_RESP = "0000001d80000001b507f19042d348dd00000001000000000000000000"
SGIP_REPORT = (
    "0000004000000005000186aa42d3494200000005b507f19042d348dd00000001003836313330313233343536373800000000000000000000"
    "0000000000000000"
)
SEQUENCE = SequenceNumber(3037196688, 1121143005, 1).octets()


def test_submit_is_byte_for_byte_the_vector() -> None:
    submit = sgip.Submit(
        sequence=bytes.fromhex("0000000011f333f26ebb10dd"),
        sp_number="106559125028",
        charge_number="",
        users=("8618685718636",),
        corp_id="61118",
        fee_type=2,
        fee_value="",
        given_value="",
        more_late_to_mt=0,
        priority=9,
        coding=0,
        content=b"233a",
    )
    assert SGIP.encode(submit).hex() == SGIP_SUBMIT
    assert SGIP.decode(bytes.fromhex(SGIP_SUBMIT)) == submit


def test_login_and_its_answer() -> None:
    bind = sgip.Bind(sequence=SEQUENCE, login_type=1, login_name="user01", login_password="pass01")
    assert SGIP.encode(bind).hex() == SGIP_BIND
    assert SGIP.decode(bytes.fromhex(SGIP_BIND)) == bind
    assert SGIP.encode(sgip.BindResp(sequence=SEQUENCE, result=0)).hex() == SGIP_BIND_RESP


def test_a_report_names_the_sequence_of_its_submit() -> None:
    report = sgip.Report(
        sequence=SequenceNumber(100010, 1121143106, 5).octets(),
        submit_sequence=SEQUENCE,
        user_number="8613012345678",
        state=0,
    )
    assert SGIP.encode(report).hex() == SGIP_REPORT
    assert SGIP.decode(bytes.fromhex(SGIP_REPORT)) == report
    assert SequenceNumber.of(report.submit_sequence) == (3037196688, 1121143005, 1)


def test_an_answer_without_the_reserved_field_is_read() -> None:
    short = bytes.fromhex("0000001580000001") + SEQUENCE + b"\0"
    reading = SGIP.read(short)
    assert reading.pdu == sgip.BindResp(sequence=SEQUENCE, result=0)
    assert not reading.regular


def test_what_the_specification_does_not_allow_is_not_sent() -> None:
    submit = SGIP.decode(bytes.fromhex(SGIP_SUBMIT))
    for change, fault in (
        ({"users": ()}, "0 users, 1 to 100 expected"),
        ({"users": ("1",) * 101}, "101 users"),
        ({"priority": 10}, "priority: 10 is not allowed, 0 to 9 expected"),
        ({"content": bytes(141), "coding": 8}, "content: 141 octets, at most 140"),
    ):
        with pytest.raises(ProtocolError, match=fault):
            SGIP.encode(msgspec.structs.replace(submit, **change))
