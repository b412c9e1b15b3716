"""SMPP towards ports: what peers of other versions get, and how requests are answered."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.ingest.links.dialect import Outcome
from pipeline.ingest.links.smpp_dialect import SmppDialect
from pipeline.protocols import smpp
from pipeline.protocols.smpp import SMPP
from pipeline.protocols.tlvs import Tlv


@pytest.mark.parametrize(
    ("version", "tlvs"), [(0x33, ()), (0x34, (Tlv(0x0210, b"\x34"),)), (0x50, (Tlv(0x0210, b"\x34"),))]
)
def test_peers_of_3_3_get_no_parameters(version: int, tlvs: tuple[Tlv, ...]) -> None:
    bind = smpp.BindReceiver(sequence=1, system_id="a", password="b", interface_version=version)
    answer = SmppDialect().admitted(bind, b"b")
    assert isinstance(answer, smpp.BindReceiverResp)
    assert answer.tlvs == tlvs


@pytest.mark.parametrize(
    ("submit", "answer"),
    [
        (smpp.SubmitSm(sequence=3, source_addr="1", destination_addr="2"), smpp.SubmitSmResp),
        (smpp.DataSm(sequence=3, source_addr="1", destination_addr="2"), smpp.DataSmResp),
        (
            smpp.SubmitMulti(sequence=3, source_addr="1", destinations=(smpp.Address(destination_addr="2"),)),
            smpp.SubmitMultiResp,
        ),
    ],
)
def test_each_request_has_its_answer(submit: Any, answer: type[smpp.Pdu]) -> None:
    dialect = SmppDialect()
    accepted = dialect.submitted(submit, Outcome.ACCEPTED, 0xAB)
    assert (type(accepted), accepted.message_id, accepted.sequence) == (answer, "00000000000000ab", 3)
    assert dialect.submitted(submit, Outcome.THROTTLED, 0).status == smpp.THROTTLED
    assert type(dialect.unreadable(SMPP.encode(submit), unknown=False)) is answer


def test_an_unreadable_answer_gets_none() -> None:
    assert SmppDialect().unreadable(SMPP.encode(smpp.UnbindResp(sequence=1)), unknown=False) is None
