"""Links, reassembly and a carrier that delivers everything, in one process, without a broker or a database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from time import time
from typing import Any

import msgspec

from pipeline import topics
from pipeline.actions.status.link_deliveries import Answers, Report, Waiting, Wish
from pipeline.events import Part, Submission, encode
from pipeline.ingest.links.deliveries import Deliveries
from pipeline.ingest.links.intake import Intake
from pipeline.ingest.links.server import LinkServer
from pipeline.kafka.polled import Polled
from pipeline.rules.ports import Ports
from pipeline.settings import Settings
from pipeline.stream.parts.joiner import Joiner
from tests.harness.links.memory_broker import MemoryBroker
from tests.ingest.links.test_account import account
from tests.ingest.links.test_intake import PORTS

SETTINGS = Settings(_env_file=None)


class MemoryPipeline(MemoryBroker):
    """Joins parts at once. Whatever is whole is delivered at once, and its reports wait for a link."""

    def __init__(self) -> None:
        super().__init__()
        self._joiner = Joiner(SETTINGS)
        self._joiner.own({0: {}})
        self._waiting: list[Waiting] = []
        self._leased: dict[int, Waiting] = {}
        self._number = 0
        self.ports: dict[str, int] = {}
        self.accepted = 0

    def send(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]:
        self._delivered(submission)
        return super().send(submission, ports)

    def send_part(self, part: Part) -> asyncio.Future[bool]:
        record = Polled(0, topics.PARTS.name, 0, len(self.parts), b"", encode(part), 0)
        for _, _, value, _ in self._joiner.turn([record], [], int(time() * 1000)).outputs:
            submission = msgspec.json.decode(value, type=Submission)
            self.sent.append(submission)
            self._delivered(submission)
        return super().send_part(part)

    def _delivered(self, submission: Submission) -> None:
        origin = submission.origin
        for ident in origin.ids if origin is not None else ():
            self._number += 1
            report = Report(
                id=ident,
                n=0,
                sender=submission.port,
                recipient=submission.recipients[0],
                status="DELIVRD",
                submitted="2611211430",
                done="2611211431",
            )
            self._waiting.append(Waiting(self._number, report))

    def turn(self, answers: Answers, wishes: Sequence[Wish], now: int) -> dict[Wish, list[Waiting]]:
        """As `DeliveryStore.turn`; one account has all reports."""
        self.accepted += len(answers.accepted)
        for ident in answers.accepted:
            del self._leased[ident]
        self._waiting += [self._leased.pop(ident) for ident in (*answers.unanswered, *answers.refused)]
        found = {}
        for wish in wishes:
            found[wish], self._waiting = self._waiting[: wish.room], self._waiting[wish.room :]
            self._leased |= {one.id: one for one in found[wish]}
        return found


@contextmanager
def served(*protocols: str, **fields: Any) -> Iterator[MemoryPipeline]:
    """The pipeline, listening in a thread for the account of `test_account.py`."""
    pipeline, listening, begun = MemoryPipeline(), threading.Event(), []

    async def main() -> None:
        closing = asyncio.Event()
        begun.append((asyncio.get_running_loop(), closing))
        owner = account(addresses=(ip_network("127.0.0.0/8"),), rate=1e6, window=64, links=4, **fields)
        server = LinkServer([owner], Intake(pipeline, lambda: PORTS, SETTINGS), Deliveries(pipeline.turn))
        for protocol in protocols:
            pipeline.ports[protocol] = await server.listen(protocol, "127.0.0.1", 0)
        listening.set()
        await server.run(closing)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert listening.wait(60)
        yield pipeline
    finally:
        loop, closing = begun[0]
        loop.call_soon_threadsafe(closing.set)
        thread.join(60)
