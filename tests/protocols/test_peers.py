"""Codecs that others wrote read what ours write, and ours read what they write, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.protocols import cmpp, sgip, smgp, smpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.frames import FrameError
from pipeline.protocols.kinds import CODECS
from pipeline.protocols.smpp import SMPP
from pipeline.protocols.tlvs import Tlv
from tests.harness.peers.pip_peer import pip_peer
from tests.harness.servers.smsgate_codec import SmsGateCodec
from tests.harness.servers.smsgate_gateway import smsgate_jars

UCS2 = "您好😀".encode("utf-16-be")
LONG = b"\x05\x00\x03\x2a\x02\x01" + "长".encode("utf-16-be") * 67


@pytest.fixture(scope="module")
def smsgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmsGateCodec]:
    with SmsGateCodec(smsgate_jars(), tmp_path_factory.mktemp("codec")) as running:
        yield running


def _cmpp(version_2: bool) -> list[cmpp.Pdu]:
    submit: dict[str, Any] = {"msg_src": "900001", "src_id": "10690001", "service_id": "SVC01"}
    return [
        cmpp.Submit(sequence=1, msg_fmt=8, recipients=("13800138000",), content=UCS2, **submit),
        cmpp.Submit(sequence=2, msg_fmt=0, recipients=("13800138000", "13900139000"), content=b"hello", **submit),
        cmpp.Submit(sequence=3, msg_fmt=8, udhi=1, pk_total=2, recipients=("13800138000",), content=LONG, **submit),
        cmpp.Submit(sequence=4, msg_fmt=15, recipients=("1",), content="您好".encode("gb18030"), **submit),
        cmpp.SubmitResp(sequence=5, msg_id=0xBAB9E14DBBA10102, result=8),
        cmpp.DeliverResp(sequence=6, msg_id=0xBAB9E14DBBA10102, result=0),
        cmpp.Deliver(
            sequence=7, msg_id=1, dest_id="1069", msg_fmt=8, src_terminal_id="138", registered_delivery=0, content=UCS2
        ),
        cmpp.ConnectResp(sequence=8, status=3, authenticator=bytes(16), version=0x20 if version_2 else 0x30),
        cmpp.ActiveTest(sequence=9),
        cmpp.ActiveTestResp(sequence=10),
        cmpp.Terminate(sequence=11),
        cmpp.TerminateResp(sequence=12),
    ]


SEQUENCE = sgip.SequenceNumber(3037196688, 1121143005, 1).octets()
MSG_ID = bytes.fromhex("01006101161700012345")
MESSAGES: dict[str, list[Any]] = {
    "cmpp2": _cmpp(version_2=True),
    "cmpp3": _cmpp(version_2=False),
    "sgip": [
        sgip.Bind(sequence=SEQUENCE, login_type=1, login_name="user01", login_password="pass01"),
        sgip.BindResp(sequence=SEQUENCE, result=1),
        sgip.Submit(
            sequence=SEQUENCE, sp_number="1069", users=("8613800138000",), corp_id="61118", coding=8, content=UCS2
        ),
        sgip.Submit(
            sequence=SEQUENCE,
            sp_number="1069",
            users=("8613800138000", "8613900139000"),
            corp_id="61118",
            coding=8,
            udhi=1,
            content=LONG,
            expire_time="261121143005032+",
            reserve="link",
        ),
        sgip.SubmitResp(sequence=SEQUENCE, result=0),
        sgip.Deliver(sequence=SEQUENCE, user_number="8613800138000", sp_number="1069", coding=8, content=UCS2),
        sgip.DeliverResp(sequence=SEQUENCE, result=0),
        sgip.Report(sequence=SEQUENCE, submit_sequence=SEQUENCE, user_number="8613", state=2, error_code=26),
        sgip.ReportResp(sequence=SEQUENCE, result=0),
        sgip.Unbind(sequence=SEQUENCE),
        sgip.UnbindResp(sequence=SEQUENCE),
    ],
    "smgp": [
        smgp.LoginResp(sequence=1, status=21, authenticator=bytes(16)),
        smgp.Submit(sequence=2, msg_format=15, src_term_id="1069", recipients=("189",), content="您好".encode("gbk")),
        smgp.Submit(
            sequence=3,
            msg_format=8,
            src_term_id="1069",
            recipients=("18900000000", "18900000001"),
            content=LONG,
            reserve="r",
            tlvs=(Tlv(smgp.TP_UDHI, b"\1"), Tlv(smgp.PK_TOTAL, b"\2"), Tlv(smgp.PK_NUMBER, b"\1")),
        ),
        smgp.SubmitResp(sequence=4, msg_id=MSG_ID, status=1),
        smgp.Deliver(
            sequence=5,
            msg_id=MSG_ID,
            is_report=0,
            msg_format=8,
            receive_time="20261121143105",
            src_term_id="189",
            dest_term_id="1069",
            content=UCS2,
        ),
        smgp.DeliverResp(sequence=6, msg_id=MSG_ID, status=0),
        smgp.ActiveTest(sequence=7),
        smgp.ActiveTestResp(sequence=8),
        smgp.Exit(sequence=9),
        smgp.ExitResp(sequence=10),
    ],
    "smpp": [
        smpp.BindTransceiver(sequence=1, system_id="esme01", password="secret08", system_type="x"),
        smpp.BindTransceiverResp(sequence=1, system_id="smsc", tlvs=(Tlv(0x0210, b"\x34"),)),
        smpp.SubmitSm(
            sequence=2,
            source_addr="1069",
            destination_addr="138",
            data_coding=8,
            short_message=UCS2,
            validity_period="",
        ),
        smpp.SubmitSm(
            sequence=3, source_addr="1069", destination_addr="138", data_coding=8, esm_class=0x40, short_message=LONG
        ),
        smpp.SubmitSm(
            sequence=4,
            source_addr="1069",
            destination_addr="138",
            data_coding=8,
            tlvs=(Tlv(smpp.MESSAGE_PAYLOAD, UCS2 * 60),),
        ),
        smpp.SubmitSmResp(sequence=5, message_id="0A1B2C"),
        smpp.DeliverSm(sequence=6, source_addr="138", destination_addr="1069", data_coding=8, short_message=UCS2),
        smpp.EnquireLink(sequence=7),
        smpp.EnquireLinkResp(sequence=8),
        smpp.Unbind(sequence=9),
        smpp.UnbindResp(sequence=10),
        smpp.GenericNack(sequence=11, status=3),
    ],
}


@pytest.mark.long
@pytest.mark.parametrize("kind", MESSAGES)
def test_smsgate_reads_and_writes_every_message_as_it_was(smsgate: SmsGateCodec, kind: str) -> None:
    codec = CODECS[kind]
    for pdu in MESSAGES[kind]:
        frame = codec.encode(pdu)
        assert codec.decode(smsgate.again(kind, frame)) == pdu


class _Client:
    """What smpplib asks for sequence numbers."""

    sequence = 0

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence


@pytest.mark.long
def test_smpplib_reads_what_we_write_and_the_reverse() -> None:
    library = pip_peer("smpplib", "2.2.4", "smpplib.smpp")
    client = _Client()
    theirs = library.make_pdu(
        "submit_sm",
        client=client,
        source_addr="10690001",
        source_addr_npi=1,
        destination_addr="8613800138000",
        dest_addr_ton=1,
        dest_addr_npi=1,
        data_coding=8,
        registered_delivery=1,
        short_message=UCS2,
        sar_msg_ref_num=300,
        sar_total_segments=2,
        sar_segment_seqnum=1,
    )
    ours = SMPP.decode(theirs.generate())
    assert isinstance(ours, smpp.SubmitSm)
    assert (ours.source_addr, ours.source_addr_npi, ours.destination_addr) == ("10690001", 1, "8613800138000")
    assert (ours.dest_addr_ton, ours.data_coding, ours.registered_delivery) == (1, 8, 1)
    assert ours.short_message == UCS2
    assert dict(ours.tlvs) == {smpp.SAR_REFERENCE: b"\x01\x2c", smpp.SAR_TOTAL: b"\2", smpp.SAR_NUMBER: b"\1"}
    again = library.parse_pdu(SMPP.encode(ours), client=client)
    for name in ("source_addr", "destination_addr", "short_message", "data_coding", "sar_msg_ref_num"):
        assert getattr(again, name) in (getattr(theirs, name), str(getattr(theirs, name)).encode()), name
    for pdu in MESSAGES["smpp"]:
        if not isinstance(pdu, smpp.GenericNack):  # smpplib does not know it
            read = library.parse_pdu(SMPP.encode(pdu), client=client)
            assert (read.sequence, read.status) == (pdu.sequence, pdu.status)
            for name in ("system_id", "source_addr", "destination_addr", "short_message", "message_id", "data_coding"):
                if hasattr(pdu, name):
                    value = getattr(pdu, name)
                    assert (getattr(read, name) or type(value)()) in (value, str(value).encode()), name


@pytest.mark.long
def test_frames_that_smpplib_takes_for_whole_are_refused() -> None:
    library = pip_peer("smpplib", "2.2.4", "smpplib.smpp")
    frame = SMPP.encode(MESSAGES["smpp"][2])
    taken = 0
    for end in range(16, len(frame)):
        cut = end.to_bytes(4, "big") + frame[4:end]
        with pytest.raises(FrameError):
            SMPP.decode(cut)
        taken += library.parse_pdu(cut, client=_Client()) is not None
    print(f"smpplib takes {taken} of {len(frame) - 16} cut frames for whole ones")


@pytest.mark.long
def test_cmppy_writes_what_we_read_and_the_reverse() -> None:
    requests = pip_peer("cmppy", "0.3", "cmppy.request")
    responses = pip_peer("cmppy", "0.3", "cmppy.response")
    theirs = requests.SubmitReq(
        "900001", "您好😀", src_id="10690001", dest_terminal_id=["13800138000"], service_id="SVC"
    )
    ours = CMPP3.decode(theirs.message)
    assert isinstance(ours, cmpp.Submit)
    assert (ours.msg_src, ours.src_id, ours.recipients, ours.service_id) == (
        "900001",
        "10690001",
        ("13800138000",),
        "SVC",
    )
    assert (ours.msg_fmt, ours.content) == (8, UCS2)
    assert CMPP3.encode(ours) == theirs.message
    login = requests.ConnectReq("900001", "secret")
    connect = CMPP3.decode(login.message)
    assert isinstance(connect, cmpp.Connect)
    assert connect.authenticator == cmpp.authenticator_source("900001", b"secret", connect.timestamp)
    answer = responses.parse_response(CMPP3.encode(cmpp.SubmitResp(sequence=7, msg_id=2**63 + 5, result=8)))
    assert (answer.sequence, answer.msg_id, answer.result) == (7, 2**63 + 5, 8)
