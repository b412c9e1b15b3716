"""SGIP 1.2 (China Unicom).

Our connection only submits. The gateway opens a connection of its own for reports and subscribers' messages
(`links/sgip_listener.py`). The sequence number of a SUBMIT is its id. There is no link test: the gateway closes an idle
connection, and the link logs in again.
"""

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
    Delivered,
    Event,
    Expected,
    StatusReport,
    SubscriberMessage,
    Unexpected,
)
from pipeline.protocols import sgip
from pipeline.protocols.carried import carried
from pipeline.protocols.codec import Codec
from pipeline.protocols.due_time import time_text
from pipeline.protocols.sgip import SGIP, SequenceNumber
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.text import TextPart

TO_GATEWAY = 1  # login type of a provider
_BAD_PARAMETER, _BAD_SEQUENCE = 5, 9
_SEQUENCE_AT, _SEQUENCE_END = 8, 20
_WORDS = {0: "DELIVRD", 1: "ACCEPTD"}  # states of a report


class SgipDialect:
    """SGIP on one link. `node` is the provider's number, 3, four digits of its area and five of its company."""

    codec: Codec[sgip.Pdu] = SGIP
    seven_bit = Alphabet.ASCII
    meanings: Mapping[int, Meaning] = {
        sgip.BUSY: Meaning.PAUSE,
        sgip.THROTTLED: Meaning.PAUSE,
        _BAD_SEQUENCE: Meaning.RETRY,
    }

    def __init__(self, account: Account, node: int) -> None:
        self._account, self._node = account, node
        self._company = f"{node:010d}"[-5:]

    def login(self, at: datetime, sequence: int) -> Any:
        """See `Dialect`."""
        return sgip.Bind(
            sequence=self._sequence(sequence, at),
            login_type=TO_GATEWAY,
            login_name=self._account.name,
            login_password=self._account.secret.decode("latin-1"),
        )

    def login_result(self, pdu: Any) -> int | None:
        """See `Dialect`."""
        return pdu.result if isinstance(pdu, sgip.BindResp) else None

    def answers_login(self, command: int) -> bool:
        """See `Dialect`."""
        return command == sgip.BindResp.command

    def submit(self, text: TextPart, source: str, recipient: str, valid_until: datetime | None) -> bytes:
        """See `Dialect`."""
        submit = sgip.Submit(
            sequence=bytes(12),
            sp_number=source,
            users=(recipient,),
            corp_id=self._company,
            service_type=self._account.service,
            expire_time=time_text(valid_until),
            udhi=int(text.headed),
            coding=text.coding,
            content=text.content,
        )
        return self.codec.encode(submit)

    def numbered(self, frame: bytes, sequence: int, at: datetime) -> bytes:
        """See `Dialect`."""
        return frame[:_SEQUENCE_AT] + self._sequence(sequence, at) + frame[_SEQUENCE_END:]

    def event(self, pdu: Any) -> Event:
        """See `Dialect`."""
        if isinstance(pdu, sgip.SubmitResp):
            return Answered(SequenceNumber.of(pdu.sequence).counter, pdu.sequence.hex(), pdu.result)
        if isinstance(pdu, sgip.Report):
            word = _WORDS.get(pdu.state) or f"SG:{pdu.error_code:04d}"
            report = StatusReport(pdu.submit_sequence.hex(), word, "", pdu.user_number)
            return Delivered(report, sgip.ReportResp(sequence=pdu.sequence, result=0), None)
        if isinstance(pdu, sgip.Deliver):
            message = carried(pdu)
            content = (
                SubscriberMessage(pdu.sequence.hex(), pdu.user_number, pdu.sp_number, message) if message else None
            )
            taken, refused = (sgip.DeliverResp(sequence=pdu.sequence, result=n) for n in (0, _BAD_PARAMETER))
            return Delivered(content, taken, refused)
        if isinstance(pdu, sgip.UserRpt):
            return Asks(sgip.UserRptResp(sequence=pdu.sequence, result=0))
        if isinstance(pdu, sgip.Unbind):
            return Closes(sgip.UnbindResp(sequence=pdu.sequence))
        return Expected() if isinstance(pdu, sgip.UnbindResp) else Unexpected()

    def unreadable(self, frame: bytes, unknown: bool) -> tuple[Answered | None, Any | None]:
        """See `Dialect`."""
        command, head = SGIP.head(frame)
        if command == sgip.SubmitResp.command:
            return Answered(SequenceNumber.of(head.sequence).counter, head.sequence.hex(), None), None
        for request, answer in ((sgip.Deliver, sgip.DeliverResp), (sgip.Report, sgip.ReportResp)):
            if command == request.command:
                return None, answer(sequence=head.sequence, result=_BAD_PARAMETER)
        return None, None

    def test(self, sequence: int) -> None:
        """See `Dialect`: there is none."""

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return sgip.Unbind(sequence=SequenceNumber(self._node, 0, sequence).octets())

    def _sequence(self, sequence: int, at: datetime) -> bytes:
        stamp = ((at.month * 100 + at.day) * 100 + at.hour) * 10_000 + at.minute * 100 + at.second
        return SequenceNumber(self._node, stamp, sequence).octets()
