"""A carrier's gateway of any protocol for tests and evaluation: accepts messages, sends reports, and fails on demand.

Its faults come from a seeded generator, so a failing test can be repeated. It stores every received SUBMIT, including
dropped SUBMITs, and writes it to a journal, because tests count what the carrier received.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from time import monotonic, time
from typing import IO, Any
from zoneinfo import ZoneInfo

import msgspec
import structlog

from pipeline.actions.senders.links.token_bucket import TokenBucket
from pipeline.actions.status.link_deliveries import Report
from pipeline.errors import AntispamError
from pipeline.ingest.links.account import Account, Refusal
from pipeline.ingest.links.dialect import Kind, Outcome
from pipeline.ingest.links.server import DIALECTS
from pipeline.ingest.links.sgip_caller import SgipCaller
from pipeline.ingest.links.submitted import Asked, submitted
from pipeline.protocols import cmpp
from pipeline.simulators.pieces import Pieces
from pipeline.text.numbers import number

GATEWAY = 900_001 & 0x3FFFFF
_CHINA = ZoneInfo("Asia/Shanghai")
PROTOCOLS = tuple(sorted(DIALECTS))
_ANY = Account(name="", port="", secret=b"", addresses=())
_RESULTS = {Outcome.ACCEPTED: 0, Outcome.THROTTLED: cmpp.THROTTLED, Outcome.REFUSED: 9}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Conduct:
    """The behaviour of the carrier; shares are 0 to 1, times seconds, `rate` parts a second (0: no limit)."""

    rate: float = 0.0
    delay: float = 0.0  # seconds before an answer
    drop: float = 0.0  # share of SUBMITs accepted without an answer
    disconnect: float = 0.0  # share of SUBMITs after which the connection ends without an answer
    refuse: float = 0.0  # share of SUBMITs answered with result 9
    reports: bool = True
    report_delay: float = 0.0
    report_fail: float = 0.0  # share of reports with UNDELIV
    report_first: float = 0.0  # share of reports sent before the answer with their id
    report_twice: float = 0.0  # share of reports sent again
    report_lost: float = 0.0  # share of reports that never come
    jitter: float = 0.0  # most seconds more before an answer or report, each its own: they change order
    split: float = 0.0  # share of frames that come in two pieces
    seed: int = 0


class ReceivedSubmit(msgspec.Struct, frozen=True, kw_only=True):
    """A received SUBMIT. `result` is None for a SUBMIT without an answer. `at` is epoch seconds."""

    at: float
    link: int
    source: str
    recipient: str
    part: int
    parts: int
    reference: int | None
    text: str | None
    msg_id: str
    result: int | None


@dataclass(slots=True)
class _Link:
    number: int
    writer: asyncio.StreamWriter
    dialect: Any
    sequence: int = 0
    pieces: Pieces | None = None
    unanswered: dict[int, Any] = field(default_factory=dict)  # reports that the client has not acknowledged


class Simulator:
    """The gateway; see the module. Start it with `async with`; `port` 0 takes a free port.

    It speaks one of PROTOCOLS. Over SGIP, its reports go to the address `provider` (host:port).
    """

    def __init__(
        self,
        account: str,
        secret: bytes,
        conduct: Conduct,
        port: int = 0,
        journal: Path | None = None,
        protocol: str = "cmpp",
        provider: str = "",
    ) -> None:
        self._dialect = DIALECTS[protocol]
        self._provider = provider
        self._caller: SgipCaller | None = None
        self._calls: dict[int, Any] = {}  # reports on their way over SGIP, by token
        self._tasks: list[asyncio.Task[None]] = []
        self.conduct, self.port = conduct, port
        self.seen: list[ReceivedSubmit] = []
        self.counts: Counter[str] = Counter()
        self.ends: dict[str, str] = {}  # the state in the report on each accepted SUBMIT, by id
        self.told: set[str] = set()  # ids whose reports the client has acknowledged
        self.deaf = False  # whether link tests get no answer
        self._account, self._secret = account, secret
        self._random = Random(conduct.seed)  # noqa: S311 - faults, not secrets
        self._path = journal
        self._journal: IO[bytes] | None = None
        self._bucket = TokenBucket(conduct.rate or 1.0, time())
        self._sequence = 0
        self._links: dict[int, _Link] = {}
        self._number = 0
        self._homeless: list[Any] = []  # reports that wait for a login
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Simulator:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._journal = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", 0)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        if self._provider:
            self.call(self._provider)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for link in list(self._links.values()):
            link.writer.close()
        if self._journal is not None:
            self._journal.close()

    def call(self, provider: str) -> None:
        """SGIP: open our own connection to this address (host:port) for reports."""
        own = Account(name=self._account, port="", secret=self._secret, addresses=(), sgip_deliver=provider)
        self._caller = SgipCaller(own, self._called, monotonic)
        self._tasks = [asyncio.create_task(self._caller.run()), asyncio.create_task(self._call())]

    def disconnect(self) -> None:
        """End every connection at once, like a restarted gateway."""
        for link in list(self._links.values()):
            link.writer.transport.abort()

    def messages(self) -> dict[tuple[str, str, int | None], str]:
        """The reassembled texts of complete messages: (source, recipient, reference) -> text."""
        found: dict[tuple[str, str, int | None], dict[int, str]] = {}
        totals = {}
        for seen in self.seen:
            if seen.result == 0:
                key = (seen.source, seen.recipient, seen.reference)
                found.setdefault(key, {})[seen.part] = seen.text or ""
                totals[key] = seen.parts
        return {
            key: "".join(parts[i] for i in sorted(parts)) for key, parts in found.items() if len(parts) == totals[key]
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        link = _Link(self._number, writer, self._dialect())
        frames = link.dialect.codec.frames()
        try:
            while data := await reader.read(65_536):
                for frame in frames.feed(data):
                    if not self._handle(link, link.dialect.codec.decode(frame)):
                        return
        except asyncio.CancelledError:  # the loop ends; asyncio would log it as an error
            return
        except (AntispamError, OSError) as error:
            self.counts["protocol_errors"] += isinstance(error, AntispamError)
            _log.warning("simulator_link_ended", link=link.number, cause=str(error))
        finally:
            self._links.pop(link.number, None)
            for content in link.unanswered.values():
                self._report(link, content)  # over another link
            with suppress(OSError):
                writer.close()

    def _handle(self, link: _Link, pdu: Any) -> bool:
        """Answer one PDU; returns False to end the connection."""
        kind = link.dialect.kind(pdu)
        if kind is Kind.LOGIN:
            return self._login(link, pdu)
        if link.number not in self._links:
            return False  # any PDU before a login
        if kind is Kind.SUBMIT:
            return self._submit(link, pdu)
        if kind is Kind.DELIVERED:
            if link.dialect.accepted(pdu):
                self._told(link.unanswered.pop(pdu.sequence, None))
        elif kind is Kind.TEST:
            self.counts["link_tests"] += 1
            if not self.deaf:
                self._write(link, link.dialect.test_answer(pdu))
        elif kind is Kind.END:
            self._write(link, link.dialect.end_answer(pdu))
            return False
        return True

    def _told(self, content: Any) -> None:
        self.counts["reports_acknowledged"] += 1
        if isinstance(content, Report):
            self.told.add(content.id)

    def _login(self, link: _Link, pdu: Any) -> bool:
        login = link.dialect.login(pdu)
        accepted = login.name == self._account and login.proves(self._secret)
        dialect = link.dialect
        self._write(link, dialect.admitted(pdu, self._secret) if accepted else dialect.refused(pdu, Refusal.PROOF))
        self.counts["logins" if accepted else "logins_refused"] += 1
        if accepted:
            self._links[link.number] = link
            homeless, self._homeless = self._homeless, []
            for content in homeless:
                self._report(link, content)
        return bool(accepted)

    def _submit(self, link: _Link, pdu: Any) -> bool:
        conduct, chance = self.conduct, self._random.random
        now = time()
        self._sequence = (self._sequence + 1) & 0xFFFF
        at = datetime.fromtimestamp(now, _CHINA)
        msg_id = cmpp.message_id(at.month, at.day, at.hour, at.minute, at.second, GATEWAY, self._sequence)
        outcome: Outcome | None = Outcome.ACCEPTED
        alive = True
        if conduct.rate and self._bucket.take(now) > 0:
            outcome = Outcome.THROTTLED
        elif conduct.disconnect and chance() < conduct.disconnect:
            outcome, alive = None, False
        elif conduct.drop and chance() < conduct.drop:
            outcome = None
        elif conduct.refuse and chance() < conduct.refuse:
            outcome = Outcome.REFUSED
        asked = submitted(pdu, _ANY, int(now * 1000))
        self._remember(link, pdu, asked, now, link.dialect.report_id(pdu, msg_id), outcome)
        if outcome is None:
            return alive
        answer = link.dialect.submitted(pdu, outcome, msg_id)
        report = outcome is Outcome.ACCEPTED and conduct.reports and asked.report
        content = self._outcome_of(pdu, asked, link.dialect.report_id(pdu, msg_id), at) if report else None
        if content is not None and conduct.report_first and chance() < conduct.report_first:
            self._report(link, content)
            content = None
        delay = conduct.delay + self._more()
        self._later(delay, self._write, link, answer)
        if content is not None:
            again = 1 + bool(conduct.report_twice and chance() < conduct.report_twice)
            for _ in range(again):
                self._later(delay + conduct.report_delay + self._more(), self._report, link, content)
        return True

    def _more(self) -> float:
        return self._random.random() * self.conduct.jitter if self.conduct.jitter else 0.0

    def _outcome_of(self, pdu: Any, asked: Asked, ident: str, at: datetime) -> Report | None:
        stamp = at.strftime("%y%m%d%H%M")
        stat = "UNDELIV" if self._random.random() < self.conduct.report_fail else "DELIVRD"
        self.counts[stat] += 1
        self.ends[ident] = stat
        if self.conduct.report_lost and self._random.random() < self.conduct.report_lost:
            self.counts["reports_lost"] += 1
            return None
        return Report(
            id=ident,
            n=0,
            sender=asked.line.port,
            recipient=asked.line.recipients[0],
            status=stat,
            submitted=stamp,
            done=stamp,
        )

    def _report(self, link: _Link, content: Any) -> None:
        """Send a report, or a whole DELIVER, over this link or any other; without one it waits for a login."""
        if link.dialect.name == "sgip":
            self._homeless.append(content)
            return
        if link.number not in self._links:
            other = next(iter(self._links.values()), None)
            if other is None:
                self._homeless.append(content)
                return
            link = other
        link.sequence += 1
        link.unanswered[link.sequence] = content
        pdu = link.dialect.delivery(content) if isinstance(content, Report) else content
        self._put(link, link.dialect.codec.encode(msgspec.structs.replace(pdu, sequence=link.sequence)))

    async def _call(self) -> None:
        """SGIP: send what waits over our own connection to the provider."""
        token = 0
        while self._caller is not None:
            self._caller.tick()
            while self._homeless and self._caller.free:
                token += 1
                self._calls[token] = self._homeless.pop(0)
                self._caller.deliver(token, self._calls[token])
            await asyncio.sleep(0.01)

    def _called(self, token: int, accepted: bool | None) -> None:
        content = self._calls.pop(token)
        if accepted is None:
            self._homeless.append(content)
        elif accepted:
            self._told(content)

    def _later(self, delay: float, what: Any, *arguments: Any) -> None:
        if delay <= 0:
            what(*arguments)
        else:
            asyncio.get_running_loop().call_later(delay, what, *arguments)

    def _remember(self, link: _Link, pdu: Any, asked: Asked, now: float, ident: str, outcome: Outcome | None) -> None:
        place = asked.message.place
        seen = ReceivedSubmit(
            at=now,
            link=link.number,
            source=asked.line.port,
            recipient=number(asked.line.recipients[0]) or asked.line.recipients[0],
            part=place.number if place else 1,
            parts=place.total if place else 1,
            reference=place.reference if place else None,
            text=asked.message.text,
            msg_id=ident,
            result=None if outcome is None else _RESULTS[outcome],
        )
        self.counts["submits"] += 1
        self.counts["throttled"] += outcome is Outcome.THROTTLED
        if self._journal is None:
            self.seen.append(seen)
        else:
            self._journal.write(msgspec.json.encode(seen) + b"\n")

    def _write(self, link: _Link, pdu: Any) -> None:
        self._put(link, link.dialect.codec.encode(pdu))

    def _put(self, link: _Link, frame: bytes) -> None:
        if link.pieces is None:
            link.pieces = Pieces(link.writer, self.conduct.split, self._random)
        link.pieces.write(frame)


def serve(
    account: str, conduct: Conduct, port: int, journal: Path | None, protocol: str = "cmpp", provider: str = ""
) -> None:
    """Run a simulator until SIGTERM or SIGINT. Raises AntispamError without a password."""
    secret = os.environ.get("ANTISPAM_SIMULATOR_SECRET", "")
    if not secret:
        raise AntispamError("ANTISPAM_SIMULATOR_SECRET is not set: the account needs a password")

    async def run() -> None:
        ended = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, ended.set)
        async with Simulator(account, secret.encode(), conduct, port, journal, protocol, provider) as simulator:
            _log.info("simulator_started", protocol=protocol, port=simulator.port)
            await ended.wait()
            _log.info("simulator_ended", **simulator.counts)

    asyncio.run(run())
