"""Messages as plain values for people: ids and octets in hex, the decoded text, the status report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from pipeline.protocols import cmpp, cngp, sgip, smgp, smpp
from pipeline.protocols.carried import carried
from pipeline.protocols.codec import Pdu
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms.short_message import ShortMessage
from pipeline.protocols.sms.tpdu import UserData, read_tpdu
from pipeline.protocols.tlvs import Tlvs

_SECRET = ("password", "login_password")  # SMPP and SGIP send them in clear; what is shown goes into tickets and chats
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
    return values | _short_message(carried(pdu, cngp_udhi_tag)) | _report(pdu)


def show_tpdu(octets: bytes) -> dict[str, Any]:
    """A TPDU as plain values, with the link of a WAP push. Raises ProtocolError."""
    reading = read_tpdu(octets)
    values: dict[str, Any] = {"kind": "pdu", "command": type(reading.tpdu).__name__, "smsc": reading.smsc}
    for name, value in msgspec.structs.asdict(reading.tpdu).items():
        if not isinstance(value, UserData):
            values[name] = value
            continue
        message = value.message
        values |= {"pid": value.pid, "coding_scheme": value.scheme, "alphabet": message.alphabet.name.lower()}
        values |= {"port": message.header.port if message.header is not None else None}
        values |= {"content": message.content.hex()} | _short_message(message)
    return values | {"surplus": reading.surplus.hex()}


def _short_message(message: ShortMessage | None) -> dict[str, Any]:
    if message is None:
        return {}
    push = message.push
    return {
        "text": push.text if push is not None else message.text,  # what the phone shows
        "concatenation": asdict(message.place) if message.place is not None else None,
        "suspect": message.suspect,
        "push": msgspec.structs.asdict(push) if push is not None else None,
    }


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
    if name in _SECRET:
        return "***" if value else ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) if isinstance(item, msgspec.Struct) else item for item in value]
    return f"{value:016x}" if name == "msg_id" and isinstance(value, int) else value
