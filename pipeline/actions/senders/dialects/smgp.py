"""SMGP 3.0 (China Telecom)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
from pipeline.protocols import smgp
from pipeline.protocols.carried import carried
from pipeline.protocols.codec import Codec
from pipeline.protocols.due_time import time_text
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.text import TextPart
from pipeline.protocols.tlvs import Tlv

_BAD_STRUCTURE, _DUPLICATE = 10, 12
_NO_ROUTE, _SERVICE, _SOURCE, _CODE = 39, 43, 46, 49
_FORBIDDEN_TIME, _DAILY_VOLUME, _ACCOUNT_EXPIRED = 74, 75, 76
_SEQUENCE_AT = 8  # octets before the sequence number in a frame
_ID_AT, _ID_END = 12, 22


class SmgpDialect:
    """SMGP on one link."""

    codec: Codec[smgp.Pdu] = SMGP
    seven_bit = Alphabet.ASCII
    meanings: Mapping[int, Meaning] = {
        smgp.BUSY: Meaning.PAUSE,  # the nearest to "throttled" that SMGP has
        _DUPLICATE: Meaning.RETRY,
        **dict.fromkeys(
            (_NO_ROUTE, _SERVICE, _SOURCE, _CODE, _FORBIDDEN_TIME, _DAILY_VOLUME, _ACCOUNT_EXPIRED), Meaning.NEXT
        ),
    }

    def __init__(self, account: Account) -> None:
        self._account = account

    def login(self, at: datetime, sequence: int) -> Any:
        """See `Dialect`."""
        stamp = int(at.strftime("%m%d%H%M%S"))
        proof = smgp.authenticator_client(self._account.name, self._account.secret, stamp)
        return smgp.Login(sequence=sequence, client_id=self._account.name, authenticator=proof, timestamp=stamp)

    def login_result(self, pdu: Any) -> int | None:
        """See `Dialect`."""
        return pdu.status if isinstance(pdu, smgp.LoginResp) else None

    def answers_login(self, command: int) -> bool:
        """See `Dialect`."""
        return command == smgp.LoginResp.command

    def submit(self, text: TextPart, source: str, recipient: str, valid_until: datetime | None) -> bytes:
        """See `Dialect`."""
        place = (Tlv(smgp.PK_TOTAL, bytes((text.total,))), Tlv(smgp.PK_NUMBER, bytes((text.number,))))
        submit = smgp.Submit(
            sequence=0,
            service_id=self._account.service,
            msg_format=text.coding,
            valid_time=time_text(valid_until),
            src_term_id=source,
            recipients=(recipient,),
            content=text.content,
            tlvs=(Tlv(smgp.TP_UDHI, b"\1"), *place) if text.headed else (),
        )
        return self.codec.encode(submit)

    def numbered(self, frame: bytes, sequence: int, at: datetime) -> bytes:
        """See `Dialect`."""
        return frame[:_SEQUENCE_AT] + sequence.to_bytes(4, "big") + frame[_SEQUENCE_AT + 4 :]

    def event(self, pdu: Any) -> Event:
        """See `Dialect`."""
        if isinstance(pdu, smgp.SubmitResp):
            return Answered(pdu.sequence, pdu.msg_id.hex(), pdu.status)
        if isinstance(pdu, smgp.Deliver):
            return self._delivered(pdu)
        if isinstance(pdu, smgp.ActiveTest):
            return Asks(smgp.ActiveTestResp(sequence=pdu.sequence))
        if isinstance(pdu, smgp.Exit):
            return Closes(smgp.ExitResp(sequence=pdu.sequence))
        return Expected() if isinstance(pdu, smgp.ActiveTestResp | smgp.ExitResp) else Unexpected()

    def unreadable(self, frame: bytes, unknown: bool) -> tuple[Answered | None, Any | None]:
        """See `Dialect`. SMGP has an answer for a Deliver only."""
        command, head = SMGP.head(frame)
        ident = frame[_ID_AT:_ID_END]
        whole = len(ident) == _ID_END - _ID_AT
        if command == smgp.SubmitResp.command:
            return Answered(head.sequence, ident.hex() if whole and any(ident) else None, None), None
        if command == smgp.Deliver.command:
            ident = ident if whole else bytes(_ID_END - _ID_AT)
            return None, smgp.DeliverResp(sequence=head.sequence, msg_id=ident, status=_BAD_STRUCTURE)
        return None, None

    def test(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smgp.ActiveTest(sequence=sequence)

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smgp.Exit(sequence=sequence)

    def _delivered(self, deliver: smgp.Deliver) -> Delivered:
        def answer(status: int) -> Any:
            return smgp.DeliverResp(sequence=deliver.sequence, msg_id=deliver.msg_id, status=status)

        return delivered(lambda: _content(deliver), answer(0), answer(_BAD_STRUCTURE))


def _content(deliver: smgp.Deliver) -> Content:
    report = smgp.report_of(deliver)
    if report is not None:
        return StatusReport(report.msg_id.hex(), report.stat, deliver.dest_term_id, deliver.src_term_id)
    message = carried(deliver)
    if message is None:
        return None
    return SubscriberMessage(deliver.msg_id.hex(), deliver.src_term_id, deliver.dest_term_id, message)
