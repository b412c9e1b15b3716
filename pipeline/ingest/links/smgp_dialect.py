"""SMGP 3.0 as a session speaks it to a port."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from pipeline.actions.status.link_deliveries import Reply, Report
from pipeline.ingest.links.account import Refusal
from pipeline.ingest.links.dialect import Kind, Login, Outcome
from pipeline.protocols import smgp
from pipeline.protocols.codec import Codec
from pipeline.protocols.report_text import ReportText, of_word, write_report
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.tlvs import Tlv

_KINDS: dict[type[smgp.Pdu], Kind] = {
    smgp.Login: Kind.LOGIN,
    smgp.Submit: Kind.SUBMIT,
    smgp.DeliverResp: Kind.DELIVERED,
    smgp.ActiveTest: Kind.TEST,
    smgp.ActiveTestResp: Kind.TEST_ANSWER,
    smgp.Exit: Kind.END,
    smgp.ExitResp: Kind.END_ANSWER,
}
_REFUSAL = {Refusal.PROOF: 21, Refusal.ADDRESS: 20, Refusal.LINKS: 2, Refusal.VERSION: 22, Refusal.LOCKED: 1}
_STATUS = {
    Outcome.ACCEPTED: 0,
    Outcome.THROTTLED: smgp.BUSY,
    Outcome.MALFORMED: 10,
    Outcome.NOT_LOGGED_IN: 11,
    Outcome.REFUSED: 128,  # the first of the numbers that are left to vendors
}
_NO_ID = bytes(10)


class SmgpDialect:
    """SMGP on one connection."""

    name = "smgp"
    codec: Codec[smgp.Pdu] = SMGP

    def kind(self, pdu: Any) -> Kind:
        """See `Dialect`."""
        return _KINDS.get(type(pdu), Kind.OTHER)

    def login(self, pdu: Any) -> Login:
        """See `Dialect`."""

        def proves(secret: bytes) -> bool:
            return compare_digest(smgp.authenticator_client(pdu.client_id, secret, pdu.timestamp), pdu.authenticator)

        return Login(pdu.client_id, proves, pdu.version >> 4 == smgp.VERSION >> 4, receives=pdu.login_mode != 0)

    def admitted(self, pdu: Any, secret: bytes) -> Any:
        """See `Dialect`."""
        proof = smgp.authenticator_server(0, pdu.authenticator, secret)
        return smgp.LoginResp(sequence=pdu.sequence, status=0, authenticator=proof)

    def refused(self, pdu: Any, refusal: Refusal) -> Any:
        """See `Dialect`."""
        return smgp.LoginResp(sequence=pdu.sequence, status=_REFUSAL[refusal], authenticator=bytes(16))

    def parts(self, pdu: Any) -> int:
        """See `Dialect`."""
        return len(pdu.recipients)

    def submitted(self, pdu: Any, outcome: Outcome, msg_id: int) -> Any:
        """See `Dialect`."""
        return smgp.SubmitResp(sequence=pdu.sequence, msg_id=_id(msg_id), status=_STATUS[outcome])

    def report_id(self, pdu: Any, msg_id: int) -> str:
        """See `Dialect`."""
        return f"{msg_id:016x}"

    def delivery(self, content: Report | Reply) -> Any:
        """See `Dialect`."""
        if isinstance(content, Reply):
            return smgp.Deliver(
                sequence=0,
                msg_id=_id(int(content.id, 16)),
                is_report=0,
                msg_format=content.coding,
                src_term_id=content.subscriber,
                dest_term_id=content.to,
                content=content.content,
                tlvs=(Tlv(smgp.TP_UDHI, b"\1"),) if content.headed else (),
            )
        msg_id = _id(int(content.id, 16))
        stat, error = of_word(content.status)
        text = ReportText(msg_id=msg_id, stat=stat, submit_time=content.submitted, done_time=content.done, error=error)
        return smgp.Deliver(
            sequence=0,
            msg_id=msg_id,
            is_report=1,
            msg_format=0,
            receive_time=f"20{content.done}00",
            src_term_id=content.recipient,
            dest_term_id=content.sender,
            content=write_report(text),
        )

    def unreadable(self, frame: bytes, unknown: bool) -> Any | None:
        """See `Dialect`. SMGP has an answer for a Submit only."""
        command, head = SMGP.head(frame)
        if command != smgp.Submit.command:
            return None
        return smgp.SubmitResp(sequence=head.sequence, msg_id=_NO_ID, status=_STATUS[Outcome.MALFORMED])

    def test(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smgp.ActiveTest(sequence=sequence)

    def test_answer(self, pdu: Any) -> Any:
        """See `Dialect`."""
        return smgp.ActiveTestResp(sequence=pdu.sequence)

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smgp.Exit(sequence=sequence)

    def end_answer(self, pdu: Any) -> Any:
        """See `Dialect`."""
        return smgp.ExitResp(sequence=pdu.sequence)

    def accepted(self, pdu: Any) -> bool:
        """See `Dialect`."""
        return bool(pdu.status == 0)


def _id(msg_id: int) -> bytes:
    """An id of ours as ten octets of decimal digits, two an octet, which 64 bits just fit."""
    return bytes.fromhex(f"{msg_id:020d}")
