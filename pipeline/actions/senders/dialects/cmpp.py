"""CMPP 2.0 and 3.0 (China Mobile)."""

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
from pipeline.protocols import cmpp
from pipeline.protocols.carried import carried
from pipeline.protocols.cmpp import CMPP2
from pipeline.protocols.codec import Codec
from pipeline.protocols.due_time import time_text
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.text import TextPart

_FEE, _SERVICE, _NOT_SERVED, _SOURCE, _ACCOUNT = 5, 7, 9, 10, 11  # results that concern this channel, not the message
_DUPLICATE = 3


class CmppDialect:
    """CMPP on one link, in the version of `codec`."""

    seven_bit = Alphabet.ASCII
    meanings: Mapping[int, Meaning] = {
        cmpp.THROTTLED: Meaning.PAUSE,
        _DUPLICATE: Meaning.RETRY,
        **dict.fromkeys((_FEE, _SERVICE, _NOT_SERVED, _SOURCE, _ACCOUNT), Meaning.NEXT),
    }

    def __init__(self, account: Account, codec: Codec[cmpp.Pdu]) -> None:
        self._account, self.codec = account, codec
        self._version = 0x20 if codec is CMPP2 else cmpp.VERSION

    def login(self, at: datetime, sequence: int) -> Any:
        """See `Dialect`."""
        stamp = int(at.strftime("%m%d%H%M%S"))
        name = self._account.name
        proof = cmpp.authenticator_source(name, self._account.secret, stamp)
        return cmpp.Connect(
            sequence=sequence, source_addr=name, authenticator=proof, version=self._version, timestamp=stamp
        )

    def login_result(self, pdu: Any) -> int | None:
        """See `Dialect`."""
        return pdu.status if isinstance(pdu, cmpp.ConnectResp) else None

    def answers_login(self, command: int) -> bool:
        """See `Dialect`."""
        return command == cmpp.ConnectResp.command

    def submit(self, text: TextPart, source: str, recipient: str, valid_until: datetime | None) -> bytes:
        """See `Dialect`."""
        submit = cmpp.Submit(
            sequence=0,
            pk_total=text.total,
            pk_number=text.number,
            udhi=int(text.headed),
            msg_fmt=text.coding,
            service_id=self._account.service,
            msg_src=self._account.name,
            valid_time=time_text(valid_until),
            src_id=source,
            recipients=(recipient,),
            content=text.content,
        )
        return self.codec.encode(submit)

    def numbered(self, frame: bytes, sequence: int, at: datetime) -> bytes:
        """See `Dialect`."""
        return cmpp.with_sequence(frame, sequence)

    def event(self, pdu: Any) -> Event:
        """See `Dialect`."""
        if isinstance(pdu, cmpp.SubmitResp):
            return Answered(pdu.sequence, f"{pdu.msg_id:016x}", pdu.result)
        if isinstance(pdu, cmpp.Deliver):
            return self._delivered(pdu)
        if isinstance(pdu, cmpp.ActiveTest):
            return Asks(cmpp.ActiveTestResp(sequence=pdu.sequence))
        if isinstance(pdu, cmpp.Terminate):
            return Closes(cmpp.TerminateResp(sequence=pdu.sequence))
        return Expected() if isinstance(pdu, cmpp.ActiveTestResp | cmpp.TerminateResp) else Unexpected()

    def unreadable(self, frame: bytes, unknown: bool) -> tuple[Answered | None, Any | None]:
        """See `Dialect`. CMPP has an answer for a DELIVER only."""
        head = cmpp.head_of(frame)
        if head.command == cmpp.SubmitResp.command:
            return Answered(head.sequence, f"{head.msg_id:016x}" if head.msg_id else None, None), None
        if head.command == cmpp.Deliver.command:
            return None, cmpp.DeliverResp(sequence=head.sequence, msg_id=head.msg_id, result=cmpp.BAD_STRUCTURE)
        return None, None

    def test(self, sequence: int) -> Any:
        """See `Dialect`."""
        return cmpp.ActiveTest(sequence=sequence)

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return cmpp.Terminate(sequence=sequence)

    def _delivered(self, deliver: cmpp.Deliver) -> Delivered:
        def answer(result: int) -> Any:
            return cmpp.DeliverResp(sequence=deliver.sequence, msg_id=deliver.msg_id, result=result)

        return delivered(lambda: _content(deliver), answer(0), answer(cmpp.BAD_STRUCTURE))


def _content(deliver: cmpp.Deliver) -> Content:
    report = cmpp.report_of(deliver)
    if report is not None:
        recipient = report.recipient or deliver.src_terminal_id
        return StatusReport(f"{report.msg_id:016x}", report.stat, deliver.dest_id, recipient)
    message = carried(deliver)
    if message is None:
        return None
    return SubscriberMessage(f"{deliver.msg_id:016x}", deliver.src_terminal_id, deliver.dest_id, message)
