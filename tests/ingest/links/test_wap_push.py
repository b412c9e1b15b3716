"""A WAP push from a port is screened by its text and link, and is sent as the push it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.job import Job
from pipeline.decision.configuration import default_policy, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import Outbound, Submission, Verdict
from pipeline.ingest.links.cmpp_dialect import CmppDialect
from pipeline.ingest.links.intake import Intake
from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.sms.alphabet import of_chinese_coding
from pipeline.protocols.sms.header import WAP_PUSH, Concatenation, write_header
from pipeline.protocols.sms.reassembly import Part, Reassembly
from pipeline.protocols.sms.short_message import short_message
from pipeline.protocols.sms.tpdu import Submit, read_tpdu
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.rules.words.dictionary import Dictionary
from tests.harness.links.memory_pipeline import SETTINGS, MemoryPipeline
from tests.ingest.links.test_account import account
from tests.ingest.links.test_intake import NOW, PORTS
from tests.protocols.sms.test_wap_push import SAMPLE

CHANNEL = Channel(name="default", host="127.0.0.1", port=7890, account="900001")
TEXT, LINK = "恭喜中奖", "http://wap.example.com/a?id=1"


def octets() -> bytes:
    """The published sample, without its user data header."""
    tpdu = read_tpdu(bytes.fromhex(SAMPLE)).tpdu
    assert isinstance(tpdu, Submit)
    return tpdu.data.message.content


def submission(cuts: int) -> Submission:
    """The push as a port submits it over CMPP, in one part or in two."""
    whole, pipeline = octets(), MemoryPipeline()
    pieces = [whole] if cuts == 1 else [whole[:40], whole[40:]]

    async def main() -> None:
        intake = Intake(pipeline, lambda: PORTS, SETTINGS, clock=lambda: NOW)
        for number, piece in enumerate(pieces, 1):
            pdu = cmpp.Submit(
                sequence=number,
                udhi=1,
                msg_fmt=4,
                msg_src="900001",
                src_id="10690001",
                recipients=("13800000001",),
                content=write_header(Concatenation(3, cuts, number), WAP_PUSH) + piece,
            )
            assert intake.take(pdu, account(), CmppDialect()) is not None

    asyncio.run(main())
    (sent,) = pipeline.sent
    return sent


@pytest.mark.parametrize("cuts", [1, 2])
def test_its_text_and_link_are_screened_and_its_octets_kept(cuts: int) -> None:
    sent = submission(cuts)
    assert (sent.content, sent.push) == (f"{TEXT} {LINK}", octets())


@pytest.mark.parametrize("cuts", [1, 2])
def test_it_is_stopped_when_its_link_is_listed(cuts: int) -> None:
    ports = Ports([Port(PortEntry(code="10690001"))])
    config = replace(load_directory(None), epoch=1, policy=parse_policy(default_policy()), ports=ports)

    def rules(words: str) -> set[str]:
        listed = replace(config, dictionary=Dictionary.parse(f"word,category,verdict,mode,near,unless\n{words},,,"))
        (outcome,) = screen([submission(cuts)], MemoryCounters(), listed, int(NOW * 1000))
        assert isinstance(outcome, Screened)
        return {reason.rule for reason in outcome.decision.reasons if reason.verdict is Verdict.REJECT}

    assert rules("wap.example.com/a,phishing,reject") - rules("another.example.com,phishing,reject")


def test_it_is_sent_as_the_push_it_was() -> None:
    sent = submission(1)
    job = Job(Outbound(submission=sent, recipients=sent.recipients, round=0, decided_at=0), "10690001", CHANNEL)
    message = job.next()
    assert message is not None
    reassembly = Reassembly()
    for part in message.todo:
        pdu = CMPP3.decode(part.frame)
        assert isinstance(pdu, cmpp.Submit)
        assert len(pdu.content) <= 140
        received = short_message(pdu.content, of_chinese_coding(pdu.msg_fmt), bool(pdu.udhi))
        assert received.place is not None
        closed = reassembly.take(
            Part(id="", port="", recipient="", place=received.place, message=received, at=0)
        ).closed
    (joined,) = closed
    assert joined.push is not None
    assert (joined.push.text, joined.push.link) == (TEXT, LINK)
