"""CMPP 2.0 and 3.0 as a session speaks it to a port."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from pipeline.actions.status.link_deliveries import Reply, Report
from pipeline.ingest.links.account import Refusal
from pipeline.ingest.links.dialect import Kind, Login, Outcome
from pipeline.ingest.links.message_ids import nth
from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP2, CMPP3
from pipeline.protocols.codec import Codec

_KINDS: dict[type[cmpp.Pdu], Kind] = {
    cmpp.Connect: Kind.LOGIN,
    cmpp.Submit: Kind.SUBMIT,
    cmpp.DeliverResp: Kind.DELIVERED,
    cmpp.ActiveTest: Kind.TEST,
    cmpp.ActiveTestResp: Kind.TEST_ANSWER,
    cmpp.Terminate: Kind.END,
    cmpp.TerminateResp: Kind.END_ANSWER,
}
_STATUS = {Refusal.PROOF: 3, Refusal.ADDRESS: 2, Refusal.LINKS: 5, Refusal.VERSION: 4, Refusal.LOCKED: 5}
_RESULT = {
    Outcome.ACCEPTED: 0,
    Outcome.THROTTLED: cmpp.THROTTLED,
    Outcome.MALFORMED: cmpp.BAD_STRUCTURE,
    Outcome.NOT_LOGGED_IN: 2,
    Outcome.REFUSED: 9,
}
_WIDTH = 6  # octets of an account


class CmppDialect:
    """CMPP on one connection. It begins in 3.0, whose CONNECT is that of 2.0, and goes on in the client's version."""

    name = "cmpp"

    def __init__(self) -> None:
        self.codec: Codec[cmpp.Pdu] = CMPP3

    def kind(self, pdu: Any) -> Kind:
        """See `Dialect`."""
        return _KINDS.get(type(pdu), Kind.OTHER)

    def login(self, pdu: Any) -> Login:
        """See `Dialect`. Some clients pad a short account with NUL in their proof."""
        if pdu.version < cmpp.VERSION:
            self.codec = CMPP2

        def proves(secret: bytes) -> bool:
            names = (pdu.source_addr, pdu.source_addr.ljust(_WIDTH, "\0"))
            proofs = [cmpp.authenticator_source(name, secret, pdu.timestamp) for name in names]
            return any(compare_digest(proof, pdu.authenticator) for proof in proofs)

        return Login(pdu.source_addr, proves, pdu.version >> 4 in (1, 2, 3), receives=True)

    def admitted(self, pdu: Any, secret: bytes) -> Any:
        """See `Dialect`."""
        proof = cmpp.authenticator_ismg(0, pdu.authenticator, secret, self.codec)
        return cmpp.ConnectResp(sequence=pdu.sequence, status=0, authenticator=proof, version=self._version)

    def refused(self, pdu: Any, refusal: Refusal) -> Any:
        """See `Dialect`."""
        return cmpp.ConnectResp(
            sequence=pdu.sequence, status=_STATUS[refusal], authenticator=bytes(16), version=self._version
        )

    def parts(self, pdu: Any) -> int:
        """See `Dialect`."""
        return len(pdu.recipients)

    def submitted(self, pdu: Any, outcome: Outcome, msg_id: int) -> Any:
        """See `Dialect`."""
        return cmpp.SubmitResp(sequence=pdu.sequence, msg_id=msg_id, result=_RESULT[outcome])

    def report_id(self, pdu: Any, msg_id: int) -> str:
        """See `Dialect`."""
        return f"{msg_id:016x}"

    def delivery(self, content: Report | Reply) -> Any:
        """See `Dialect`. Each recipient has an id of its own."""
        if isinstance(content, Reply):
            return cmpp.Deliver(
                sequence=0,
                msg_id=int(content.id, 16),
                dest_id=content.to,
                msg_fmt=content.coding,
                udhi=int(content.headed),
                src_terminal_id=content.subscriber,
                registered_delivery=0,
                content=content.content,
            )
        msg_id = nth(int(content.id, 16), content.n)
        status = cmpp.StatusReport(
            msg_id=msg_id,
            stat=content.status,
            submit_time=content.submitted,
            done_time=content.done,
            recipient=content.recipient,
        )
        return cmpp.Deliver(
            sequence=0,
            msg_id=msg_id,
            dest_id=content.sender,
            msg_fmt=0,
            src_terminal_id=content.recipient,
            registered_delivery=1,
            content=cmpp.encode_report(status, self.codec),
        )

    def unreadable(self, frame: bytes, unknown: bool) -> Any | None:
        """See `Dialect`. CMPP has an answer for a SUBMIT only."""
        head = cmpp.head_of(frame)
        if head.command != cmpp.Submit.command:
            return None
        return cmpp.SubmitResp(sequence=head.sequence, msg_id=0, result=cmpp.BAD_STRUCTURE)

    def test(self, sequence: int) -> Any:
        """See `Dialect`."""
        return cmpp.ActiveTest(sequence=sequence)

    def test_answer(self, pdu: Any) -> Any:
        """See `Dialect`."""
        return cmpp.ActiveTestResp(sequence=pdu.sequence)

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return cmpp.Terminate(sequence=sequence)

    def end_answer(self, pdu: Any) -> Any:
        """See `Dialect`."""
        return cmpp.TerminateResp(sequence=pdu.sequence)

    def accepted(self, pdu: Any) -> bool:
        """See `Dialect`."""
        return bool(pdu.result == 0)

    @property
    def _version(self) -> int:
        return 0x20 if self.codec is CMPP2 else cmpp.VERSION
