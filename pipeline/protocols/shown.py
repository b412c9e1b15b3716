"""Messages as plain values for people: ids and octets in hex, the decoded text, the status report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import msgspec

from pipeline.protocols import cmpp, cngp, sgip, smgp, smpp
from pipeline.protocols.codec import Pdu
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms.alphabet import Alphabet, of_chinese_coding, of_smpp_coding
from pipeline.protocols.sms.header import WAP_PUSH, Header, read_header
from pipeline.protocols.sms.text import text_of
from pipeline.protocols.sms.tpdu import UserData, read_tpdu
from pipeline.protocols.sms.wap_push import read_push
from pipeline.protocols.tlvs import Tlvs

_TLVS = {smgp: Tlvs(smgp.PARAMETERS), cngp: Tlvs(cngp.PARAMETERS), smpp: Tlvs(smpp.PARAMETERS)}


def plain(pdu: Pdu, cngp_udhi_tag: int | None) -> dict[str, Any]:
    """The message as plain values. Raises ProtocolError for a status report that cannot be read."""
    values = _plain(pdu)
    for protocol, tlvs in _TLVS.items():
        if isinstance(pdu, protocol.Pdu) and hasattr(pdu, "tlvs"):
            values["tlvs"] = tlvs.plain(pdu.tlvs)
    if isinstance(pdu, sgip.Pdu):
        values["sequence"] = sgip.SequenceNumber.of(pdu.sequence)._asdict()
        if isinstance(pdu, sgip.Report | sgip.Trace):
            values["submit_sequence"] = sgip.SequenceNumber.of(pdu.submit_sequence)._asdict()
    return values | _text(pdu, cngp_udhi_tag) | _report(pdu)


def show_tpdu(octets: bytes) -> dict[str, Any]:
    """A TPDU as plain values, with the link of a WAP push. Raises ProtocolError."""
    reading = read_tpdu(octets)
    values: dict[str, Any] = {"kind": "pdu", "command": type(reading.tpdu).__name__, "smsc": reading.smsc}
    for name, value in msgspec.structs.asdict(reading.tpdu).items():
        values |= _user_data(value) if isinstance(value, UserData) else {name: value}
    return values | {"surplus": reading.surplus.hex()}


def _user_data(data: UserData) -> dict[str, Any]:
    header = data.header or Header(0)
    place = header.concatenation
    return {
        "pid": data.pid,
        "coding_scheme": data.scheme,
        "alphabet": data.alphabet.name.lower(),
        "concatenation": asdict(place) if place is not None else None,
        "port": header.port,
        "suspect": data.suspect,
        "content": data.content.hex(),
        "text": data.text,
        "push": _push(header, data.content),
    }


def _push(header: Header, content: bytes) -> dict[str, Any] | None:
    """The WAP push in a whole message; None if it is none, or only a part."""
    if header.port != WAP_PUSH or (header.concatenation is not None and header.concatenation.total > 1):
        return None
    try:
        return msgspec.structs.asdict(read_push(content))
    except ProtocolError:
        return None


def _text(pdu: Pdu, cngp_udhi_tag: int | None) -> dict[str, Any]:
    if isinstance(pdu, cmpp.Submit | cmpp.Deliver):
        return _content(pdu.msg_fmt, pdu.content, bool(pdu.udhi & 0x41))
    if isinstance(pdu, sgip.Submit | sgip.Deliver):
        return _content(pdu.coding, pdu.content, bool(pdu.udhi & 0x41))
    if isinstance(pdu, smgp.Submit | smgp.Deliver):
        return _content(pdu.msg_format, pdu.content, smgp.headed(pdu))
    if isinstance(pdu, cngp.Submit | cngp.Deliver):
        return _content(pdu.msg_format, pdu.content, cngp.headed(pdu, cngp_udhi_tag))
    if isinstance(pdu, smpp.SubmitSm | smpp.DeliverSm | smpp.SubmitMulti | smpp.DataSm):
        headed = bool(pdu.esm_class & smpp.HEADED)
        return _content(pdu.data_coding, smpp.content_of(pdu), headed, of_smpp_coding)
    return {}


def _content(
    coding: int, content: bytes, headed: bool, alphabet_of: Callable[[int], Alphabet] = of_chinese_coding
) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": text_of(coding, content, headed, alphabet_of)}
    header = read_header(content) if headed else None
    push = _push(header, content[header.size :]) if header is not None else None
    return shown if push is None else shown | {"push": push}


def _report(pdu: Pdu) -> dict[str, Any]:
    report: msgspec.Struct | None = None
    if isinstance(pdu, cmpp.Deliver):
        if pdu.registered_delivery == 1 and len(pdu.content) not in (cmpp.REPORT, cmpp.REPORT_OF_2):
            expected = f"{cmpp.REPORT} or {cmpp.REPORT_OF_2} expected"
            raise ProtocolError(f"status report of {len(pdu.content)} octets, {expected}")
        report = cmpp.report_of(pdu)
    elif isinstance(pdu, smgp.Deliver):
        report = smgp.report_of(pdu)
    elif isinstance(pdu, cngp.Deliver):
        report = cngp.report_of(pdu)
    elif isinstance(pdu, smpp.DeliverSm | smpp.DataSm):
        report = smpp.receipt_of(pdu)
        if report is not None:  # its id is text
            return {"text": None, "report": _plain(report) | {"msg_id": report.msg_id.decode("latin-1")}}
    return {} if report is None else {"text": None, "report": _plain(report)}


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: _readable(name, value) for name, value in msgspec.structs.asdict(struct).items()}


def _readable(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) if isinstance(item, msgspec.Struct) else item for item in value]
    return f"{value:016x}" if name == "msg_id" and isinstance(value, int) else value
