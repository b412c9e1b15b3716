"""A port over SGIP: it submits over its own connection, and we deliver over ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from pipeline.actions.status.link_deliveries import Reply, Waiting
from pipeline.actions.tracing.subject import Subject, Trace
from pipeline.events import Origin
from pipeline.ingest.links.sgip_dialect import SgipDialect
from pipeline.protocols import sgip
from pipeline.protocols.sgip import SGIP
from tests.ingest.links.test_server import REPORT, Stage, play, until

SEQUENCE = sgip.SequenceNumber(3037196688, 1121143005, 7).octets()


def submit(**fields: Any) -> sgip.Submit:
    values: dict[str, Any] = {"sequence": SEQUENCE, "sp_number": "10690001", "users": ("8613800000001",)}
    values |= {"corp_id": "12345", "coding": 8, "content": "您好".encode("utf-16-be"), "report_flag": 1}
    return sgip.Submit(**(values | fields))


class Provider:
    """The port's own server: what we sent it. It answers with `result`, and a login with 0."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.logins: list[sgip.Bind] = []
        self.result: int | None = 0  # None: no answer, and the connection is closed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = SGIP.frames()
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                pdu: Any = SGIP.decode(frame)
                if isinstance(pdu, sgip.Bind):
                    self.logins.append(pdu)
                    writer.write(SGIP.encode(sgip.BindResp(sequence=pdu.sequence, result=0)))
                    continue
                self.taken.append(pdu)
                if self.result is None:
                    self.result = 0
                    writer.close()
                    return
                answer = sgip.ReportResp if isinstance(pdu, sgip.Report) else sgip.DeliverResp
                writer.write(SGIP.encode(answer(sequence=pdu.sequence, result=self.result)))
        writer.close()


@asynccontextmanager
async def provided(provider: Provider) -> AsyncIterator[str]:
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.long
def test_it_submits_and_is_answered_with_its_own_sequence_number() -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect("sgip")
        assert await client.login() == 0
        client.send(submit())
        answer = await client.read()
        assert (answer.sequence, answer.result) == (SEQUENCE, 0)
        (sent,) = stage.broker.sent
        assert (sent.content, sent.recipients) == ("您好", ("13800000001",))
        assert sent.origin == Origin(account="900001", protocol="sgip", ids=(SEQUENCE.hex(),))
        client.send(sgip.Unbind(sequence=bytes(12)))
        assert isinstance(await client.read(), sgip.UnbindResp)

    play(story)


@pytest.mark.long
def test_a_wrong_password_and_a_wrong_login_type_are_refused() -> None:
    async def story(stage: Stage) -> None:
        assert await (await stage.connect("sgip")).login(b"wrong") == 1
        client = await stage.connect("sgip")
        client.send(sgip.Bind(sequence=bytes(12), login_type=2, login_name="900001", login_password="secret"))
        assert (await client.read()).result == 4

    play(story)


def test_an_idle_connection_is_closed_because_there_is_no_test() -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect("sgip")
        await client.login()
        stage.now = 180.0
        assert await client.read() is None

    play(story)


@pytest.mark.long
def test_reports_and_replies_go_over_our_own_connection() -> None:
    provider = Provider()

    async def story(stage: Stage) -> None:
        stage.recorder.traces = [Trace(1, Subject.NUMBER, "13800000001", 1)]
        async with provided(provider) as address:
            stage.mail.waiting = [
                Waiting(7, msgspec.structs.replace(REPORT, id=SEQUENCE.hex(), status="AS:0002")),
                Waiting(8, Reply(id="01", to="10690001", subscriber="13800000001", coding=8, content=b"\0T")),
            ]
            await stage.connect("sgip")  # so that the server listens for SGIP
            stage.deliver_to(address)
            await until(lambda: stage.mail.accepted == [7, 8])
        noted = [(each.command, each.outgoing) for each in stage.recorder.take()]
        assert sorted(noted) == [("Deliver", True), ("DeliverResp", False), ("Report", True), ("ReportResp", False)]

    play(story)
    assert [(login.login_type, login.login_name, login.login_password) for login in provider.logins] == [
        (2, "900001", "secret")
    ]
    report, reply = provider.taken
    for pdu in (
        *provider.logins,
        report,
        reply,
    ):  # SMSGate reads the time and writes it again: 0 would come back changed
        datetime.strptime(f"2024{sgip.SequenceNumber.of(pdu.sequence).time:010d}", "%Y%m%d%H%M%S")  # noqa: DTZ007
    assert (report.submit_sequence, report.state, report.error_code) == (SEQUENCE, 2, 102)
    assert report.user_number == "8613800000001"
    assert (reply.sp_number, reply.user_number, reply.content) == ("10690001", "8613800000001", b"\0T")


@pytest.mark.long
def test_what_the_port_has_not_answered_comes_again_over_the_next_connection() -> None:
    provider = Provider()
    provider.result = None

    async def story(stage: Stage) -> None:
        async with provided(provider) as address:
            report = Waiting(7, msgspec.structs.replace(REPORT, id=SEQUENCE.hex()))
            stage.mail.waiting = [report]
            await stage.connect("sgip")
            stage.deliver_to(address)
            await until(lambda: stage.mail.unanswered == [7])
            stage.mail.waiting = [report]
            await until(lambda: stage.mail.accepted == [7])

    play(story)
    assert len(provider.logins) == 2
    assert [report.state for report in provider.taken] == [0, 0]


@pytest.mark.long
def test_a_port_that_closes_before_it_answers_the_login_is_told_in_the_log() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def story(stage: Stage) -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        await stage.connect("sgip")
        with capture_logs() as logs:
            stage.deliver_to(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
            await until(lambda: any(line["event"] == "sgip_port_away" for line in logs))
        server.close()

    play(story)


@pytest.mark.parametrize(
    ("status", "state", "code"), [("DELIVRD", 0, 0), ("EXPIRED", 2, 21), ("MA:0001", 2, 21), ("AS:0005", 2, 105)]
)
def test_words_of_reports(status: str, state: int, code: int) -> None:
    report = SgipDialect().delivery(msgspec.structs.replace(REPORT, id=SEQUENCE.hex(), status=status))
    assert (report.state, report.error_code) == (state, code)
