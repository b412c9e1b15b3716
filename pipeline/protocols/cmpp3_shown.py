"""Shows a CMPP 3.0 frame to people. Frames of other protocols are refused.

Frames of other protocols begin alike, with a length and a small command number. So the checks are stricter here than on
a link: the length must be exactly the specification's, and each value must be valid for its field. One foreign frame
passes all checks: SMGP's Login_Resp has the fields of CONNECT_RESP at the same places.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.protocols import cmpp3
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms_text import text_of

_MOST = {  # the largest value of a field; results and states are small numbers in four-octet fields
    "status": 0xFFFF,
    "result": 0xFFFF,
    "success_id": 1,
    "registered_delivery": 2,
    "fee_user_type": 3,
    "fee_terminal_type": 1,
    "src_terminal_type": 1,
    "recipient_type": 1,
    "query_type": 1,
    "reserved": 0,
}
_VERSIONS = (0x10, 0x12, 0x20, 0x21, cmpp3.VERSION)  # versions that a login may request
_HEADED = (0, 1, 0x40, 0x41)  # TP_udhi; some gateways set SMPP's bit 0x40
_FREE = {"link_id", "reserve"}  # vendors put arbitrary data there


def show(frame: bytes) -> dict[str, Any]:
    """The frame as plain values: ids and octets in hex, the decoded text and status report.

    Raises ProtocolError unless the bytes are exactly one frame of CMPP 3.0.
    """
    pdu = cmpp3.decode(frame, exact=True)
    kind = type(pdu).__name__
    fault = _fault(pdu)
    if fault is not None:
        raise ProtocolError(f"not a {kind} of CMPP 3.0: {fault}")
    plain: dict[str, Any] = {"command": kind} | _plain(pdu)
    if isinstance(pdu, cmpp3.Submit | cmpp3.Deliver):
        plain["text"] = text_of(pdu.msg_fmt, pdu.content, bool(pdu.udhi & 0x41))
    report = cmpp3.report_of(pdu) if isinstance(pdu, cmpp3.Deliver) else None
    if report is not None:
        plain["text"] = None
        plain["report"] = _plain(report)
    return plain


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: _readable(name, value) for name, value in msgspec.structs.asdict(struct).items()}


def _readable(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:016x}" if name == "msg_id" else value


def _fault(pdu: cmpp3.Pdu) -> str | None:
    """The reason why a message of valid length is not one of 3.0; None if it is."""
    for name, value in msgspec.structs.asdict(pdu).items():
        most = _MOST.get(name)
        if most is not None and value > most:
            return f"{name} {value}, at most {most} expected"
        texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
        if name not in _FREE and not all(text.isascii() and text.isprintable() for text in texts):
            return f"{name} is not printable ASCII"
    if isinstance(pdu, cmpp3.Connect):
        if pdu.version not in _VERSIONS:
            return f"version {pdu.version:#04x}"
        return None if pdu.source_addr and _is_time(pdu.timestamp) else "no account, or an invalid login time"
    if isinstance(pdu, cmpp3.ConnectResp) and pdu.version != cmpp3.VERSION:
        return f"version {pdu.version:#04x}, {cmpp3.VERSION:#04x} expected in a response of this length"
    if isinstance(pdu, cmpp3.Submit | cmpp3.Deliver) and pdu.udhi not in _HEADED:
        return f"udhi {pdu.udhi}"
    if isinstance(pdu, cmpp3.Deliver) and pdu.registered_delivery == 1:
        if len(pdu.content) not in (cmpp3.REPORT, cmpp3.REPORT_OF_2):
            return f"status report of {len(pdu.content)} octets, {cmpp3.REPORT} or {cmpp3.REPORT_OF_2} expected"
    elif isinstance(pdu, cmpp3.Submit) and not all(pdu.recipients):
        return "a receiver without a number"
    return None


def _is_time(stamp: int) -> bool:
    """Whether a decimal number is a time MMDDHHMMSS."""
    month, day, hour, minute, second = (stamp // 100**place % 100 for place in (4, 3, 2, 1, 0))
    return stamp < 100**5 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60
