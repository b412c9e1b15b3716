"""SMPP 3.4: messages between an ESME (who sends and receives texts) and a message centre, as bytes and as objects.

Peers of 3.3 and 5.0 are understood as far as they use the messages of 3.4: 3.3 has no optional parameters, 5.0 has more
of them (kept as they are) and puts them behind every answer. An answer that reports an error may have no body.

Source of layouts and numbers: SMPP Protocol Specification v3.4, issue 1.2; the parameters of 5.0 from v5.0.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from pipeline.protocols import codec
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.fields import U8, U32, Counted, CText, Field, Int, Layout, Sized, Spare
from pipeline.protocols.frames import FrameError, ProtocolError
from pipeline.protocols.report_text import ReportText, read_receipt
from pipeline.protocols.sms.header import Concatenation
from pipeline.protocols.tlvs import Parameter, Tlv, Tlvs, first, number

LONGEST = 73_728  # octets; room for a message_payload of 65,535 to 254 recipients
VERSION = 0x34
OK, SYSTEM_ERROR, QUEUE_FULL, THROTTLED = 0x00, 0x08, 0x14, 0x58  # statuses; all but OK: send again later
HEADED = 0x40  # bit of esm_class: the content begins with a user data header
RECEIPT = 0x04  # esm_class & 0x3C of a delivery receipt
RECEIPTED_MESSAGE_ID = 0x001E
SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F
MESSAGE_PAYLOAD = 0x0424
MESSAGE_STATE = 0x0427
STATES = {  # message_state, in the words of receipts
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
PARAMETERS = {
    0x0005: number("dest_addr_subunit"),
    0x0006: number("dest_network_type"),
    0x0007: number("dest_bearer_type"),
    0x0008: number("dest_telematics_id", 2),
    0x000D: number("source_addr_subunit"),
    0x000E: number("source_network_type"),
    0x000F: number("source_bearer_type"),
    0x0010: number("source_telematics_id"),
    0x0017: number("qos_time_to_live", 4),
    0x0019: number("payload_type"),
    0x001D: Parameter("additional_status_info_text", 1, 256),
    RECEIPTED_MESSAGE_ID: Parameter("receipted_message_id", 1, 65),
    0x0030: number("ms_msg_wait_facilities"),
    0x0201: number("privacy_indicator"),
    0x0202: Parameter("source_subaddress", 2, 23),
    0x0203: Parameter("dest_subaddress", 2, 23),
    0x0204: number("user_message_reference", 2),
    0x0205: number("user_response_code"),
    0x020A: number("source_port", 2),
    0x020B: number("destination_port", 2),
    SAR_REFERENCE: number("sar_msg_ref_num", 2),
    0x020D: number("language_indicator"),
    SAR_TOTAL: number("sar_total_segments"),
    SAR_NUMBER: number("sar_segment_seqnum"),
    0x0210: number("sc_interface_version"),
    0x0302: number("callback_num_pres_ind"),
    0x0303: Parameter("callback_num_atag", 0, 65),
    0x0304: number("number_of_messages"),
    0x0381: Parameter("callback_num", 4, 19),
    0x0420: number("dpf_result"),
    0x0421: number("set_dpf"),
    0x0422: number("ms_availability_status"),
    0x0423: Parameter("network_error_code", 3, 3),
    MESSAGE_PAYLOAD: Parameter("message_payload", 0, 65_535),
    0x0425: number("delivery_failure_reason"),
    0x0426: number("more_messages_to_send"),
    MESSAGE_STATE: number("message_state"),
    0x0428: number("congestion_state"),
    0x0501: number("ussd_service_op"),
    0x1201: number("display_time"),
    0x1203: number("sms_signal", 2),
    0x1204: number("ms_validity"),
    0x130C: Parameter("alert_on_message_delivery", 0, 1),
    0x1380: number("its_reply_type"),
    0x1383: Parameter("its_session_info", 2, 2),
}
_TLVS = Tlvs(PARAMETERS)
_MESSAGE_ID = CText(65)
_ADDRESS = CText(21)
_LONG_ADDRESS = CText(65)


class Pdu(codec.Pdu, frozen=True, kw_only=True):
    """One message. `status` is 0 in a request, the result in a response, which repeats the `sequence`."""

    status: Annotated[int, Int(4, range(0x1_0000))] = OK
    sequence: U32


class _Bind(Pdu, frozen=True, kw_only=True):
    system_id: Annotated[str, CText(16)]
    password: Annotated[str, CText(9)]
    system_type: Annotated[str, CText(13)] = ""
    interface_version: Annotated[int, Int(1, (0x00, 0x33, 0x34, 0x50))] = VERSION
    addr_ton: U8 = 0
    addr_npi: U8 = 0
    address_range: Annotated[str, CText(41)] = ""


class _BindResp(Pdu, frozen=True, kw_only=True):
    system_id: Annotated[str, Spare(CText(16), "", optional=True)] = ""
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class _Message(Pdu, frozen=True, kw_only=True):
    service_type: Annotated[str, CText(6)] = ""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: Annotated[str, _ADDRESS]
    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: Annotated[str, _ADDRESS]
    esm_class: U8 = 0
    protocol_id: U8 = 0
    priority_flag: U8 = 0
    schedule_delivery_time: Annotated[str, CText(17)] = ""
    validity_period: Annotated[str, CText(17)] = ""
    registered_delivery: U8 = 0
    replace_if_present_flag: U8 = 0
    data_coding: U8 = 0
    sm_default_msg_id: U8 = 0
    short_message: Annotated[bytes, Sized(1, 254)] = b""
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class _MessageResp(Pdu, frozen=True, kw_only=True):
    message_id: Annotated[str, Spare(_MESSAGE_ID, "", optional=True)] = ""
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class BindReceiver(_Bind, frozen=True, kw_only=True):
    """Login to receive, with the password in clear."""

    command: ClassVar[int] = 0x01


class BindReceiverResp(_BindResp, frozen=True, kw_only=True):
    """The answer to bind_receiver; `status` 0: accepted, 0xE wrong password, 0xF unknown system_id."""

    command: ClassVar[int] = RESPONSE | 0x01


class BindTransmitter(_Bind, frozen=True, kw_only=True):
    """Login to send, with the password in clear."""

    command: ClassVar[int] = 0x02


class BindTransmitterResp(_BindResp, frozen=True, kw_only=True):
    """The answer to bind_transmitter; `status` as in `BindReceiverResp`."""

    command: ClassVar[int] = RESPONSE | 0x02


class QuerySm(Pdu, frozen=True, kw_only=True):
    """Asks for the state of a submitted message."""

    command: ClassVar[int] = 0x03
    message_id: Annotated[str, _MESSAGE_ID]
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: Annotated[str, _ADDRESS] = ""


class QuerySmResp(Pdu, frozen=True, kw_only=True):
    """The state of a submitted message."""

    command: ClassVar[int] = RESPONSE | 0x03
    message_id: Annotated[str, Spare(_MESSAGE_ID, "", optional=True)] = ""
    final_date: Annotated[str, Spare(CText(17), "", optional=True)] = ""
    message_state: Annotated[int, Spare(Int(1), 0, optional=True)] = 0
    error_code: Annotated[int, Spare(Int(1), 0, optional=True)] = 0
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class SubmitSm(_Message, frozen=True, kw_only=True):
    """One SMS part, or a longer text in the parameter message_payload."""

    command: ClassVar[int] = 0x04


class SubmitSmResp(_MessageResp, frozen=True, kw_only=True):
    """The centre's id of the message, which its receipt repeats. `status`: 0 accepted, 0x58 throttled."""

    command: ClassVar[int] = RESPONSE | 0x04


class DeliverSm(_Message, frozen=True, kw_only=True):
    """From the centre: a receipt (`receipt_of`) or a subscriber's message."""

    command: ClassVar[int] = 0x05


class DeliverSmResp(_MessageResp, frozen=True, kw_only=True):
    """The answer to deliver_sm; `status` 0: accepted. `message_id` stays empty."""

    command: ClassVar[int] = RESPONSE | 0x05


class Unbind(Pdu, frozen=True, kw_only=True):
    """The sender wants to close the connection."""

    command: ClassVar[int] = 0x06


class UnbindResp(Pdu, frozen=True, kw_only=True):
    """The peer agrees to close the connection."""

    command: ClassVar[int] = RESPONSE | 0x06


class ReplaceSm(Pdu, frozen=True, kw_only=True):
    """Replaces the text of a submitted message."""

    command: ClassVar[int] = 0x07
    message_id: Annotated[str, _MESSAGE_ID]
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: Annotated[str, _ADDRESS] = ""
    schedule_delivery_time: Annotated[str, CText(17)] = ""
    validity_period: Annotated[str, CText(17)] = ""
    registered_delivery: U8 = 0
    sm_default_msg_id: U8 = 0
    short_message: Annotated[bytes, Sized(1, 254)] = b""


class ReplaceSmResp(Pdu, frozen=True, kw_only=True):
    """The answer to replace_sm."""

    command: ClassVar[int] = RESPONSE | 0x07


class CancelSm(Pdu, frozen=True, kw_only=True):
    """Cancels a submitted message, or all from one sender to one recipient."""

    command: ClassVar[int] = 0x08
    service_type: Annotated[str, CText(6)] = ""
    message_id: Annotated[str, _MESSAGE_ID]
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: Annotated[str, _ADDRESS] = ""
    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: Annotated[str, _ADDRESS] = ""


class CancelSmResp(Pdu, frozen=True, kw_only=True):
    """The answer to cancel_sm."""

    command: ClassVar[int] = RESPONSE | 0x08


class BindTransceiver(_Bind, frozen=True, kw_only=True):
    """Login to send and receive, with the password in clear."""

    command: ClassVar[int] = 0x09


class BindTransceiverResp(_BindResp, frozen=True, kw_only=True):
    """The answer to bind_transceiver; `status` as in `BindReceiverResp`."""

    command: ClassVar[int] = RESPONSE | 0x09


class Outbind(Pdu, frozen=True, kw_only=True):
    """The centre asks an ESME to log in."""

    command: ClassVar[int] = 0x0B
    system_id: Annotated[str, CText(16)]
    password: Annotated[str, CText(9)]


class EnquireLink(Pdu, frozen=True, kw_only=True):
    """Asks whether the link is alive."""

    command: ClassVar[int] = 0x15


class EnquireLinkResp(Pdu, frozen=True, kw_only=True):
    """The link is alive."""

    command: ClassVar[int] = RESPONSE | 0x15


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient of submit_multi."""

    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: Annotated[str, _ADDRESS]


class DistributionList(msgspec.Struct, frozen=True, kw_only=True):
    """A list of recipients that the centre knows by name."""

    name: Annotated[str, _ADDRESS]


class Destination(Field):
    """A recipient or a list, behind the octet that says which."""

    kinds: ClassVar[dict[int, type[msgspec.Struct]]] = {1: Address, 2: DistributionList}
    _layouts: ClassVar[dict[int, Layout]] = {flag: Layout.of(kind) for flag, kind in kinds.items()}

    def pack(self, value: Any, name: str, source: object) -> bytes:
        flag = 1 if isinstance(value, Address) else 2
        return bytes((flag,)) + self._layouts[flag].pack(value)

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        flag = data[at] if at < len(data) else 0
        if flag not in self.kinds:
            raise FrameError(f"{name}: flag {flag}, 1 or 2 expected", at)
        values, end = self._layouts[flag].unpack(data, at + 1)
        return self.kinds[flag](**values), end

    def implausible(self, value: Any) -> str | None:
        return self._layouts[1 if isinstance(value, Address) else 2].implausible(value)


class SubmitMulti(Pdu, frozen=True, kw_only=True):
    """One SMS part to 1 to 254 recipients or lists."""

    command: ClassVar[int] = 0x21
    service_type: Annotated[str, CText(6)] = ""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: Annotated[str, _ADDRESS]
    destinations: Annotated[tuple[Address | DistributionList, ...], Counted(Destination(), 1, 254)]
    esm_class: U8 = 0
    protocol_id: U8 = 0
    priority_flag: U8 = 0
    schedule_delivery_time: Annotated[str, CText(17)] = ""
    validity_period: Annotated[str, CText(17)] = ""
    registered_delivery: U8 = 0
    replace_if_present_flag: U8 = 0
    data_coding: U8 = 0
    sm_default_msg_id: U8 = 0
    short_message: Annotated[bytes, Sized(1, 254)] = b""
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class Unsuccessful(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient that submit_multi could not be accepted for, and the status why."""

    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: Annotated[str, _ADDRESS]
    error: U32


class SubmitMultiResp(Pdu, frozen=True, kw_only=True):
    """The centre's id of the message, and the recipients that were refused."""

    command: ClassVar[int] = RESPONSE | 0x21
    message_id: Annotated[str, Spare(_MESSAGE_ID, "", optional=True)] = ""
    unsuccessful: Annotated[tuple[Unsuccessful, ...], Spare(Counted(Unsuccessful, 0, 255), (), optional=True)] = ()
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class AlertNotification(Pdu, frozen=True, kw_only=True):
    """A subscriber can be reached again."""

    command: ClassVar[int] = 0x102
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: Annotated[str, _LONG_ADDRESS]
    esme_addr_ton: U8 = 0
    esme_addr_npi: U8 = 0
    esme_addr: Annotated[str, _LONG_ADDRESS]
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class DataSm(Pdu, frozen=True, kw_only=True):
    """A message in either direction; its content is the parameter message_payload."""

    command: ClassVar[int] = 0x103
    service_type: Annotated[str, CText(6)] = ""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: Annotated[str, _LONG_ADDRESS]
    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: Annotated[str, _LONG_ADDRESS]
    esm_class: U8 = 0
    registered_delivery: U8 = 0
    data_coding: U8 = 0
    tlvs: Annotated[tuple[Tlv, ...], _TLVS] = ()


class DataSmResp(_MessageResp, frozen=True, kw_only=True):
    """The id of a message in data_sm."""

    command: ClassVar[int] = RESPONSE | 0x103


class GenericNack(Pdu, frozen=True, kw_only=True):
    """The peer could not read a message; `status` says why."""

    command: ClassVar[int] = RESPONSE


SMPP: Codec[Pdu] = Codec(
    "SMPP 3.4",
    Pdu,
    (
        BindReceiver,
        BindReceiverResp,
        BindTransmitter,
        BindTransmitterResp,
        QuerySm,
        QuerySmResp,
        SubmitSm,
        SubmitSmResp,
        DeliverSm,
        DeliverSmResp,
        Unbind,
        UnbindResp,
        ReplaceSm,
        ReplaceSmResp,
        CancelSm,
        CancelSmResp,
        BindTransceiver,
        BindTransceiverResp,
        Outbind,
        EnquireLink,
        EnquireLinkResp,
        SubmitMulti,
        SubmitMultiResp,
        AlertNotification,
        DataSm,
        DataSmResp,
        GenericNack,
    ),
    LONGEST,
)
Content = SubmitSm | DeliverSm | SubmitMulti | DataSm


def content_of(pdu: Content) -> bytes:
    """The content of a message: short_message or the parameter message_payload.

    Raises ProtocolError if it has both, or more than one payload: peers would read different texts.
    """
    short = b"" if isinstance(pdu, DataSm) else pdu.short_message
    found = [short] if short else []
    found += [octets for tag, octets in pdu.tlvs if tag == MESSAGE_PAYLOAD]
    if len(found) > 1:
        raise ProtocolError("more than one content: short_message and message_payload exclude each other")
    return found[0] if found else b""


def sar_of(pdu: Content) -> Concatenation | None:
    """The place of a part by the sar_ parameters; None if one is missing or the place is impossible."""
    found = [first(pdu.tlvs, tag) for tag in (SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER)]
    reference, total, number = (int.from_bytes(octets, "big") if octets else 0 for octets in found)
    return Concatenation(reference, total, number, width=2) if found[0] and 1 <= number <= total else None


def receipt_of(deliver: DeliverSm | DataSm) -> ReportText | None:
    """The delivery receipt; None if the message is not one. Id and state of the parameters go before the text's.

    Raises FrameError (offset in the content) if neither has a state.
    """
    if deliver.esm_class & 0x3C != RECEIPT:
        return None
    msg_id = (first(deliver.tlvs, RECEIPTED_MESSAGE_ID) or b"").split(b"\0", 1)[0]
    state = STATES.get(int.from_bytes(first(deliver.tlvs, MESSAGE_STATE) or b"", "big"), "")
    try:
        text = read_receipt(content_of(deliver))
    except FrameError:
        if not state:
            raise
        return ReportText(msg_id=msg_id, stat=state)
    return msgspec.structs.replace(text, msg_id=msg_id or text.msg_id, stat=state or text.stat)
