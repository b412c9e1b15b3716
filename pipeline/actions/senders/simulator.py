"""A carrier's CMPP 3.0 gateway for tests and evaluation: accepts messages, sends reports, and fails on demand.

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
from time import time
from typing import IO, Any
from zoneinfo import ZoneInfo

import msgspec
import structlog

from pipeline.actions.senders.token_bucket import TokenBucket
from pipeline.errors import AntispamError
from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms.text import concatenation, text_of

GATEWAY = 900_001 & 0x3FFFFF
_CHINA = ZoneInfo("Asia/Shanghai")
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
    sequence: int = 0
    unanswered: dict[int, bytes] = field(default_factory=dict)  # reports that the client has not acknowledged


class Simulator:
    """The gateway; see the module. Start it with `async with`; `port` 0 takes a free port."""

    def __init__(
        self, account: str, secret: bytes, conduct: Conduct, port: int = 0, journal: Path | None = None
    ) -> None:
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
        self._homeless: list[bytes] = []  # reports that wait for a login
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Simulator:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._journal = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", 0)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links.values()):
            link.writer.close()
        if self._journal is not None:
            self._journal.close()

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
        link = _Link(self._number, writer)
        frames = CMPP3.frames()
        try:
            while data := await reader.read(65_536):
                for frame in frames.feed(data):
                    if not self._handle(link, CMPP3.decode(frame)):
                        return
        except asyncio.CancelledError:  # the loop ends; asyncio would log it as an error
            return
        except (ProtocolError, OSError) as error:
            self.counts["protocol_errors"] += isinstance(error, ProtocolError)
            _log.warning("simulator_link_ended", link=link.number, cause=str(error))
        finally:
            self._links.pop(link.number, None)
            self._homeless += link.unanswered.values()
            with suppress(OSError):
                writer.close()

    def _handle(self, link: _Link, pdu: cmpp.Pdu) -> bool:
        """Answer one PDU; returns False to end the connection."""
        sequence = pdu.sequence
        if isinstance(pdu, cmpp.Connect):
            return self._login(link, pdu)
        if link.number not in self._links:
            return False  # any PDU before a login
        if isinstance(pdu, cmpp.Submit):
            return self._submit(link, pdu)
        if isinstance(pdu, cmpp.DeliverResp):
            if pdu.result == 0:
                link.unanswered.pop(sequence, None)
                self.counts["reports_acknowledged"] += 1
                self.told.add(f"{pdu.msg_id:016x}")
        elif isinstance(pdu, cmpp.ActiveTest):
            self.counts["link_tests"] += 1
            if not self.deaf:
                self._write(link, cmpp.ActiveTestResp(sequence=sequence))
        elif isinstance(pdu, cmpp.Terminate):
            self._write(link, cmpp.TerminateResp(sequence=sequence))
            return False
        return True

    def _login(self, link: _Link, pdu: cmpp.Connect) -> bool:
        proof = cmpp.authenticator_source(self._account, self._secret, pdu.timestamp)
        known = pdu.source_addr == self._account
        status = 0 if known and pdu.authenticator == proof else 3 if known else 2
        answer = cmpp.authenticator_ismg(status, pdu.authenticator, self._secret, CMPP3) if status == 0 else bytes(16)
        self._write(
            link,
            cmpp.ConnectResp(sequence=pdu.sequence, status=status, authenticator=answer, version=cmpp.VERSION),
        )
        self.counts["logins" if status == 0 else "logins_refused"] += 1
        if status == 0:
            self._links[link.number] = link
            homeless, self._homeless = self._homeless, []
            for frame in homeless:
                self._report(link, frame)
        return status == 0

    def _submit(self, link: _Link, pdu: cmpp.Submit) -> bool:
        conduct, chance = self.conduct, self._random.random
        now = time()
        self._sequence = (self._sequence + 1) & 0xFFFF
        at = datetime.fromtimestamp(now, _CHINA)
        msg_id = cmpp.message_id(at.month, at.day, at.hour, at.minute, at.second, GATEWAY, self._sequence)
        result: int | None = 0
        alive = True
        if conduct.rate and self._bucket.take(now) > 0:
            result = cmpp.THROTTLED
        elif conduct.disconnect and chance() < conduct.disconnect:
            result, alive = None, False
        elif conduct.drop and chance() < conduct.drop:
            result = None
        elif conduct.refuse and chance() < conduct.refuse:
            result = 9
        self._remember(link, pdu, now, msg_id, result)
        if result is None:
            return alive
        answer = cmpp.SubmitResp(sequence=pdu.sequence, msg_id=msg_id, result=result)
        report = result == 0 and conduct.reports and pdu.registered_delivery == 1
        if report and conduct.report_first and chance() < conduct.report_first:
            self._report(link, self._deliver(pdu, msg_id, at))
            report = False
        if conduct.delay:
            self._later(conduct.delay, self._write, link, answer)
        else:
            self._write(link, answer)
        if report:
            self._later(conduct.delay + conduct.report_delay, self._report, link, self._deliver(pdu, msg_id, at))
        return True

    def _deliver(self, pdu: cmpp.Submit, msg_id: int, at: datetime) -> bytes:
        stamp = at.strftime("%y%m%d%H%M")
        stat = "UNDELIV" if self._random.random() < self.conduct.report_fail else "DELIVRD"
        body = cmpp.StatusReport(
            msg_id=msg_id, stat=stat, submit_time=stamp, done_time=stamp, recipient=pdu.recipients[0]
        )
        self.counts[stat] += 1
        self.ends[f"{msg_id:016x}"] = stat
        return CMPP3.encode(
            cmpp.Deliver(
                sequence=0,
                msg_id=msg_id,
                dest_id=pdu.src_id,
                msg_fmt=0,
                src_terminal_id=pdu.recipients[0],
                registered_delivery=1,
                content=cmpp.encode_report(body, CMPP3),
            )
        )

    def _report(self, link: _Link, frame: bytes) -> None:
        """Send a report over this link or any other connected link; without a link it waits for a login."""
        if link.number not in self._links:
            other = next(iter(self._links.values()), None)
            if other is None:
                self._homeless.append(frame)
                return
            link = other
        link.sequence += 1
        link.unanswered[link.sequence] = frame
        link.writer.write(cmpp.with_sequence(frame, link.sequence))

    def _later(self, delay: float, what: Any, *arguments: Any) -> None:
        if delay <= 0:
            what(*arguments)
        else:
            asyncio.get_running_loop().call_later(delay, what, *arguments)

    def _remember(self, link: _Link, pdu: cmpp.Submit, now: float, msg_id: int, result: int | None) -> None:
        headed = bool(pdu.udhi & 0x41)
        place = concatenation(pdu.content) if headed else None
        seen = ReceivedSubmit(
            at=now,
            link=link.number,
            source=pdu.src_id,
            recipient=pdu.recipients[0],
            part=pdu.pk_number,
            parts=pdu.pk_total,
            reference=place.reference if place else None,
            text=text_of(pdu.msg_fmt, pdu.content, headed),
            msg_id=f"{msg_id:016x}",
            result=result,
        )
        self.counts["submits"] += 1
        self.counts["throttled"] += result == cmpp.THROTTLED
        if self._journal is None:
            self.seen.append(seen)
        else:
            self._journal.write(msgspec.json.encode(seen) + b"\n")

    def _write(self, link: _Link, pdu: cmpp.Pdu) -> None:
        if not link.writer.is_closing():
            link.writer.write(CMPP3.encode(pdu))


def serve(account: str, conduct: Conduct, port: int, journal: Path | None) -> None:
    """Run a simulator until SIGTERM or SIGINT. Raises AntispamError without a password."""
    secret = os.environ.get("ANTISPAM_SIMULATOR_SECRET", "")
    if not secret:
        raise AntispamError("ANTISPAM_SIMULATOR_SECRET is not set: the account needs a password")

    async def run() -> None:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with Simulator(account, secret.encode(), conduct, port, journal) as simulator:
            _log.info("simulator_started", port=simulator.port)
            await ended.wait()
            _log.info("simulator_ended", **simulator.counts)

    asyncio.run(run())
