"""The SMS that a message of any protocol carries."""

from __future__ import annotations

from pipeline.protocols import cmpp, cngp, sgip, smgp, smpp
from pipeline.protocols.codec import Pdu
from pipeline.protocols.sms.alphabet import of_chinese_coding, of_smpp_coding
from pipeline.protocols.sms.short_message import ShortMessage, short_message


def carried(pdu: Pdu, cngp_udhi_tag: int | None = None) -> ShortMessage | None:
    """The SMS in a submitted or delivered message; None if the message carries none.

    `cngp_udhi_tag` as in `cngp.headed`. Raises ProtocolError if an SMPP message has more than one content.
    """
    if isinstance(pdu, cmpp.Submit | cmpp.Deliver):
        return short_message(pdu.content, of_chinese_coding(pdu.msg_fmt), bool(pdu.udhi & 0x41))
    if isinstance(pdu, sgip.Submit | sgip.Deliver):
        return short_message(pdu.content, of_chinese_coding(pdu.coding), bool(pdu.udhi & 0x41))
    if isinstance(pdu, smgp.Submit | smgp.Deliver):
        return short_message(pdu.content, of_chinese_coding(pdu.msg_format), smgp.headed(pdu))
    if isinstance(pdu, cngp.Submit | cngp.Deliver):
        return short_message(pdu.content, of_chinese_coding(pdu.msg_format), cngp.headed(pdu, cngp_udhi_tag))
    if isinstance(pdu, smpp.SubmitSm | smpp.DeliverSm | smpp.SubmitMulti | smpp.DataSm):
        alphabet, headed = of_smpp_coding(pdu.data_coding), bool(pdu.esm_class & smpp.HEADED)
        return short_message(smpp.content_of(pdu), alphabet, headed, smpp.sar_of(pdu))
    return None
