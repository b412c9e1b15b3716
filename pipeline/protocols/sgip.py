"""SGIP 1.2 (China Unicom): messages between a service provider and a gateway, as bytes and as objects.

Both sides listen: the provider connects to submit, and the gateway opens a connection of its own to deliver messages
and reports. There is no link test; an idle connection is closed after 60 s.

The sequence number of SUBMIT, three numbers in 12 octets, is the message's id: its report repeats it.

Source of layouts and numbers: the SGIP 1.2 specification (2001-10). `decode` also accepts known deviations: octets
behind the last field, and messages without the reserved field at their end.
"""

from __future__ import annotations

import struct
from typing import Annotated, ClassVar, NamedTuple

import msgspec

from pipeline.protocols import codec
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.fields import U8, Counted, Int, Octets, Sized, Spare, Text

LONGEST = 4096  # octets; the specification says 2,048, but its SUBMIT to 100 users has 2,403
MOST_USERS = 100
BUSY = 11  # result: the gateway's queue is full; send again later
THROTTLED = 88  # unofficial result of some gateways: the rate is exceeded; send again later
_HEADED = Int(1, (0, 1, 0x40, 0x41))
_RESERVE = Spare(Text(8), "")
_SEQUENCE = struct.Struct(">III")


class SequenceNumber(NamedTuple):
    """`node` names the sender, `time` is MMDDHHMMSS as a decimal number, `counter` distinguishes within a second."""

    node: int
    time: int
    counter: int

    @classmethod
    def of(cls, octets: bytes) -> SequenceNumber:
        """The number in 12 octets."""
        return cls(*_SEQUENCE.unpack(octets))

    def octets(self) -> bytes:
        """The number as the 12 octets of a header."""
        return _SEQUENCE.pack(*self)


class Pdu(codec.Pdu, frozen=True, kw_only=True):
    """One message. `sequence` (`SequenceNumber`) identifies a request; the response repeats it."""

    sequence: Annotated[bytes, Octets(12)]


class _Response(Pdu, frozen=True, kw_only=True):
    result: Annotated[int, Int(1, range(100))]
    reserve: Annotated[str, _RESERVE] = ""


class Bind(Pdu, frozen=True, kw_only=True):
    """Login, with the password in clear. `login_type`: 1 provider to gateway, 2 gateway to provider, 11 test."""

    command: ClassVar[int] = 0x01
    login_type: Annotated[int, Int(1, (1, 2, 3, 4, 5, 6, 11))]
    login_name: Annotated[str, Text(16)]
    login_password: Annotated[str, Text(16)]
    reserve: Annotated[str, _RESERVE] = ""


class BindResp(_Response, frozen=True, kw_only=True):
    """The answer to BIND. `result`: 0 accepted, 1 refused, 2 logged in already, 3 too many connections, 4 bad type."""

    command: ClassVar[int] = RESPONSE | 0x01


class Unbind(Pdu, frozen=True, kw_only=True):
    """The sender wants to close the connection."""

    command: ClassVar[int] = 0x02


class UnbindResp(Pdu, frozen=True, kw_only=True):
    """The peer agrees to close the connection."""

    command: ClassVar[int] = RESPONSE | 0x02


class Submit(Pdu, frozen=True, kw_only=True):
    """One SMS part to 1 to 100 users, whose numbers begin with 86.

    `charge_number`: empty if the receiver pays, 21 zeros if the provider does. `report_flag`: 0 report failures, 1
    report always, 2 never, 3 only for billing.
    """

    command: ClassVar[int] = 0x03
    sp_number: Annotated[str, Text(21)]
    charge_number: Annotated[str, Text(21)] = "0" * 21
    users: Annotated[tuple[str, ...], Counted(Text(21, least=1), 1, MOST_USERS)]
    corp_id: Annotated[str, Text(5)]
    service_type: Annotated[str, Text(10)] = ""
    fee_type: Annotated[int, Int(1, range(5))] = 1
    fee_value: Annotated[str, Text(6)] = "0"
    given_value: Annotated[str, Text(6)] = "0"
    agent_flag: Annotated[int, Int(1, range(2))] = 0
    more_late_to_mt: Annotated[int, Int(1, range(4))] = 2
    priority: Annotated[int, Int(1, range(10))] = 0
    expire_time: Annotated[str, Text(16)] = ""
    schedule_time: Annotated[str, Text(16)] = ""
    report_flag: Annotated[int, Int(1, range(4))] = 1
    pid: U8 = 0
    udhi: Annotated[int, _HEADED] = 0
    coding: U8
    message_type: U8 = 0
    content: Annotated[bytes, Sized(4, 160, coding="coding")]
    reserve: Annotated[str, _RESERVE] = ""


class SubmitResp(_Response, frozen=True, kw_only=True):
    """The answer to SUBMIT. `result` 0: accepted."""

    command: ClassVar[int] = RESPONSE | 0x03


class Deliver(Pdu, frozen=True, kw_only=True):
    """A subscriber's message."""

    command: ClassVar[int] = 0x04
    user_number: Annotated[str, Text(21, least=1)]
    sp_number: Annotated[str, Text(21)]
    pid: U8 = 0
    udhi: Annotated[int, _HEADED] = 0
    coding: U8
    content: Annotated[bytes, Sized(4, 160)]
    reserve: Annotated[str, _RESERVE] = ""


class DeliverResp(_Response, frozen=True, kw_only=True):
    """The answer to DELIVER. `result` 0: accepted; do not send it again."""

    command: ClassVar[int] = RESPONSE | 0x04


class Report(Pdu, frozen=True, kw_only=True):
    """The outcome of a SUBMIT: `state` 0 delivered, 1 on its way, 2 failed for the cause `error_code`."""

    command: ClassVar[int] = 0x05
    submit_sequence: Annotated[bytes, Octets(12)]
    report_type: Annotated[int, Int(1, range(2))] = 0
    user_number: Annotated[str, Text(21)]
    state: Annotated[int, Int(1, range(3))]
    error_code: U8 = 0
    reserve: Annotated[str, _RESERVE] = ""


class ReportResp(_Response, frozen=True, kw_only=True):
    """The answer to REPORT. `result` 0: accepted; do not send it again."""

    command: ClassVar[int] = RESPONSE | 0x05


class UserRpt(Pdu, frozen=True, kw_only=True):
    """A user's state has changed. `condition`: 0 cancelled, 1 suspended for debt, 2 restored."""

    command: ClassVar[int] = 0x11
    sp_number: Annotated[str, Text(21)]
    user_number: Annotated[str, Text(21)]
    condition: Annotated[int, Int(1, range(3))]
    reserve: Annotated[str, _RESERVE] = ""


class UserRptResp(_Response, frozen=True, kw_only=True):
    """The answer to USERRPT."""

    command: ClassVar[int] = RESPONSE | 0x11


class Trace(Pdu, frozen=True, kw_only=True):
    """Asks which way a submitted message took."""

    command: ClassVar[int] = 0x1000
    submit_sequence: Annotated[bytes, Octets(12)]
    user_number: Annotated[str, Text(21)]
    reserve: Annotated[str, _RESERVE] = ""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway on the way of a message."""

    result: U8
    node_id: Annotated[bytes, Octets(6)]
    receive_time: Annotated[str, Text(16)]
    send_time: Annotated[str, Text(16)]
    reserve: Annotated[bytes, Octets(8)] = bytes(8)


class TraceResp(Pdu, frozen=True, kw_only=True):
    """The way of a message, gateway by gateway."""

    command: ClassVar[int] = RESPONSE | 0x1000
    nodes: Annotated[tuple[Node, ...], Counted(Node, 0, 64)]  # far more gateways than a message passes


SGIP: Codec[Pdu] = Codec(
    "SGIP 1.2",
    Pdu,
    (
        Bind,
        BindResp,
        Unbind,
        UnbindResp,
        Submit,
        SubmitResp,
        Deliver,
        DeliverResp,
        Report,
        ReportResp,
        UserRpt,
        UserRptResp,
        Trace,
        TraceResp,
    ),
    LONGEST,
)
