"""SGIP 1.2 as a session speaks it to a port.

Over the port's own connection it only submits; reports and replies go over a connection that we open to it
(`sgip_caller.py`). The protocol has no link test, so an idle connection is closed; the port opens another.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from pipeline.actions.status.link_deliveries import Reply, Report
from pipeline.ingest.links.account import Refusal
from pipeline.ingest.links.dialect import Kind, Login, Outcome
from pipeline.protocols import sgip
from pipeline.protocols.codec import Codec
from pipeline.protocols.report_text import of_word
from pipeline.protocols.sgip import SGIP, SequenceNumber

_KINDS: dict[type[sgip.Pdu], Kind] = {
    sgip.Bind: Kind.LOGIN,
    sgip.Submit: Kind.SUBMIT,
    sgip.DeliverResp: Kind.DELIVERED,
    sgip.ReportResp: Kind.DELIVERED,
    sgip.Unbind: Kind.END,
    sgip.UnbindResp: Kind.END_ANSWER,
}
_TO_SUBMIT = (1, 11)  # login types of a provider, and of a test
_REFUSAL = {Refusal.PROOF: 1, Refusal.ADDRESS: 1, Refusal.LINKS: 3, Refusal.VERSION: 4, Refusal.LOCKED: 1}
_RESULT = {
    Outcome.ACCEPTED: 0,
    Outcome.THROTTLED: sgip.BUSY,
    Outcome.MALFORMED: 5,
    Outcome.NOT_LOGGED_IN: 1,
    Outcome.REFUSED: 99,
}
_DELIVERED, _FAILED = 0, 2
_UNREACHABLE = 21  # error code of a report
_OURS = 100  # error codes above it are the numbers of our own words, AS:0001 and on
NODE = 1


class SgipDialect:
    """SGIP on one connection."""

    name = "sgip"
    codec: Codec[sgip.Pdu] = SGIP

    def kind(self, pdu: Any) -> Kind:
        """See `Dialect`."""
        return _KINDS.get(type(pdu), Kind.OTHER)

    def login(self, pdu: Any) -> Login:
        """See `Dialect`."""

        def proves(secret: bytes) -> bool:
            return compare_digest(pdu.login_password.encode("latin-1"), secret)

        return Login(pdu.login_name, proves, pdu.login_type in _TO_SUBMIT, receives=False)

    def admitted(self, pdu: Any, secret: bytes) -> Any:
        """See `Dialect`."""
        return sgip.BindResp(sequence=pdu.sequence, result=0)

    def refused(self, pdu: Any, refusal: Refusal) -> Any:
        """See `Dialect`."""
        return sgip.BindResp(sequence=pdu.sequence, result=_REFUSAL[refusal])

    def parts(self, pdu: Any) -> int:
        """See `Dialect`."""
        return len(pdu.users)

    def submitted(self, pdu: Any, outcome: Outcome, msg_id: int) -> Any:
        """See `Dialect`. The port's own sequence number is the id."""
        return sgip.SubmitResp(sequence=pdu.sequence, result=_RESULT[outcome])

    def report_id(self, pdu: Any, msg_id: int) -> str:
        """See `Dialect`."""
        return str(pdu.sequence.hex())

    def delivery(self, content: Report | Reply) -> Any:
        """See `Dialect`."""
        if isinstance(content, Reply):
            return sgip.Deliver(
                sequence=bytes(12),
                user_number=_with_country(content.subscriber),
                sp_number=content.to,
                udhi=int(content.headed),
                coding=content.coding,
                content=content.content,
            )
        stat, error = of_word(content.status)
        code = 0 if stat == "DELIVRD" else _OURS + int(error) % 100 if content.status[:3] == "AS:" else _UNREACHABLE
        return sgip.Report(
            sequence=bytes(12),
            submit_sequence=bytes.fromhex(content.id),
            user_number=_with_country(content.recipient),
            state=_DELIVERED if stat == "DELIVRD" else _FAILED,
            error_code=code,
        )

    def unreadable(self, frame: bytes, unknown: bool) -> Any | None:
        """See `Dialect`. Only a SUBMIT gets an answer."""
        command, head = SGIP.head(frame)
        if command != sgip.Submit.command:
            return None
        return sgip.SubmitResp(sequence=head.sequence, result=_RESULT[Outcome.MALFORMED])

    def test(self, sequence: int) -> None:
        """See `Dialect`: there is none."""

    def test_answer(self, pdu: Any) -> Any:
        """See `Dialect`. Raises TypeError: no PDU of SGIP is a link test."""
        raise TypeError(type(pdu).__name__)

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return sgip.Unbind(sequence=SequenceNumber(NODE, 0, sequence).octets())

    def end_answer(self, pdu: Any) -> Any:
        """See `Dialect`."""
        return sgip.UnbindResp(sequence=pdu.sequence)

    def accepted(self, pdu: Any) -> bool:
        """See `Dialect`."""
        return bool(pdu.result == 0)


def _with_country(number: str) -> str:
    """A mainland mobile number with the 86 that SGIP asks for."""
    return f"86{number}" if len(number) == 11 and number.startswith("1") else number
