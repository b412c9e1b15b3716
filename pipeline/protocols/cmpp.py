"""CMPP 2.0 and 3.0 (China Mobile): messages between a service provider and a gateway, as bytes and as objects.

Source of layouts and numbers: the CMPP 3.0.0 specification (QB-GF-028-2003); of the widths of 2.0, which agree in three
open implementations (gocmpp, SMSGate, gosms), those. `encode` follows them. `decode` also accepts known deviations of
gateways: octets behind the last field, a missing reserved field at the end, and responses in the other version's form.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar

import msgspec

from pipeline.protocols import codec
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.fields import (
    U8,
    U32,
    U64,
    Counted,
    Int,
    Layout,
    LoginTime,
    Octets,
    Sized,
    Spare,
    Text,
    Versions,
)
from pipeline.protocols.frames import FrameError

LONGEST = 4096  # octets; the longest valid message, a 3.0 SUBMIT to 99 receivers, has 3,490
MOST_RECEIVERS = 99
THROTTLED = 8  # result in SUBMIT_RESP: the account's rate is exceeded; send again later
BAD_STRUCTURE = 1  # result in DELIVER_RESP: the message cannot be read; do not send it again
REPORT = 71  # octets of a status report of 3.0
REPORT_OF_2 = 60  # octets of a report of 2.0, which some gateways also use in 3.0: the recipient has 21 octets, not 32
VERSION = 0x30  # what a client of 3.0 requests
_TERMINAL = Versions(Text(21), Text(32))
_ONLY_IN_3 = Versions(None, Int(1, range(2)))
_RESULT = Versions(Int(1), Int(4, range(0x1_0000)))
_LINK = Versions(Spare(Text(8), ""), Spare(Text(20), ""))
_HEADED = Int(1, (0, 1, 0x40, 0x41))  # 0x40 is SMPP's bit, which some gateways copy


class Pdu(codec.Pdu, frozen=True, kw_only=True):
    """One message. `sequence` identifies a request on its connection; the response repeats it."""

    sequence: U32


class Connect(Pdu, frozen=True, kw_only=True):
    """Login; `version` is the one requested, major number in the high four bits."""

    command: ClassVar[int] = 0x01
    source_addr: Annotated[str, Text(6, least=1)]
    authenticator: Annotated[bytes, Octets(16)]
    version: Annotated[int, Int(1, (0x10, 0x12, 0x20, 0x21, 0x30))]
    timestamp: LoginTime


class ConnectResp(Pdu, frozen=True, kw_only=True):
    """The answer to CONNECT.

    `status`: 0 accepted, 1 bad structure, 2 bad source address, 3 authentication failed, 4 version too high, others
    other errors.
    """

    command: ClassVar[int] = RESPONSE | 0x01
    status: Annotated[int, _RESULT]
    authenticator: Annotated[bytes, Octets(16)]
    version: Annotated[int, Versions(Int(1, (0x20, 0x21, 0x30)), Int(1, (0x30,)))]


class Terminate(Pdu, frozen=True, kw_only=True):
    """The sender wants to close the connection."""

    command: ClassVar[int] = 0x02


class TerminateResp(Pdu, frozen=True, kw_only=True):
    """The peer agrees to close the connection."""

    command: ClassVar[int] = RESPONSE | 0x02


class Submit(Pdu, frozen=True, kw_only=True):
    """One SMS part to 1 to 99 receivers. `udhi` 1 (or 0x40): the content begins with a user data header."""

    command: ClassVar[int] = 0x04
    msg_id: U64 = 0
    pk_total: U8 = 1
    pk_number: U8 = 1
    registered_delivery: Annotated[int, Int(1, range(3))] = 1
    msg_level: U8 = 0
    service_id: Annotated[str, Text(10)] = ""
    fee_user_type: Annotated[int, Int(1, range(4))] = 2
    fee_terminal_id: Annotated[str, _TERMINAL] = ""
    fee_terminal_type: Annotated[int, _ONLY_IN_3] = 0
    pid: U8 = 0
    udhi: Annotated[int, _HEADED] = 0
    msg_fmt: U8
    msg_src: Annotated[str, Text(6)]
    fee_type: Annotated[str, Text(2)] = "01"
    fee_code: Annotated[str, Text(6)] = "000000"
    valid_time: Annotated[str, Text(17)] = ""
    at_time: Annotated[str, Text(17)] = ""
    src_id: Annotated[str, Text(21)]
    recipients: Annotated[
        tuple[str, ...],
        Versions(Counted(Text(21, least=1), 1, MOST_RECEIVERS), Counted(Text(32, least=1), 1, MOST_RECEIVERS)),
    ]
    recipient_type: Annotated[int, _ONLY_IN_3] = 0
    content: Annotated[bytes, Sized(1, 255, coding="msg_fmt")]
    link_id: Annotated[str, _LINK] = ""


class SubmitResp(Pdu, frozen=True, kw_only=True):
    """The gateway's id of the message, which its report repeats. `result`: 0 accepted, 8 throttled, 1 to 13 refused."""

    command: ClassVar[int] = RESPONSE | 0x04
    msg_id: U64
    result: Annotated[int, _RESULT]


class Deliver(Pdu, frozen=True, kw_only=True):
    """From the gateway: a status report if `registered_delivery` is 1, else a subscriber's message."""

    command: ClassVar[int] = 0x05
    msg_id: U64
    dest_id: Annotated[str, Text(21)]
    service_id: Annotated[str, Text(10)] = ""
    pid: U8 = 0
    udhi: Annotated[int, _HEADED] = 0
    msg_fmt: U8
    src_terminal_id: Annotated[str, _TERMINAL]
    src_terminal_type: Annotated[int, _ONLY_IN_3] = 0
    registered_delivery: Annotated[int, Int(1, range(3))]
    content: Annotated[bytes, Sized(1, 255)]
    link_id: Annotated[str, _LINK] = ""


class DeliverResp(Pdu, frozen=True, kw_only=True):
    """The answer to DELIVER. `result` 0: accepted; do not send it again."""

    command: ClassVar[int] = RESPONSE | 0x05
    msg_id: U64
    result: Annotated[int, _RESULT]


class Query(Pdu, frozen=True, kw_only=True):
    """Asks for the counts of a day (`time` YYYYMMDD). `query_type`: 0 all, 1 the service in `query_code`."""

    command: ClassVar[int] = 0x06
    time: Annotated[str, Text(8)]
    query_type: Annotated[int, Int(1, range(2))]
    query_code: Annotated[str, Text(10)]
    reserve: Annotated[str, Spare(Text(8), "")] = ""


class QueryResp(Pdu, frozen=True, kw_only=True):
    """The counts, with the specification's order and names."""

    command: ClassVar[int] = RESPONSE | 0x06
    time: Annotated[str, Text(8)]
    query_type: Annotated[int, Int(1, range(2))]
    query_code: Annotated[str, Text(10)]
    mt_tl_msg: U32
    mt_tl_usr: U32
    mt_scs: U32
    mt_wt: U32
    mt_fl: U32
    mo_scs: U32
    mo_wt: U32
    mo_fl: U32


class Cancel(Pdu, frozen=True, kw_only=True):
    """Asks the gateway to cancel a submitted message."""

    command: ClassVar[int] = 0x07
    msg_id: U64


class CancelResp(Pdu, frozen=True, kw_only=True):
    """The answer to CANCEL. `success_id` is 0 if the message was cancelled, 1 if not."""

    command: ClassVar[int] = RESPONSE | 0x07
    success_id: Annotated[int, Versions(Int(1, range(2)), Int(4, range(2)))]


class ActiveTest(Pdu, frozen=True, kw_only=True):
    """Asks whether the link is alive."""

    command: ClassVar[int] = 0x08


class ActiveTestResp(Pdu, frozen=True, kw_only=True):
    """The link is alive."""

    command: ClassVar[int] = RESPONSE | 0x08
    reserved: Annotated[int, Spare(Int(1, (0,)), 0)] = 0


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a DELIVER that is a status report: the outcome of the message with this id.

    Times are YYMMDDhhmm.
    """

    msg_id: U64
    stat: Annotated[str, Text(7)]
    submit_time: Annotated[str, Text(10)]
    done_time: Annotated[str, Text(10)]
    recipient: Annotated[str, _TERMINAL]
    smsc_sequence: U32 = 0


_KINDS: tuple[type[Pdu], ...] = (
    Connect,
    ConnectResp,
    Terminate,
    TerminateResp,
    Submit,
    SubmitResp,
    Deliver,
    DeliverResp,
    Query,
    QueryResp,
    Cancel,
    CancelResp,
    ActiveTest,
    ActiveTestResp,
)
_OF_2, _OF_3 = 0, 1
CMPP2: Codec[Pdu] = Codec("CMPP 2.0", Pdu, _KINDS, LONGEST, version=_OF_2, other=_OF_3)
CMPP3: Codec[Pdu] = Codec("CMPP 3.0", Pdu, _KINDS, LONGEST, version=_OF_3, other=_OF_2)
_REPORTS = {CMPP2.name: Layout.of(StatusReport, _OF_2), CMPP3.name: Layout.of(StatusReport, _OF_3)}


def with_sequence(frame: bytes, sequence: int) -> bytes:
    """The same message with another sequence number (32 bits)."""
    return frame[:8] + sequence.to_bytes(4, "big") + frame[12:]


class Head(msgspec.Struct, frozen=True):
    """The readable fields of a frame whose body cannot be read. `msg_id` is 0 if the frame has none."""

    command: int
    sequence: int
    msg_id: int


def head_of(frame: bytes) -> Head:
    """The head of a frame of either version."""
    command, header = CMPP3.head(frame)
    named = command in (Deliver.command, SubmitResp.command)  # in both, the id is the first field
    msg_id = frame[12:20] if named else b""
    return Head(command, header.sequence, int.from_bytes(msg_id, "big") if len(msg_id) == 8 else 0)


def encode_report(report: StatusReport, version: Codec[Pdu]) -> bytes:
    """The content of a status report: 60 octets in 2.0, 71 in 3.0."""
    return _REPORTS[version.name].pack(report)


def report_of(deliver: Deliver) -> StatusReport | None:
    """The status report in a DELIVER; None if the DELIVER has a subscriber's message.

    The length of the content decides between the forms of 3.0 and 2.0, because gateways mix them. Octets behind the
    report are ignored. Raises FrameError with an offset from the beginning of the content.
    """
    if deliver.registered_delivery != 1:
        return None
    content = deliver.content
    if len(content) < REPORT_OF_2:
        raise FrameError(f"status report of {len(content)} octets, {REPORT} or {REPORT_OF_2} expected", len(content))
    version = CMPP3 if len(content) >= REPORT else CMPP2
    return StatusReport(**_REPORTS[version.name].unpack(content, 0)[0])


def authenticator_source(source_addr: str, secret: bytes, timestamp: int) -> bytes:
    """The proof in CONNECT that the sender knows the account's secret; `timestamp` is MMDDHHMMSS."""
    return _md5(source_addr.encode("latin-1") + bytes(9) + secret + f"{timestamp:010d}".encode())


def authenticator_ismg(status: int, authenticator: bytes, secret: bytes, version: Codec[Pdu]) -> bytes:
    """The proof in CONNECT_RESP that the gateway knows the secret; the status has one octet in 2.0, four in 3.0.

    Clients do not check it, because gateways differ.
    """
    width = 1 if version is CMPP2 else 4
    return _md5(status.to_bytes(width, "big") + authenticator + secret)


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


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()  # the protocol's own choice
