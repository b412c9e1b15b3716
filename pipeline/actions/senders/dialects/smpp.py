"""SMPP 3.4, as a transceiver."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from pipeline.actions.senders.answers import Meaning
from pipeline.actions.senders.dialects.dialect import (
    Account,
    Answered,
    Asks,
    Closes,
    Content,
    Delivered,
    Event,
    Expected,
    StatusReport,
    SubscriberMessage,
    Unexpected,
    delivered,
)
from pipeline.protocols import smpp
from pipeline.protocols.carried import carried
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.due_time import time_text
from pipeline.protocols.smpp import SMPP
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.text import TextPart

_UNKNOWN_COMMAND, _BAD_LENGTH = 0x03, 0x02
_REPORT_ALWAYS = 1
_ISDN = 1  # numbering plan of telephone numbers
_NOT_BOUND, _BAD_SOURCE, _BAD_SERVICE, _SUBMIT_FAILED = 0x04, 0x0A, 0x15, 0x45
_SEQUENCE_AT = 12  # octets before the sequence number in a frame


class SmppDialect:
    """SMPP on one link. `ascii`: coding 0 is ASCII, not the GSM alphabet.

    Some centres write the id of an answer in hex and that of its receipt in decimal: `decimal_receipts`. Case and
    leading zeros of ids do not count.
    """

    codec: Codec[smpp.Pdu] = SMPP
    meanings: Mapping[int, Meaning] = {
        smpp.THROTTLED: Meaning.PAUSE,
        smpp.QUEUE_FULL: Meaning.PAUSE,
        smpp.SYSTEM_ERROR: Meaning.RETRY,
        **dict.fromkeys((_NOT_BOUND, _BAD_SOURCE, _BAD_SERVICE, _SUBMIT_FAILED), Meaning.NEXT),
    }

    def __init__(self, account: Account, *, ascii_text: bool = False, decimal_receipts: bool = False) -> None:
        self._account, self._decimal = account, decimal_receipts
        self.seven_bit = Alphabet.ASCII if ascii_text else Alphabet.GSM7

    def login(self, at: datetime, sequence: int) -> Any:
        """See `Dialect`."""
        return smpp.BindTransceiver(
            sequence=sequence,
            system_id=self._account.name,
            password=self._account.secret.decode("latin-1"),
            system_type=self._account.system_type,
        )

    def login_result(self, pdu: Any) -> int | None:
        """See `Dialect`."""
        return pdu.status if isinstance(pdu, smpp.BindTransceiverResp | smpp.GenericNack) else None

    def answers_login(self, command: int) -> bool:
        """See `Dialect`."""
        return command == smpp.BindTransceiverResp.command

    def submit(self, text: TextPart, source: str, recipient: str, valid_until: datetime | None) -> bytes:
        """See `Dialect`."""
        submit = smpp.SubmitSm(
            sequence=0,
            service_type=self._account.service,
            source_addr_npi=_ISDN,
            source_addr=source,
            dest_addr_npi=_ISDN,
            destination_addr=recipient,
            esm_class=smpp.HEADED if text.headed else 0,
            validity_period=time_text(valid_until),
            registered_delivery=_REPORT_ALWAYS,
            data_coding=text.coding,
            short_message=text.content,
        )
        return self.codec.encode(submit)

    def numbered(self, frame: bytes, sequence: int, at: datetime) -> bytes:
        """See `Dialect`."""
        return frame[:_SEQUENCE_AT] + sequence.to_bytes(4, "big") + frame[_SEQUENCE_AT + 4 :]

    def event(self, pdu: Any) -> Event:
        """See `Dialect`."""
        if isinstance(pdu, smpp.SubmitSmResp | smpp.GenericNack):
            named = isinstance(pdu, smpp.SubmitSmResp) and pdu.status == smpp.OK
            carrier_id = (_plain(pdu.message_id) or None) if named else None  # type: ignore[union-attr]
            # Accepted without an id: its report cannot be told from others, so it is in doubt.
            return Answered(pdu.sequence, carrier_id, None if named and not carrier_id else pdu.status)
        if isinstance(pdu, smpp.DeliverSm | smpp.DataSm):
            return self._delivered(pdu)
        if isinstance(pdu, smpp.EnquireLink):
            return Asks(smpp.EnquireLinkResp(sequence=pdu.sequence))
        if isinstance(pdu, smpp.Unbind):
            return Closes(smpp.UnbindResp(sequence=pdu.sequence))
        return Expected() if isinstance(pdu, smpp.EnquireLinkResp | smpp.UnbindResp) else Unexpected()

    def unreadable(self, frame: bytes, unknown: bool) -> tuple[Answered | None, Any | None]:
        """See `Dialect`."""
        command, head = SMPP.head(frame)
        if command == smpp.SubmitSmResp.command:
            return Answered(head.sequence, None, head.status or None), None
        if command & RESPONSE:
            return None, None
        if command == smpp.DeliverSm.command:
            return None, smpp.DeliverSmResp(sequence=head.sequence, status=_BAD_LENGTH)
        status = _UNKNOWN_COMMAND if unknown else _BAD_LENGTH
        return None, smpp.GenericNack(sequence=head.sequence, status=status)

    def test(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smpp.EnquireLink(sequence=sequence)

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smpp.Unbind(sequence=sequence)

    def _delivered(self, deliver: smpp.DeliverSm | smpp.DataSm) -> Delivered:
        kind = smpp.DeliverSmResp if isinstance(deliver, smpp.DeliverSm) else smpp.DataSmResp
        taken = kind(sequence=deliver.sequence)
        return delivered(lambda: self._content(deliver), taken, kind(sequence=deliver.sequence, status=_BAD_LENGTH))

    def _content(self, deliver: smpp.DeliverSm | smpp.DataSm) -> Content:
        receipt = smpp.receipt_of(deliver)
        if receipt is not None:
            carrier_id = self._of_receipt(receipt.msg_id.decode("latin-1"))
            return StatusReport(carrier_id, receipt.stat, deliver.destination_addr, deliver.source_addr)
        message = carried(deliver)
        # SMPP gives a subscriber's message no id. One that the centre repeats is taken again.
        if message is None:
            return None
        return SubscriberMessage(uuid4().hex, deliver.source_addr, deliver.destination_addr, message)

    def _of_receipt(self, ident: str) -> str:
        return f"{int(ident):x}" if self._decimal and ident.isascii() and ident.isdecimal() else _plain(ident)


def _plain(ident: str) -> str:
    """An id without leading zeros, in lower case, no longer than we store."""
    return (ident.strip().lower().lstrip("0") or "0" * bool(ident.strip()))[:64]
