"""A port of any protocol for tests and evaluation: it submits texts over its links, and counts answers and reports.

It misbehaves on demand, by a seeded generator: frames in two pieces, parts over all links in any order, frames sent
again, lost connections. Texts are short and long, with emoji and without.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from time import monotonic
from typing import Any

import structlog

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.dialect_of_channel import dialect_of
from pipeline.actions.senders.dialects.dialect import CHINA, Answered, Asks, Closes, Delivered, StatusReport
from pipeline.actions.senders.links.sgip_listener import SgipListener
from pipeline.actions.senders.links.token_bucket import TokenBucket
from pipeline.errors import AntispamError
from pipeline.protocols.frames import FrameError, ProtocolError
from pipeline.protocols.sms.text import parts
from pipeline.simulators.pieces import Pieces

TURN = 0.01  # seconds
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the port does; shares are 0 to 1. `rate`: parts a second over all links."""

    messages: int = 100
    rate: float = 50.0
    split: float = 0.0  # share of frames that come in two pieces
    again: float = 0.0  # share of frames that are sent again before their answer
    shuffle: bool = False  # parts go over any link in any order
    disconnect: float = 0.0  # share of frames after which the connection is lost
    wait: float = 30.0  # most seconds to wait for the answers and reports due
    seed: int = 0


@dataclass(slots=True, eq=False)
class _Link:
    writer: asyncio.StreamWriter | None = None
    pieces: Pieces | None = None
    sequence: int = 0
    open: dict[int, tuple[str, bytes]] = field(default_factory=dict)  # part and frame without an answer, by sequence


class Port:
    """The port; see the module. `channel` says where and how it logs in, `sender` is its number."""

    def __init__(self, channel: Channel, secret: bytes, sender: str, behaviour: Behaviour) -> None:
        self.channel, self.behaviour = channel, behaviour
        self._dialect, self._secret, self._sender = dialect_of(channel, secret), secret, sender
        self._random = Random(behaviour.seed)  # noqa: S311 - faults, not secrets
        self._links = [_Link() for _ in range(channel.links)]
        self._bucket = TokenBucket(behaviour.rate, monotonic())
        self.counts: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()  # by result
        self.ids: set[str] = set()  # of accepted parts
        self.reports: Counter[str] = Counter()  # by state
        self.reported: set[str] = set()
        self.texts: list[tuple[str, str]] = []  # recipient and text

    async def run(self) -> dict[str, Any]:
        """Submit everything, wait for answers and reports, and return what came. Raises AntispamError."""
        begun = monotonic()
        todo = self._frames()
        tasks = [asyncio.create_task(self._serve(link)) for link in self._links]
        if self.channel.listen:
            listener = SgipListener(self.channel, self._delivered, monotonic, self._secret)
            tasks.append(asyncio.create_task(listener.run()))
        try:
            for turn, (name, frame) in enumerate(todo):
                delay = self._bucket.take(monotonic())
                while delay > 0:
                    await asyncio.sleep(delay)
                    delay = self._bucket.take(monotonic())
                link = await self._ready(self._links[turn % len(self._links)], tasks)
                self._submit(link, name, frame)
            deadline = monotonic() + self.behaviour.wait
            while monotonic() < deadline and not self._complete(len(todo)):
                await asyncio.sleep(TURN)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return {
            "messages": self.behaviour.messages,
            "parts": len(todo),
            "answers": {str(result): count for result, count in sorted(self.answers.items())},
            "reports": dict(self.reports),
            "without_report": len(self.ids - self.reported),
            "unknown_reports": len(self.reported - self.ids),
            **self.counts,
            "seconds": round(monotonic() - begun, 3),
        }

    def _frames(self) -> list[tuple[str, bytes]]:
        frames = []
        for n in range(self.behaviour.messages):
            recipient, text = f"138{n:08d}", self._text(n)
            self.texts.append((recipient, text))
            for part in parts(text, n & 0xFF, self._dialect.seven_bit):
                number = self.channel.carriers_form(recipient)
                frames.append((f"{recipient}/{part.number}", self._dialect.submit(part, self._sender, number, None)))
        if self.behaviour.shuffle:
            self._random.shuffle(frames)
        return frames

    def _text(self, n: int) -> str:
        long = "您好，这是一条长短信。" * self._random.randrange(5, 30) if n % 3 == 0 else ""
        return f"Your notice {n}: closed today" if n % 5 == 1 else f"【测试】第{n}条 😀{long}"

    async def _ready(self, link: _Link, tasks: list[asyncio.Task[None]]) -> _Link:
        while link.writer is None or len(link.open) >= self.channel.window:
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(TURN)
        return link

    def _submit(self, link: _Link, name: str, frame: bytes) -> None:
        chance, behaviour = self._random.random, self.behaviour
        link.sequence += 1
        octets = self._dialect.numbered(frame, link.sequence, datetime.now(CHINA))
        link.open[link.sequence] = name, frame
        self._put(link, octets)
        self.counts["submits"] += 1
        if behaviour.again and chance() < behaviour.again:
            self.counts["sent_again"] += 1
            self._put(link, octets)
        if behaviour.disconnect and chance() < behaviour.disconnect and link.writer is not None:
            self.counts["disconnects"] += 1
            link.writer.transport.abort()
            link.writer = link.pieces = None

    def _put(self, link: _Link, octets: bytes) -> None:
        if link.pieces is not None:
            link.pieces.write(octets)

    async def _serve(self, link: _Link) -> None:
        while True:
            reader, writer = await asyncio.open_connection(self.channel.host, self.channel.port)
            try:
                await self._session(link, reader, writer)
            except OSError:  # lost: it logs in again
                self.counts["lost_links"] += 1
            finally:
                link.writer = link.pieces = None
                lost = link.open
                link.open = {}
                self.counts["lost_answers"] += len(lost)
                writer.close()

    async def _session(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        codec, frames = self._dialect.codec, self._dialect.codec.frames()
        link.sequence += 1
        writer.write(codec.encode(self._dialect.login(datetime.now(CHINA), link.sequence)))
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                try:
                    pdu = codec.decode(frame)
                except FrameError:
                    self.counts["unreadable"] += 1
                    continue
                result = self._dialect.login_result(pdu)
                if link.writer is None and result is not None:
                    if result != 0:
                        raise ProtocolError(f"login refused: {result}")
                    link.writer, link.pieces = writer, Pieces(writer, self.behaviour.split, self._random)
                    continue
                await self._take(link, writer, pdu)

    async def _take(self, link: _Link, writer: asyncio.StreamWriter, pdu: Any) -> None:
        event = self._dialect.event(pdu)
        if isinstance(event, Answered):
            if link.open.pop(event.sequence, None) is None:
                self.counts["repeated_answers"] += 1
                return
            self.answers[event.result if event.result is not None else -1] += 1
            if event.result == 0 and event.carrier_id is not None:
                self.ids.add(event.carrier_id)
        elif isinstance(event, Delivered):
            codec = self._dialect.codec
            await self._delivered(event, lambda _: writer.write(codec.encode(event.taken)))
        elif isinstance(event, Asks | Closes):
            writer.write(self._dialect.codec.encode(event.answer))

    async def _delivered(self, event: Delivered, answer: Any) -> None:
        if isinstance(event.content, StatusReport):
            self.reports[event.content.status] += 1
            self.reported.add(event.content.carrier_id)
        else:
            self.counts["replies"] += 1
        answer(True)

    def _complete(self, submitted: int) -> bool:
        answered = self.answers.total() + self.counts["lost_answers"] >= submitted
        return answered and self.ids <= self.reported


def serve(channel: Channel, sender: str, behaviour: Behaviour) -> dict[str, Any]:
    """Run a port to its end. Raises AntispamError without a password, and if it cannot log in."""
    secret = os.environ.get("ANTISPAM_SIMULATOR_SECRET", "")
    if not secret:
        raise AntispamError("ANTISPAM_SIMULATOR_SECRET is not set: the account needs a password")
    with suppress(KeyboardInterrupt):
        try:
            return asyncio.run(Port(channel, secret.encode(), sender, behaviour).run())
        except OSError as error:
            raise AntispamError(f"{channel.host}:{channel.port}: {error}") from None
    return {}
