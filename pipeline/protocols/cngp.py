"""CNGP 2.0 (the former China Netcom): messages between a service provider and a gateway, as bytes and as objects.

Its specification is not public. Layouts and numbers are those in which five open implementations agree. What none of
them tells are parameters of the functions here and settings of the pipeline: the version number and the tag that marks
a user data header.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar

from pipeline.protocols import codec
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.fields import U8, U32, Counted, Int, LoginTime, Octets, Sized, Text
from pipeline.protocols.report_text import ReportText, read_report
from pipeline.protocols.tlvs import Parameter, Tlv, Tlvs, first, number

LONGEST = 4096  # octets
MOST_RECEIVERS = 100
PARAMETERS: dict[int, Parameter] = {0x0100: number("protocol_id"), 0x0428: number("congestion_state")}
_TLVS = Tlvs(PARAMETERS)


class Pdu(codec.Pdu, frozen=True, kw_only=True):
    """One message. `status` is 0 in a request, the result in a response, which repeats the `sequence`."""

    status: Annotated[int, Int(4, range(256))] = 0
    sequence: U32


class Login(Pdu, frozen=True, kw_only=True):
    """Login. `login_mode`: 0 to send, 1 to receive, 2 both."""

    command: ClassVar[int] = 0x01
    client_id: Annotated[str, Text(10, least=1)]
    authenticator: Annotated[bytes, Octets(16)]
    login_mode: Annotated[int, Int(1, range(3))] = 2
    timestamp: LoginTime
    version: U8


class LoginResp(Pdu, frozen=True, kw_only=True):
    """The answer to Login; `status` 0: accepted."""

    command: ClassVar[int] = RESPONSE | 0x01
    authenticator: Annotated[bytes, Octets(16)]
    version: U8


class Submit(Pdu, frozen=True, kw_only=True):
    """One SMS part to 1 to 100 receivers."""

    command: ClassVar[int] = 0x02
    sp_id: Annotated[str, Text(10)]
    sub_type: Annotated[int, Int(1, range(4))] = 2
    need_report: Annotated[int, Int(1, range(2))] = 1
    priority: Annotated[int, Int(1, range(4))] = 0
    service_id: Annotated[str, Text(10)] = ""
    fee_type: Annotated[str, Text(2)] = "00"
    fee_user_type: Annotated[int, Int(1, range(4))] = 0
    fee_code: Annotated[str, Text(6)] = "000000"
    msg_format: U8
    valid_time: Annotated[str, Text(17)] = ""
    at_time: Annotated[str, Text(17)] = ""
    src_term_id: Annotated[str, Text(21)]
    charge_term_id: Annotated[str, Text(21)] = ""
    recipients: Annotated[tuple[str, ...], Counted(Text(21, least=1), 1, MOST_RECEIVERS)]
    content: Annotated[bytes, Sized(1, 254, coding="msg_format")]
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class SubmitResp(Pdu, frozen=True, kw_only=True):
    """The gateway's id of the message, which its report repeats. `status` 0: accepted."""

    command: ClassVar[int] = RESPONSE | 0x02
    msg_id: Annotated[bytes, Octets(10)]
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class Deliver(Pdu, frozen=True, kw_only=True):
    """From the gateway: a status report if `is_report` is 1, else a subscriber's message."""

    command: ClassVar[int] = 0x03
    msg_id: Annotated[bytes, Octets(10)]
    is_report: Annotated[int, Int(1, range(2))]
    msg_format: U8
    receive_time: Annotated[str, Text(14)] = ""
    src_term_id: Annotated[str, Text(21)]
    dest_term_id: Annotated[str, Text(21)]
    content: Annotated[bytes, Sized(1, 255)]
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class DeliverResp(Pdu, frozen=True, kw_only=True):
    """The answer to Deliver. `status` 0: accepted; do not send it again."""

    command: ClassVar[int] = RESPONSE | 0x03
    msg_id: Annotated[bytes, Octets(10)]
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class ActiveTest(Pdu, frozen=True, kw_only=True):
    """Asks whether the link is alive."""

    command: ClassVar[int] = 0x04


class ActiveTestResp(Pdu, frozen=True, kw_only=True):
    """The link is alive."""

    command: ClassVar[int] = RESPONSE | 0x04


class Exit(Pdu, frozen=True, kw_only=True):
    """The sender wants to close the connection."""

    command: ClassVar[int] = 0x06


class ExitResp(Pdu, frozen=True, kw_only=True):
    """The peer agrees to close the connection."""

    command: ClassVar[int] = RESPONSE | 0x06


CNGP: Codec[Pdu] = Codec(
    "CNGP 2.0",
    Pdu,
    (
        Login,
        LoginResp,
        Submit,
        SubmitResp,
        Deliver,
        DeliverResp,
        ActiveTest,
        ActiveTestResp,
        Exit,
        ExitResp,
    ),
    LONGEST,
)


def headed(pdu: Submit | Deliver, udhi_tag: int | None) -> bool:
    """Whether the content begins with a user data header; `udhi_tag` is the operator's parameter for it, if known."""
    return udhi_tag is not None and any(octet & 0x41 for octet in first(pdu.tlvs, udhi_tag) or b"")


def report_of(deliver: Deliver) -> ReportText | None:
    """The status report in a Deliver; None if it has a subscriber's message. Raises FrameError (offset in content)."""
    return read_report(deliver.content) if deliver.is_report == 1 else None


def authenticator_client(client_id: str, secret: bytes, timestamp: int) -> bytes:
    """The proof in Login that the sender knows the account's secret; `timestamp` is MMDDHHMMSS."""
    proof = client_id.encode("latin-1") + bytes(7) + secret + f"{timestamp:010d}".encode()
    return hashlib.md5(proof, usedforsecurity=False).digest()  # the protocol's own choice
