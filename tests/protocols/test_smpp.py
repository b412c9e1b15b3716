"""SMPP 3.4 as its specification and other implementations have it; 3.3 and 5.0 as far as they are alike."""

from __future__ import annotations

import pytest

from pipeline.protocols import smpp
from pipeline.protocols.frames import FrameError, ProtocolError, UnknownCommandError
from pipeline.protocols.smpp import SMPP
from pipeline.protocols.sms.header import Concatenation
from pipeline.protocols.tlvs import Tlv

SMPP_BIND = "0000002500000009000000000000000165736d653031007365637265743038000034000000"
SMPP_SUBMIT = (
    "0000003a000000040000000000000002000001313036393030303100010138363133383030313338303030000000000000010008000460a8"
    "597d"
)
SMPP_THROTTLED = "00000010800000040000005800000002"
SMPP_RECEIPT = (
    "000000b100000005000000000000000900010138363133383030313338303030000001313036393030303100040000000000000000696964"
    "3a3041314232433344207375623a30303120646c7672643a303031207375626d697420646174653a3236313132313134333020646f6e6520"
    "646174653a3236313132313134333120737461743a44454c49565244206572723a30303020746578743a68656c6c6f001e00093041314232"
    "433344000427000102"
)
SMPP_SPEC_BIND = "0000002f000000020000000000000001534d50503354455354007365637265743038005355424d4954310000010100"


def test_login() -> None:
    bind = smpp.BindTransceiver(sequence=1, system_id="esme01", password="secret08")
    assert SMPP.encode(bind).hex() == SMPP_BIND
    assert SMPP.decode(bytes.fromhex(SMPP_BIND)) == bind
    of_spec = smpp.BindTransmitter(
        sequence=1,
        system_id="SMPP3TEST",
        password="secret08",
        system_type="SUBMIT1",
        interface_version=0,
        addr_ton=1,
        addr_npi=1,
    )
    assert SMPP.encode(of_spec).hex() == SMPP_SPEC_BIND
    assert SMPP.decode(bytes.fromhex(SMPP_SPEC_BIND)) == of_spec


def test_submit_is_byte_for_byte_the_vector() -> None:
    submit = smpp.SubmitSm(
        sequence=2,
        source_addr_npi=1,
        source_addr="10690001",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="8613800138000",
        registered_delivery=1,
        data_coding=8,
        short_message="您好".encode("utf-16-be"),
    )
    assert SMPP.encode(submit).hex() == SMPP_SUBMIT
    assert SMPP.decode(bytes.fromhex(SMPP_SUBMIT)) == submit


def test_an_answer_to_an_error_may_have_no_body() -> None:
    throttled = SMPP.decode(bytes.fromhex(SMPP_THROTTLED))
    assert throttled == smpp.SubmitSmResp(sequence=2, status=smpp.THROTTLED)
    for command in (0x80000009, 0x80000003, 0x80000021, 0x80000103):
        frame = bytes.fromhex(f"00000010{command:08x}0000000500000002")
        assert SMPP.decode(frame).status == 5


def test_a_receipt_of_parameters_and_of_text() -> None:
    deliver = SMPP.decode(bytes.fromhex(SMPP_RECEIPT))
    assert isinstance(deliver, smpp.DeliverSm)
    assert SMPP.encode(deliver).hex() == SMPP_RECEIPT
    receipt = smpp.receipt_of(deliver)
    assert receipt is not None
    assert (receipt.msg_id, receipt.stat, receipt.submit_time, receipt.text) == (
        b"0A1B2C3D",
        "DELIVRD",
        "2611211430",
        b"hello",
    )

    def deliver_of(text: bytes, *tlvs: Tlv) -> smpp.DeliverSm:
        return smpp.DeliverSm(
            sequence=1, source_addr="1", destination_addr="2", esm_class=4, short_message=text, tlvs=tlvs
        )

    by_parameters = smpp.receipt_of(
        deliver_of(b"", Tlv(smpp.RECEIPTED_MESSAGE_ID, b"77\0"), Tlv(smpp.MESSAGE_STATE, b"\5"))
    )
    assert by_parameters is not None
    assert (by_parameters.msg_id, by_parameters.stat) == (b"77", "UNDELIV")
    by_text = smpp.receipt_of(deliver_of(b"id:99 stat:EXPIRED err:1"))
    assert by_text is not None
    assert (by_text.msg_id, by_text.stat) == (b"99", "EXPIRED")
    with pytest.raises(FrameError, match="without a state"):
        smpp.receipt_of(deliver_of(b"hello"))


def test_a_long_text_is_in_the_payload_and_only_there() -> None:
    long = "长".encode("utf-16-be") * 500
    submit = smpp.SubmitSm(sequence=1, source_addr="1", destination_addr="2", tlvs=(Tlv(smpp.MESSAGE_PAYLOAD, long),))
    again = SMPP.decode(SMPP.encode(submit))
    assert isinstance(again, smpp.SubmitSm)
    assert smpp.content_of(again) == long
    both = smpp.SubmitSm(
        sequence=1,
        source_addr="1",
        destination_addr="2",
        short_message=b"innocent",
        tlvs=(Tlv(smpp.MESSAGE_PAYLOAD, long),),
    )
    with pytest.raises(ProtocolError, match="more than one content"):
        smpp.content_of(both)


def test_sar_parameters_tell_the_place_of_a_part() -> None:
    tlvs = (Tlv(smpp.SAR_REFERENCE, b"\x01\x2c"), Tlv(smpp.SAR_TOTAL, b"\2"), Tlv(smpp.SAR_NUMBER, b"\1"))
    part = smpp.SubmitSm(sequence=1, source_addr="1", destination_addr="2", tlvs=tlvs)
    assert smpp.sar_of(part) == Concatenation(300, 2, 1, 2)
    for bad in ((), tlvs[:2], (*tlvs[:2], Tlv(smpp.SAR_NUMBER, b"\3"))):
        assert smpp.sar_of(smpp.SubmitSm(sequence=1, source_addr="1", destination_addr="2", tlvs=bad)) is None


def test_peers_of_5_put_parameters_behind_answers() -> None:
    body = b"1A\0" + bytes.fromhex("0428000132")
    frame = bytes.fromhex("00000018" + "80000004" + "00000000" + "00000002") + body
    assert SMPP.decode(frame) == smpp.SubmitSmResp(sequence=2, message_id="1A", tlvs=(Tlv(0x0428, b"2"),))


def test_commands_of_5_are_unknown() -> None:
    with pytest.raises(UnknownCommandError, match="unknown command 0x00000111"):
        SMPP.decode(bytes.fromhex("00000010000001110000000000000002"))


def test_text_without_its_end_is_refused() -> None:
    octets = bytes.fromhex(SMPP_BIND)
    longer = octets[:16] + b"x" * 16 + octets[16:]
    with pytest.raises(FrameError, match="system_id: no NUL in its 16 octets") as caught:
        SMPP.decode(len(longer).to_bytes(4, "big") + longer[4:])
    assert caught.value.offset == 16


def test_several_recipients() -> None:
    multi = smpp.SubmitMulti(
        sequence=1,
        source_addr="1069",
        destinations=(smpp.Address(destination_addr="138"), smpp.DistributionList(name="all")),
        short_message=b"hi",
    )
    assert SMPP.decode(SMPP.encode(multi)) == multi
