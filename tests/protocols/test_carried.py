"""The SMS in messages of each protocol, whose marks of headers and codings differ."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.protocols import cmpp, cngp, sgip, smgp, smpp
from pipeline.protocols.carried import carried
from pipeline.protocols.sms.header import Concatenation
from pipeline.protocols.tlvs import Tlv

HEADER = b"\x05\x00\x03\x07\x02\x01"
CONTENT = HEADER + "您好".encode("utf-16-be")
SUBMITS: list[Any] = [
    cmpp.Submit(sequence=1, msg_fmt=8, udhi=1, msg_src="9", src_id="1", recipients=("1",), content=CONTENT),
    cmpp.Submit(sequence=1, msg_fmt=0x18, udhi=0x40, msg_src="9", src_id="1", recipients=("1",), content=CONTENT),
    sgip.Submit(sequence=bytes(12), sp_number="1", users=("1",), corp_id="1", coding=8, udhi=1, content=CONTENT),
    smgp.Submit(
        sequence=1,
        msg_format=8,
        src_term_id="1",
        recipients=("1",),
        content=CONTENT,
        tlvs=(Tlv(smgp.TP_UDHI, b"\1"),),
    ),
    cngp.Submit(
        sequence=1, sp_id="1", msg_format=8, src_term_id="1", recipients=("1",), content=CONTENT, tlvs=(Tlv(2, b"\1"),)
    ),
    smpp.SubmitSm(
        sequence=1, source_addr="1", destination_addr="2", data_coding=8, esm_class=0x40, short_message=CONTENT
    ),
    smpp.DataSm(
        sequence=1,
        source_addr="1",
        destination_addr="2",
        data_coding=8,
        esm_class=0x40,
        tlvs=(Tlv(smpp.MESSAGE_PAYLOAD, CONTENT),),
    ),
]


@pytest.mark.parametrize("submit", SUBMITS)
def test_a_part_of_each_protocol(submit: Any) -> None:
    message = carried(submit, cngp_udhi_tag=2)
    assert message is not None
    assert (message.text, message.place, message.suspect) == ("您好", Concatenation(7, 2, 1), False)


def test_messages_without_an_sms() -> None:
    assert carried(cmpp.ActiveTest(sequence=1)) is None
    assert carried(smpp.EnquireLink(sequence=1)) is None


def test_a_header_that_does_not_fit_is_suspect() -> None:
    submit = cmpp.Submit(sequence=1, msg_fmt=0, udhi=1, msg_src="9", src_id="1", recipients=("1",), content=b"hello")
    message = carried(submit)
    assert message is not None
    assert (message.text, message.suspect) == ("hello", True)
