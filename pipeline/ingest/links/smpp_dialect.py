"""SMPP as a session speaks it to a port."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from pipeline.actions.status.link_deliveries import Reply, Report
from pipeline.ingest.links.account import Refusal
from pipeline.ingest.links.dialect import Kind, Login, Outcome
from pipeline.protocols import smpp
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.report_text import of_word
from pipeline.protocols.smpp import SMPP
from pipeline.protocols.tlvs import Tlv

_BINDS: dict[type[smpp.Pdu], type[smpp.Pdu]] = {
    smpp.BindReceiver: smpp.BindReceiverResp,
    smpp.BindTransmitter: smpp.BindTransmitterResp,
    smpp.BindTransceiver: smpp.BindTransceiverResp,
}
_SUBMITS: dict[type[smpp.Pdu], type[smpp.Pdu]] = {
    smpp.SubmitSm: smpp.SubmitSmResp,
    smpp.SubmitMulti: smpp.SubmitMultiResp,
    smpp.DataSm: smpp.DataSmResp,
}
_KINDS: dict[type[smpp.Pdu], Kind] = {
    **dict.fromkeys(_BINDS, Kind.LOGIN),
    **dict.fromkeys(_SUBMITS, Kind.SUBMIT),
    smpp.DeliverSmResp: Kind.DELIVERED,
    smpp.EnquireLink: Kind.TEST,
    smpp.EnquireLinkResp: Kind.TEST_ANSWER,
    smpp.Unbind: Kind.END,
    smpp.UnbindResp: Kind.END_ANSWER,
}
_REFUSAL = dict.fromkeys(Refusal, 0x0D) | {Refusal.PROOF: 0x0E}
_STATUS = {
    Outcome.ACCEPTED: smpp.OK,
    Outcome.THROTTLED: smpp.THROTTLED,
    Outcome.MALFORMED: 0x02,  # ESME_RINVCMDLEN
    Outcome.NOT_LOGGED_IN: 0x04,  # ESME_RINVBNDSTS
    Outcome.REFUSED: 0x45,  # ESME_RSUBMITFAIL
}
_UNKNOWN_COMMAND = 0x03
_STATES = {word: state for state, word in smpp.STATES.items()}
_ASCII = 1  # data_coding 0 is the GSM alphabet
_INTERFACE_VERSION = 0x0210


class SmppDialect:
    """SMPP on one connection."""

    name = "smpp"
    codec: Codec[smpp.Pdu] = SMPP

    def __init__(self) -> None:
        self._parameters = True  # whether the peer knows optional parameters

    def kind(self, pdu: Any) -> Kind:
        """See `Dialect`."""
        return _KINDS.get(type(pdu), Kind.OTHER)

    def login(self, pdu: Any) -> Login:
        """See `Dialect`."""

        def proves(secret: bytes) -> bool:
            return compare_digest(pdu.password.encode("latin-1"), secret)

        return Login(pdu.system_id, proves, True, receives=not isinstance(pdu, smpp.BindTransmitter))

    def admitted(self, pdu: Any, secret: bytes) -> Any:
        """See `Dialect`. Peers of 3.3 get no parameter."""
        self._parameters = pdu.interface_version >= smpp.VERSION
        tlvs = (Tlv(_INTERFACE_VERSION, bytes((smpp.VERSION,))),) if self._parameters else ()
        return _BINDS[type(pdu)](sequence=pdu.sequence, system_id="antispam", tlvs=tlvs)  # type: ignore[call-arg]

    def refused(self, pdu: Any, refusal: Refusal) -> Any:
        """See `Dialect`."""
        return _BINDS[type(pdu)](sequence=pdu.sequence, status=_REFUSAL[refusal])

    def parts(self, pdu: Any) -> int:
        """See `Dialect`."""
        return len(pdu.destinations) if isinstance(pdu, smpp.SubmitMulti) else 1

    def submitted(self, pdu: Any, outcome: Outcome, msg_id: int) -> Any:
        """See `Dialect`."""
        ident = f"{msg_id:016x}" if outcome is Outcome.ACCEPTED else ""
        return _SUBMITS[type(pdu)](sequence=pdu.sequence, status=_STATUS[outcome], message_id=ident)  # type: ignore[call-arg]

    def report_id(self, pdu: Any, msg_id: int) -> str:
        """See `Dialect`."""
        return f"{msg_id:016x}"

    def delivery(self, content: Report | Reply) -> Any:
        """See `Dialect`. All recipients of one submission have its id."""
        if isinstance(content, Reply):
            return smpp.DeliverSm(
                sequence=0,
                source_addr_npi=1,
                source_addr=content.subscriber,
                dest_addr_npi=1,
                destination_addr=content.to,
                esm_class=smpp.HEADED if content.headed else 0,
                data_coding=content.coding or _ASCII,
                short_message=content.content,
            )
        stat, error = of_word(content.status)
        delivered = int(stat == "DELIVRD")
        text = (
            f"id:{content.id} sub:001 dlvrd:{delivered:03d} submit date:{content.submitted} done date:{content.done} "
            f"stat:{stat} err:{error} text:"
        )
        tlvs = (
            Tlv(smpp.RECEIPTED_MESSAGE_ID, content.id.encode() + b"\0"),
            Tlv(smpp.MESSAGE_STATE, bytes((_STATES.get(stat, _STATES["UNDELIV"]),))),
        )
        return smpp.DeliverSm(
            sequence=0,
            source_addr_npi=1,
            source_addr=content.recipient,
            dest_addr_npi=1,
            destination_addr=content.sender,
            esm_class=smpp.RECEIPT,
            short_message=text.encode("latin-1"),
            tlvs=tlvs if self._parameters else (),
        )

    def unreadable(self, frame: bytes, unknown: bool) -> Any | None:
        """See `Dialect`. An unreadable response gets no answer."""
        command, head = SMPP.head(frame)
        if command & RESPONSE:
            return None
        status = _UNKNOWN_COMMAND if unknown else _STATUS[Outcome.MALFORMED]
        for submit, answer in _SUBMITS.items():
            if submit.command == command:
                return answer(sequence=head.sequence, status=status)
        return smpp.GenericNack(sequence=head.sequence, status=status)

    def test(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smpp.EnquireLink(sequence=sequence)

    def test_answer(self, pdu: Any) -> Any:
        """See `Dialect`."""
        return smpp.EnquireLinkResp(sequence=pdu.sequence)

    def end(self, sequence: int) -> Any:
        """See `Dialect`."""
        return smpp.Unbind(sequence=sequence)

    def end_answer(self, pdu: Any) -> Any:
        """See `Dialect`."""
        return smpp.UnbindResp(sequence=pdu.sequence)

    def accepted(self, pdu: Any) -> bool:
        """See `Dialect`."""
        return bool(pdu.status == smpp.OK)
