"""SMGP 3.0 as its specification and other implementations have it."""

from __future__ import annotations

import pytest

from pipeline.protocols import smgp
from pipeline.protocols.frames import FrameError, ProtocolError
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.tlvs import Tlv

SMGP_LOGIN = "0000002a0000000100000001313233343536373895898c46dedbcf393dcd4c2a861481e90211f0e54030"
SMGP_SUBMIT = (
    "0000009700000002000000020601005356433031000000000030303030303030303030303030300f00000000000000000000000000000000"
    "0000000000000000000000000000000000003131383132333435363738000000000000000000000000000000000000000000000000000000"
    "000000000131383930303030303030300000000000000000000004c4fabac30000000000000000"
)
SMGP_PART = (
    "000000ac00000002000000030601005356433031000000000030303030303030303030303030300800000000000000000000000000000000"
    "0000000000000000000000000000000000003131383132333435363738000000000000000000000000000000000000000000000000000000"
    "00000000013138393030303030303030000000000000000000000a0500032a020160a8597d00000000000000000002000101000900010200"
    "0a000101"
)
SMGP_SUBMIT_RESP = "0000001a80000002000000020100610116170001234500000000"
SMGP_REPORT = (
    "000000d300000003000000050100610116170001234501003230323631313231313433313035313839303030303030303000000000000000"
    "0000003131383132333435363738000000000000000000007a69643a01006101161700012345207375623a30303120646c7672643a303031"
    "207375626d697420646174653a3236313132313134333020646f6e6520646174653a3236313132313134333120737461743a44454c495652"
    "44206572723a30303020746578743a30303254440000000000000000000000000000000000000000000000"
)
MSG_ID = bytes.fromhex("01006101161700012345")


def test_login_proves_the_secret() -> None:
    login = smgp.Login(
        sequence=1,
        client_id="12345678",
        authenticator=smgp.authenticator_client("12345678", b"secret", 301000000),
        timestamp=301000000,
    )
    assert SMGP.encode(login).hex() == SMGP_LOGIN
    assert SMGP.decode(bytes.fromhex(SMGP_LOGIN)) == login


def test_submit_is_byte_for_byte_the_vector() -> None:
    submit = smgp.Submit(
        sequence=2,
        service_id="SVC01",
        msg_format=15,
        src_term_id="11812345678",
        recipients=("18900000000",),
        content="您好".encode("gb18030"),
    )
    assert SMGP.encode(submit).hex() == SMGP_SUBMIT
    assert SMGP.decode(bytes.fromhex(SMGP_SUBMIT)) == submit


def test_a_part_has_its_parameters() -> None:
    part = SMGP.decode(bytes.fromhex(SMGP_PART))
    assert isinstance(part, smgp.Submit)
    assert part.tlvs == (Tlv(smgp.TP_UDHI, b"\1"), Tlv(smgp.PK_TOTAL, b"\2"), Tlv(smgp.PK_NUMBER, b"\1"))
    assert smgp.headed(part)
    assert SMGP.encode(part).hex() == SMGP_PART


def test_a_report_is_read_and_written() -> None:
    assert SMGP.decode(bytes.fromhex(SMGP_SUBMIT_RESP)) == smgp.SubmitResp(sequence=2, msg_id=MSG_ID, status=0)
    deliver = SMGP.decode(bytes.fromhex(SMGP_REPORT))
    assert isinstance(deliver, smgp.Deliver)
    report = smgp.report_of(deliver)
    assert report is not None
    assert (report.msg_id, report.stat, report.submit_time, report.done_time, report.error) == (
        MSG_ID,
        "DELIVRD",
        "2611211430",
        "2611211431",
        "000",
    )
    assert SMGP.encode(deliver).hex() == SMGP_REPORT


def test_parameters_that_do_not_fit_are_refused() -> None:
    octets = bytes.fromhex(SMGP_PART)
    cut = (len(octets) - 1).to_bytes(4, "big") + octets[4:-1]
    with pytest.raises(FrameError, match="a parameter ends at 172") as caught:
        SMGP.decode(cut)
    assert caught.value.offset == 167
    part = SMGP.decode(octets)
    assert isinstance(part, smgp.Submit)
    with pytest.raises(ProtocolError, match="tp_udhi has 2 octets"):
        SMGP.encode(
            smgp.Submit(
                sequence=1,
                msg_format=8,
                src_term_id="1",
                recipients=("1",),
                content=b"",
                tlvs=(Tlv(smgp.TP_UDHI, b"01"),),
            )
        )
