"""SMGP 3.0 (China Telecom): messages between a service provider and a gateway, as bytes and as objects.

Source of layouts and numbers: the SMGP 3.0.3 specification (2008-08). `decode` also accepts known deviations: octets
behind the last field, and a missing reserved field at the end.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar

from pipeline.protocols import codec
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.fields import U8, U32, Counted, Int, LoginTime, Octets, Sized, Spare, Text
from pipeline.protocols.report_text import ReportText, read_report
from pipeline.protocols.tlvs import Parameter, Tlv, Tlvs, first, number

LONGEST = 4096  # octets
MOST_RECEIVERS = 100
VERSION = 0x30
BUSY = 1  # status: the nearest to "throttled" that SMGP has; send again later
TP_UDHI = 0x0002
PK_TOTAL = 0x0009
PK_NUMBER = 0x000A
PARAMETERS = {
    0x0001: number("tp_pid"),
    TP_UDHI: number("tp_udhi"),
    0x0003: Parameter("link_id", 0, 20),
    0x0004: number("charge_user_type"),
    0x0005: number("charge_term_type"),
    0x0006: Parameter("charge_term_pseudo", 0, 255),
    0x0007: number("dest_term_type"),
    0x0008: Parameter("dest_term_pseudo", 0, 255),
    PK_TOTAL: number("pk_total"),
    PK_NUMBER: number("pk_number"),
    0x000B: number("submit_msg_type"),
    0x000C: number("sp_deal_result"),
    0x000D: number("src_term_type"),
    0x000E: Parameter("src_term_pseudo", 0, 255),
    0x000F: number("nodes_count"),
    0x0010: Parameter("msg_src", 0, 8),
    0x0011: number("src_type"),
    0x0012: Parameter("m_service_id", 0, 21),
}
_TLVS = Tlvs(PARAMETERS)
_RESERVE = Spare(Text(8), "")
_STATUS = Int(4, range(256))


class Pdu(codec.Pdu, frozen=True, kw_only=True):
    """One message. `sequence` identifies a request on its connection; the response repeats it."""

    sequence: U32


class Login(Pdu, frozen=True, kw_only=True):
    """Login. `login_mode`: 0 to send, 1 to receive, 2 both; `version` has the major number in its high four bits."""

    command: ClassVar[int] = 0x01
    client_id: Annotated[str, Text(8, least=1)]
    authenticator: Annotated[bytes, Octets(16)]
    login_mode: Annotated[int, Int(1, range(3))] = 2
    timestamp: LoginTime
    version: Annotated[int, Int(1, (0x13, 0x20, 0x30, 0x31))] = VERSION


class LoginResp(Pdu, frozen=True, kw_only=True):
    """The answer to Login. `status` 0: accepted, 20 wrong address, 21 authentication failed, 22 version too high."""

    command: ClassVar[int] = RESPONSE | 0x01
    status: Annotated[int, _STATUS]
    authenticator: Annotated[bytes, Octets(16)]
    version: Annotated[int, Int(1, (0x13, 0x20, 0x30, 0x31))] = VERSION


class Submit(Pdu, frozen=True, kw_only=True):
    """One SMS part to 1 to 100 receivers. The parameter `TP_UDHI` says that it begins with a user data header."""

    command: ClassVar[int] = 0x02
    msg_type: Annotated[int, Int(1, (0, 6, 7))] = 6
    need_report: Annotated[int, Int(1, range(2))] = 1
    priority: Annotated[int, Int(1, range(4))] = 0
    service_id: Annotated[str, Text(10)] = ""
    fee_type: Annotated[str, Text(2)] = "00"
    fee_code: Annotated[str, Text(6)] = "000000"
    fixed_fee: Annotated[str, Text(6)] = "000000"
    msg_format: U8
    valid_time: Annotated[str, Text(17)] = ""
    at_time: Annotated[str, Text(17)] = ""
    src_term_id: Annotated[str, Text(21)]
    charge_term_id: Annotated[str, Text(21)] = ""
    recipients: Annotated[tuple[str, ...], Counted(Text(21, least=1), 1, MOST_RECEIVERS)]
    content: Annotated[bytes, Sized(1, 160, coding="msg_format")]
    reserve: Annotated[str, _RESERVE] = ""
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class SubmitResp(Pdu, frozen=True, kw_only=True):
    """The gateway's id of the message, which its report repeats. `status` 0: accepted."""

    command: ClassVar[int] = RESPONSE | 0x02
    msg_id: Annotated[bytes, Octets(10)]
    status: Annotated[int, _STATUS]


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
    reserve: Annotated[str, _RESERVE] = ""
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class DeliverResp(Pdu, frozen=True, kw_only=True):
    """The answer to Deliver. `status` 0: accepted; do not send it again."""

    command: ClassVar[int] = RESPONSE | 0x03
    msg_id: Annotated[bytes, Octets(10)]
    status: Annotated[int, _STATUS]


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


class Query(Pdu, frozen=True, kw_only=True):
    """Asks for the counts of a day (`time` YYYYMMDD). `query_type`: 0 all, 1 the service in `query_code`."""

    command: ClassVar[int] = 0x07
    time: Annotated[str, Text(8)]
    query_type: Annotated[int, Int(1, range(2))]
    query_code: Annotated[str, Text(10)]


class QueryResp(Pdu, frozen=True, kw_only=True):
    """The counts, with the specification's order and names."""

    command: ClassVar[int] = RESPONSE | 0x07
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
    reserve: Annotated[str, _RESERVE] = ""


SMGP: Codec[Pdu] = Codec(
    "SMGP 3.0",
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
        Query,
        QueryResp,
    ),
    LONGEST,
)


def headed(pdu: Submit | Deliver) -> bool:
    """Whether the content begins with a user data header. Some gateways set SMPP's bit 0x40 in the parameter."""
    return any(octet & 0x41 for octet in first(pdu.tlvs, TP_UDHI) or b"")


def report_of(deliver: Deliver) -> ReportText | None:
    """The status report in a Deliver; None if it has a subscriber's message. Raises FrameError (offset in content)."""
    return read_report(deliver.content) if deliver.is_report == 1 else None


def authenticator_client(client_id: str, secret: bytes, timestamp: int) -> bytes:
    """The proof in Login that the sender knows the account's secret; `timestamp` is MMDDHHMMSS."""
    return _md5(client_id.encode("latin-1") + bytes(7) + secret + f"{timestamp:010d}".encode())


def authenticator_server(status: int, authenticator: bytes, secret: bytes) -> bytes:
    """The proof in Login_Resp that the gateway knows the secret. Clients do not check it, because gateways differ."""
    return _md5(status.to_bytes(4, "big") + authenticator + secret)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()  # the protocol's own choice
