"""CMPP 3.0 (China Mobile): messages between a service provider and a gateway, as bytes and as objects.

Source of layouts and numbers: the CMPP 3.0.0 specification (QB-GF-028-2003). `encode` follows it. `decode` also accepts
known deviations of gateways: octets behind the last field, a missing reserved field at the end, and responses in the
shorter form of 2.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from pipeline.protocols.frames import (
    FrameError,
    Frames,
    Layout,
    ProtocolError,
    UnknownCommandError,
    field_text,
    text_field,
)
from pipeline.protocols.sms_text import part_limit

HEADER = 12
LONGEST = 4096  # octets; the longest valid message, a SUBMIT to 99 receivers, has 3,486
VERSION = 0x30
RESPONSE = 0x8000_0000
MOST_RECEIVERS = 99
THROTTLED = 8  # result in SUBMIT_RESP: the account's rate is exceeded; send again later
BAD_STRUCTURE = 1  # result in DELIVER_RESP: the message cannot be read; do not send it again
REPORT = 71  # octets of a status report
REPORT_OF_2 = 60  # octets of a report in the form of 2.0, which some gateways use: the recipient has 21 octets, not 32
_HEAD = Layout(("length", "I"), ("command", "I"), ("sequence", "I"))


class Pdu(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `sequence` identifies a request on its connection; the response repeats it."""

    command: ClassVar[int]
    sequence: int


class Connect(Pdu, frozen=True, kw_only=True):
    """Login; `timestamp` is MMDDHHMMSS as a decimal number."""

    command: ClassVar[int] = 0x01
    source_addr: str
    authenticator: bytes
    version: int
    timestamp: int


class ConnectResp(Pdu, frozen=True, kw_only=True):
    """The answer to CONNECT.

    `status`: 0 accepted, 1 bad structure, 2 bad source address, 3 authentication failed, 4 version too high, others
    other errors.
    """

    command: ClassVar[int] = RESPONSE | 0x01
    status: int
    authenticator: bytes
    version: int


class Terminate(Pdu, frozen=True, kw_only=True):
    """The sender wants to close the connection."""

    command: ClassVar[int] = 0x02


class TerminateResp(Pdu, frozen=True, kw_only=True):
    """The peer agrees to close the connection."""

    command: ClassVar[int] = RESPONSE | 0x02


class Submit(Pdu, frozen=True, kw_only=True):
    """One SMS part to 1 to 99 receivers. `udhi` 1 (or 0x40): the content begins with a user data header."""

    command: ClassVar[int] = 0x04
    msg_id: int = 0
    pk_total: int = 1
    pk_number: int = 1
    registered_delivery: int = 1
    msg_level: int = 0
    service_id: str = ""
    fee_user_type: int = 2
    fee_terminal_id: str = ""
    fee_terminal_type: int = 0
    pid: int = 0
    udhi: int = 0
    msg_fmt: int
    msg_src: str
    fee_type: str = "01"
    fee_code: str = "000000"
    valid_time: str = ""
    at_time: str = ""
    src_id: str
    recipients: tuple[str, ...]
    recipient_type: int = 0
    content: bytes
    link_id: str = ""


class SubmitResp(Pdu, frozen=True, kw_only=True):
    """The gateway's id of the message, which its report repeats. `result`: 0 accepted, 8 throttled, 1 to 13 refused."""

    command: ClassVar[int] = RESPONSE | 0x04
    msg_id: int
    result: int


class Deliver(Pdu, frozen=True, kw_only=True):
    """From the gateway: a status report if `registered_delivery` is 1, else a subscriber's message."""

    command: ClassVar[int] = 0x05
    msg_id: int
    dest_id: str
    service_id: str = ""
    pid: int = 0
    udhi: int = 0
    msg_fmt: int
    src_terminal_id: str
    src_terminal_type: int = 0
    registered_delivery: int
    content: bytes
    link_id: str = ""


class DeliverResp(Pdu, frozen=True, kw_only=True):
    """The answer to DELIVER. `result` 0: accepted; do not send it again."""

    command: ClassVar[int] = RESPONSE | 0x05
    msg_id: int
    result: int


class Query(Pdu, frozen=True, kw_only=True):
    """Asks for the counts of a day (`time` YYYYMMDD). `query_type`: 0 all, 1 the service in `query_code`."""

    command: ClassVar[int] = 0x06
    time: str
    query_type: int
    query_code: str
    reserve: str = ""


class QueryResp(Pdu, frozen=True, kw_only=True):
    """The counts, with the specification's order and names."""

    command: ClassVar[int] = RESPONSE | 0x06
    time: str
    query_type: int
    query_code: str
    mt_tl_msg: int
    mt_tl_usr: int
    mt_scs: int
    mt_wt: int
    mt_fl: int
    mo_scs: int
    mo_wt: int
    mo_fl: int


class Cancel(Pdu, frozen=True, kw_only=True):
    """Asks the gateway to cancel a submitted message."""

    command: ClassVar[int] = 0x07
    msg_id: int


class CancelResp(Pdu, frozen=True, kw_only=True):
    """The answer to CANCEL. `success_id` is 0 if the message was cancelled, 1 if not."""

    command: ClassVar[int] = RESPONSE | 0x07
    success_id: int


class ActiveTest(Pdu, frozen=True, kw_only=True):
    """Asks whether the link is alive."""

    command: ClassVar[int] = 0x08


class ActiveTestResp(Pdu, frozen=True, kw_only=True):
    """The link is alive."""

    command: ClassVar[int] = RESPONSE | 0x08
    reserved: int = 0


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a status report: the outcome of the message with this id. Times are YYMMDDhhmm."""

    msg_id: int
    stat: str
    submit_time: str
    done_time: str
    recipient: str
    smsc_sequence: int = 0


_EMPTY = Layout()
_DONE = Layout(("msg_id", "Q"), ("result", "I"))
_BODIES: dict[type[Pdu], Layout] = {
    Connect: Layout(("source_addr", "6s"), ("authenticator", "16b"), ("version", "B"), ("timestamp", "I")),
    ConnectResp: Layout(("status", "I"), ("authenticator", "16b"), ("version", "B")),
    Terminate: _EMPTY,
    TerminateResp: _EMPTY,
    Submit: Layout(
        ("msg_id", "Q"),
        ("pk_total", "B"),
        ("pk_number", "B"),
        ("registered_delivery", "B"),
        ("msg_level", "B"),
        ("service_id", "10s"),
        ("fee_user_type", "B"),
        ("fee_terminal_id", "32s"),
        ("fee_terminal_type", "B"),
        ("pid", "B"),
        ("udhi", "B"),
        ("msg_fmt", "B"),
        ("msg_src", "6s"),
        ("fee_type", "2s"),
        ("fee_code", "6s"),
        ("valid_time", "17s"),
        ("at_time", "17s"),
        ("src_id", "21s"),
    ),
    SubmitResp: _DONE,
    Deliver: Layout(
        ("msg_id", "Q"),
        ("dest_id", "21s"),
        ("service_id", "10s"),
        ("pid", "B"),
        ("udhi", "B"),
        ("msg_fmt", "B"),
        ("src_terminal_id", "32s"),
        ("src_terminal_type", "B"),
        ("registered_delivery", "B"),
    ),
    DeliverResp: _DONE,
    Query: Layout(("time", "8s"), ("query_type", "B"), ("query_code", "10s"), ("reserve", "8s")),
    QueryResp: Layout(
        ("time", "8s"),
        ("query_type", "B"),
        ("query_code", "10s"),
        *((name, "I") for name in ("mt_tl_msg", "mt_tl_usr", "mt_scs", "mt_wt", "mt_fl", "mo_scs", "mo_wt", "mo_fl")),
    ),
    Cancel: Layout(("msg_id", "Q")),
    CancelResp: Layout(("success_id", "I")),
    ActiveTest: _EMPTY,
    ActiveTestResp: Layout(("reserved", "B")),
}
_DONE_OF_2 = Layout(("msg_id", "Q"), ("result", "B"))
_SHORTER: dict[type[Pdu], Layout] = {  # in the form of 2.0, or without the reserved octet
    ConnectResp: Layout(("status", "B"), ("authenticator", "16b"), ("version", "B")),
    SubmitResp: _DONE_OF_2,
    DeliverResp: _DONE_OF_2,
    CancelResp: Layout(("success_id", "B")),
    ActiveTestResp: _EMPTY,
}
_KINDS = {kind.command: kind for kind in _BODIES}
_MSG_ID = Layout(("msg_id", "Q"))  # first field in the body of SUBMIT_RESP and of DELIVER
_REPORT_HEAD = Layout(("msg_id", "Q"), ("stat", "7s"), ("submit_time", "10s"), ("done_time", "10s"))
_SEQUENCE = Layout(("smsc_sequence", "I"))


def frames() -> Frames:
    """Cuts a connection's bytes into messages for `decode`."""
    return Frames(HEADER, LONGEST)


def encode(pdu: Pdu) -> bytes:
    """The message as bytes. Raises ProtocolError for a value that does not fit its field."""
    body = _BODIES[type(pdu)].pack(pdu)
    if isinstance(pdu, Submit):
        if not 1 <= len(pdu.recipients) <= MOST_RECEIVERS:
            raise ProtocolError(f"{len(pdu.recipients)} receivers, 1 to {MOST_RECEIVERS} expected")
        limit = part_limit(pdu.msg_fmt)
        receivers = b"".join(text_field(r, 32, "recipient").ljust(32, b"\0") for r in pdu.recipients)
        kind = _octet(pdu.recipient_type, "recipient_type")
        body += bytes((len(pdu.recipients),)) + receivers + kind + _content(pdu.content, limit, pdu.link_id)
    elif isinstance(pdu, Deliver):
        body += _content(pdu.content, 255, pdu.link_id)
    if not 0 <= pdu.sequence < 1 << 32:
        raise ProtocolError("sequence: a 32-bit number expected")
    head = (HEADER + len(body), pdu.command, pdu.sequence)
    return b"".join(n.to_bytes(4, "big") for n in head) + body


def with_sequence(frame: bytes, sequence: int) -> bytes:
    """The same message with another sequence number (32 bits)."""
    return frame[:8] + sequence.to_bytes(4, "big") + frame[HEADER:]


class Head(msgspec.Struct, frozen=True):
    """The readable fields of a frame whose body cannot be read. `msg_id` is 0 if the frame has none."""

    command: int
    sequence: int
    msg_id: int


def head_of(frame: bytes) -> Head:
    """The head of a frame from `Frames`."""
    head = _HEAD.unpack(frame)
    named = head["command"] in (Deliver.command, SubmitResp.command) and len(frame) >= HEADER + _MSG_ID.size
    msg_id = _MSG_ID.unpack(frame, HEADER)["msg_id"] if named else 0
    return Head(head["command"], head["sequence"], msg_id)


def decode(frame: bytes, *, exact: bool = False) -> Pdu:
    """The message in a whole frame. `exact` accepts only the length of the specification.

    Raises FrameError naming the fault and its place, and UnknownCommandError for a command that is not in 3.0.
    """
    head = _HEAD.unpack(frame)
    if head["length"] != len(frame):
        raise FrameError(f"frame of {len(frame)} octets has {head['length']} in its length field", 0)
    kind = _KINDS.get(head["command"])
    if kind is None:
        raise UnknownCommandError(f"unknown command {head['command']:#010x}", 4)
    layout = _BODIES[kind]
    shorter = _SHORTER.get(kind)
    if shorter is not None and len(frame) == HEADER + shorter.size and not exact:
        layout = shorter
    fields = layout.unpack(frame, HEADER)
    end = HEADER + layout.size
    if kind is Submit:
        fields["recipients"], fields["recipient_type"], end = _receivers_at(frame, end)
    if kind is Submit or kind is Deliver:
        fields["content"], fields["link_id"], end = _content_at(frame, end)
    if exact and len(frame) != end:
        raise FrameError(f"{len(frame)} octets, {end} expected for this {kind.__name__}", min(len(frame), end))
    return kind(sequence=head["sequence"], **fields)


def encode_report(report: StatusReport) -> bytes:
    """The body of a status report in the form of 3.0 (71 octets)."""
    recipient = text_field(report.recipient, 32, "recipient").ljust(32, b"\0")
    return _REPORT_HEAD.pack(report) + recipient + _SEQUENCE.pack(report)


def report_of(deliver: Deliver) -> StatusReport | None:
    """The status report in a DELIVER; None if the DELIVER has a subscriber's message.

    The length of the body decides between the forms of 3.0 and 2.0, because gateways mix them. Octets behind the report
    are ignored. Raises FrameError with an offset from the beginning of the body.
    """
    if deliver.registered_delivery != 1:
        return None
    body = deliver.content
    width = 32 if len(body) >= REPORT else 21
    at = _REPORT_HEAD.size + width
    if len(body) < REPORT_OF_2:
        raise FrameError(f"status report of {len(body)} octets, {REPORT} or {REPORT_OF_2} expected", len(body))
    return StatusReport(
        **_REPORT_HEAD.unpack(body),
        recipient=field_text(body[_REPORT_HEAD.size : at]),
        **_SEQUENCE.unpack(body, at),
    )


def authenticator_source(source_addr: str, secret: bytes, timestamp: int) -> bytes:
    """The proof in CONNECT that the sender knows the account's secret; `timestamp` is MMDDHHMMSS."""
    return _md5(source_addr.encode("latin-1") + bytes(9) + secret + f"{timestamp:010d}".encode())


def authenticator_ismg(status: int, authenticator: bytes, secret: bytes) -> bytes:
    """The proof in CONNECT_RESP that the gateway knows the secret. Clients do not check it, because gateways differ."""
    return _md5(status.to_bytes(4, "big") + authenticator + secret)


def message_id(month: int, day: int, hour: int, minute: int, second: int, gateway: int, sequence: int) -> int:
    """A gateway's 64-bit message id. Never parse an id: it has no year, and vendors deviate from the layout."""
    return (
        month << 60
        | day << 55
        | hour << 50
        | minute << 44
        | second << 38
        | (gateway & 0x3FFFFF) << 16
        | sequence & 0xFFFF
    )


def _receivers_at(frame: bytes, at: int) -> tuple[tuple[str, ...], int, int]:
    """The receivers, their type, and the offset of the content."""
    count = frame[at] if at < len(frame) else 0
    if not 1 <= count <= MOST_RECEIVERS:
        raise FrameError(f"{count} receivers, 1 to {MOST_RECEIVERS} expected", at)
    end = at + 1 + 32 * count
    if len(frame) <= end:
        raise FrameError(f"{len(frame)} octets, too few for {count} receivers", at)
    recipients = tuple(field_text(frame[i : i + 32]) for i in range(at + 1, end, 32))
    return recipients, frame[end], end + 1


def _content(content: bytes, limit: int, link_id: str) -> bytes:
    if len(content) > limit:
        raise ProtocolError(f"content: {len(content)} octets, at most {limit}")
    return bytes((len(content),)) + content + text_field(link_id, 20, "link_id").ljust(20, b"\0")


def _content_at(frame: bytes, at: int) -> tuple[bytes, str, int]:
    """The content, the link id behind it, and the offset of the end."""
    end = at + 1 + (frame[at] if at < len(frame) else 0)
    if len(frame) < end or at >= len(frame):
        raise FrameError(f"frame of {len(frame)} octets, but its content ends at {end}", at)
    return frame[at + 1 : end], field_text(frame[end : end + 20]), end + 20


def _octet(value: int, name: str) -> bytes:
    if not 0 <= value <= 255:
        raise ProtocolError(f"{name}: {value} is not one octet")
    return bytes((value,))


def _md5(data: Sequence[int] | bytes) -> bytes:
    return hashlib.md5(bytes(data), usedforsecurity=False).digest()  # the protocol's own choice
