"""One connection to a carrier: login, sliding window, rates, link test, reconnection; the protocol is a dialect.

A part occupies a slot of the window from its SUBMIT until its answer, the end of `answer_wait`, or the loss of the
link. Each try of a part uses the same sequence number, so a late answer still counts. What a refusal means is the
channel's to say (`answers.py`): a throttled link pauses for all parts and first sends the throttled part again; a part
to be tried again waits alone, with its slot; all others are refused, with `elsewhere` set if another channel may take
them. Every part given to `submit` is returned once through `LinkCallbacks.part_back`, with its `state` set.

If nothing has come since a SUBMIT whose answer is overdue, the link is tested first: a link that died without a word is
lost, and its parts are not unanswered by the carrier.

A part that was in doubt when a link was lost is sent alone. If the carrier closes because of this part, no other part
is in doubt with it the next time.

If the carrier asks to close, the link sends no further SUBMITs and first reads the answers still due. Then it answers
the question, because the carrier may close as soon as it has our answer.

An unreadable frame affects only itself: it is skipped and counted. If it delivers something, the link reports the
error, so that the carrier does not repeat it for ever. If it answers a SUBMIT, only this part is in doubt.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import structlog

from pipeline import metrics
from pipeline.actions.senders.answers import Answers, Meaning
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.dialect_of_channel import dialect_of
from pipeline.actions.senders.dialects.dialect import (
    CHINA,
    MOST_SEQUENCE,
    Answered,
    Asks,
    Closes,
    Delivered,
    StatusReport,
    SubscriberMessage,
    Unexpected,
)
from pipeline.actions.senders.gate import Gate
from pipeline.actions.senders.links.skipped_frames import SkippedFrames
from pipeline.actions.senders.links.token_bucket import TokenBucket, take
from pipeline.actions.senders.live import states
from pipeline.actions.senders.live.link_figures import LinkFigures
from pipeline.actions.senders.live.states import LinkState
from pipeline.actions.senders.part import DeliveryState, Part, outcome
from pipeline.actions.tracing.recorder import Recorder
from pipeline.process.backoff import Backoff
from pipeline.protocols.frames import FrameError, Frames, ProtocolError, UnknownCommandError

CONNECT_WAIT = 10.0  # seconds to connect, and seconds for the answer to the login
RECONNECTION = Backoff(first=0.5, longest=30.0)  # pauses between tries to connect
DRAIN = 10.0  # seconds to wait for answers after the carrier asks to close
THROTTLING = Backoff(first=0.05, longest=2.0)  # pauses of a link that the carrier throttles
MOST_THROTTLED = 100  # most repetitions of a part because of throttling
RETRY_AFTER = 5.0  # seconds until a part is tried again that the carrier could not take at the moment
SETTLED = 30.0  # seconds after which a session counts as a good one, even if nothing was to send
READ = 65_536  # octets
MOST_WAIT = 1.0  # seconds of one wait for the rate, which people may change meanwhile
LONGEST_ERROR = 200  # characters
LONGEST_CODE = 16  # characters of a report's code
_log = structlog.get_logger()

Content = StatusReport | SubscriberMessage | None
Answer = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class LinkCallbacks:
    """The functions that a link calls, all in its event loop.

    `part_back` gets each part given to `submit` once. `link_up` is called when the link is logged in and has room.
    `deliver` gets each report and message (None: unreadable) with the function that answers whether it was taken; the
    link reads no further frame until it returns.
    """

    part_back: Callable[[Part], None]
    link_up: Callable[[], None]
    deliver: Callable[[Delivered, Answer], Awaitable[None]]


class Link:
    """See the module. `shared` is the bucket of the channel's links together; `recorder` notes frames."""

    def __init__(
        self,
        channel: Channel,
        number: int,
        gate: Gate,
        callbacks: LinkCallbacks,
        clock: Clock,
        random: Random,
        shared: TokenBucket,
        recorder: Recorder,
    ) -> None:
        self._channel, self._number = channel, number
        self._dialect = dialect_of(channel, channel.secret)
        self._answers = Answers(channel.answers, self._dialect.meanings)
        self._gate, self._callbacks, self._clock, self._random = gate, callbacks, clock, random
        self._buckets = (TokenBucket(channel.rate, clock.monotonic()), shared)
        self._queue: deque[Part] = deque()
        self._waiting: dict[int, tuple[Part, float]] = {}  # sequence -> part, time when its answer is overdue
        self._later: dict[int, tuple[Part, float]] = {}  # sequence -> part to try again, and when
        self._reserved = 0
        self._turn: asyncio.Event = asyncio.Event()
        self._sequence = random.randrange(1, MOST_SEQUENCE)
        self._throttled, self._paused_until = 0, 0.0  # consecutive pauses; end of the last pause
        self._tests, self._heard = 0, 0.0  # unanswered link tests; time of the last frame from the carrier
        self._useful = self._up = False  # this session has had an answer to a SUBMIT; has logged in
        self._closing = asyncio.Event()  # set when the carrier asks to close
        self._closed = False  # by us
        self._answer_of_end: Any = None  # our answer to the carrier's wish to close
        self._skipped = SkippedFrames(channel.name, number, clock.monotonic)
        self._writer: asyncio.StreamWriter | None = None  # only while logged in
        self._frames: list[bytes] = []  # written in one go when the event loop has done what it is at
        self._open = True  # people let it send
        self._since = clock.wall()  # of the connection, or of its absence
        self._login_result: int | None = None
        self._error = ""
        self._error_at: int | None = None
        self._figures = LinkFigures(clock.monotonic())
        self._recorder = recorder

    @property
    def connected(self) -> bool:
        """Whether the link is logged in and the carrier has not asked to close."""
        return self._writer is not None and not self._closing.is_set()

    @property
    def free(self) -> int:
        """The number of parts that the link can take now."""
        taken = len(self._queue) + len(self._waiting) + len(self._later) + self._reserved
        return max(0, self._channel.window - taken) if self.connected and self._open else 0

    @property
    def answer_time(self) -> float:
        """Seconds that the carrier takes to answer lately; 0 before its first answer."""
        return self._figures.answer_time

    def open(self, on: bool) -> None:
        """Let the link send, or not. Off, it returns what it has not sent, and still reads answers and reports."""
        self._open = on
        if not on:
            self._give_back()

    def state(self, now: float) -> LinkState:
        """What the link does at `now` (monotonic seconds)."""
        return LinkState(
            number=self._number,
            up=self.connected,
            since=self._since,
            login_result=self._login_result,
            error=self._error,
            error_at=self._error_at,
            in_flight=len(self._waiting),
            waiting=len(self._queue) + len(self._later),
            window=self._channel.window,
            rate=self._channel.rate,
            paused=round(max(0.0, self._paused_until - now), 3),
            figures=self._figures.summary(now),
        )

    def reserve(self) -> None:
        """Reserve a slot for a part that will be submitted."""
        self._reserved += 1

    def cancel(self) -> None:
        """Release a reserved slot."""
        self._reserved -= 1

    def submit(self, part: Part) -> None:
        """Queue a part in its reserved slot, after the parts given before."""
        self._reserved -= 1
        part.sequence, part.throttled, part.again = self._next(), 0, False
        self._queue.append(part)
        self._go_on()

    def _go_on(self) -> None:
        """Let the queue be sent; a link that may send nothing returns it."""
        if self.connected and self._open:
            self._turn.set()
        else:
            self._give_back()

    async def run(self) -> None:
        """Keep the link connected until it is closed or cancelled."""
        name, failures = self._channel.name, 0
        while True:
            begun = self._clock.monotonic()
            try:
                await self._session()
                cause = states.CLOSED
            except TimeoutError:
                cause = states.TOO_LATE
            except (OSError, ProtocolError, asyncio.IncompleteReadError) as error:
                cause = str(error) or type(error).__name__
            finally:
                self._lost()
            if self._closed:
                return
            good = self._useful or (self._up and self._clock.monotonic() - begun >= SETTLED)
            failures = 1 if good else failures + 1
            delay = RECONNECTION.pause(failures) * (0.5 + self._random.random() / 2)
            self._error, self._error_at = cause[:LONGEST_ERROR], self._clock.wall()
            _log.warning(
                "link_down",
                channel=name,
                link=self._number,
                cause=cause,
                login_result=self._login_result,
                next_try_s=round(delay, 1),
            )
            await asyncio.sleep(delay)

    async def close(self) -> None:
        """Tell the carrier that we close. When it has closed the connection, `run` opens no other."""
        self._closed = True
        if self._writer is not None:
            with suppress(OSError, TimeoutError):
                self._write(self._dialect.end(self._next()))
                self._flush()
                async with asyncio.timeout(1):
                    await self._writer.drain()

    # One connection.

    async def _session(self) -> None:
        channel = self._channel
        self._useful = self._up = False
        self._closing.clear()
        # Not `wait_for`: until Python 3.12 it may swallow the cancellation that ends the link.
        async with asyncio.timeout(CONNECT_WAIT):
            reader, writer = await asyncio.open_connection(channel.host, channel.port)
        try:
            frames = self._dialect.codec.frames()
            async with asyncio.timeout(CONNECT_WAIT):
                rest = await self._login(reader, writer, frames)
            self._writer, self._heard, self._tests = writer, self._clock.monotonic(), 0
            self._up, self._since = True, self._clock.wall()
            metrics.LINKS.labels(channel.name).inc()
            _log.info("link_up", channel=channel.name, link=self._number)
            self._callbacks.link_up()
            tasks = [
                asyncio.ensure_future(work)
                for work in (
                    self._read(reader, writer, frames, rest),
                    self._send(writer),
                    self._watch(),
                    self._drain(),
                )
            ]
            try:
                finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in finished:
                task.result()
        finally:
            writer.close()

    async def _login(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: Frames) -> list[bytes]:
        """Log in; returns the frames that arrived after the answer."""
        codec = self._dialect.codec
        now = datetime.fromtimestamp(self._clock.wall() / 1000, CHINA)
        writer.write(codec.encode(self._dialect.login(now, self._next())))
        while data := await reader.read(READ):
            complete = frames.feed(data)
            for frame in complete:
                try:
                    answer = codec.decode(frame)
                except FrameError as error:
                    if self._dialect.answers_login(codec.head(frame)[0]):
                        raise
                    self._skip(frame, error)
                    continue
                result = self._dialect.login_result(answer)
                if result is None:
                    self._skipped.skip("unexpected", answer.command, "before the answer to the login")
                    continue
                self._login_result = result
                if result != 0:
                    raise ProtocolError(states.REFUSED)
                return list(complete)
        raise ProtocolError(states.CLOSED_AT_LOGIN)

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: Frames, rest: list[bytes]
    ) -> None:
        for frame in rest:
            await self._take(frame)
        while data := await reader.read(READ):
            self._heard, self._tests = self._clock.monotonic(), 0
            for frame in frames.feed(data):
                await self._take(frame)
            # If the carrier does not read our answers, stop reading its frames, so that answers do not pile up.
            if writer.transport.get_write_buffer_size():
                async with asyncio.timeout(self._channel.answer_wait):
                    await writer.drain()

    def _trace(self, frame: bytes, *, outgoing: bool) -> None:
        if self._recorder.traces:
            self._recorder.note(self._channel.name, self._number, self._dialect.codec, frame, outgoing=outgoing)

    async def _take(self, frame: bytes) -> None:
        self._trace(frame, outgoing=False)
        try:
            pdu = self._dialect.codec.decode(frame)
        except FrameError as error:
            self._skip(frame, error)
            return
        event = self._dialect.event(pdu)
        if isinstance(event, Answered):
            self._answered(event)
        elif isinstance(event, Delivered):
            if isinstance(event.content, StatusReport):
                self._reported(event.content.status)
            writer = self._writer

            def answer(taken: bool) -> None:
                if writer is not None and writer is self._writer:  # answer only on the connection of the delivery
                    self._write(event.taken if taken else event.refused)

            await self._callbacks.deliver(event, answer)
        elif isinstance(event, Asks):
            self._write(event.answer)
        elif isinstance(event, Closes):
            self._answer_of_end = event.answer
            self._closing.set()
        elif isinstance(event, Unexpected):
            self._skipped.skip("unexpected", pdu.command, "a carrier has no reason to send it")

    def _reported(self, status: str) -> None:
        state = outcome(status)
        if state is not None:
            code = ascii(status.strip().upper()[:LONGEST_CODE])[1:-1]
            self._figures.reported(code, state is DeliveryState.DELIVERED, self._clock.monotonic())

    def _skip(self, frame: bytes, error: FrameError) -> None:
        """Skip an unreadable frame; answers what it delivers and ends the part whose SUBMIT it answers."""
        unknown = isinstance(error, UnknownCommandError)
        command = int.from_bytes(frame[4:8], "big")
        self._skipped.skip("unknown" if unknown else "unreadable", command, str(error))
        answered, answer = self._dialect.unreadable(frame, unknown)
        if answer is not None:
            self._write(answer)
        if answered is not None:
            self._answered(answered)

    async def _drain(self) -> None:
        """After the carrier's wish to close, read the answers due, then answer it. Ends with a ProtocolError."""
        await self._closing.wait()
        self._give_back()
        deadline = self._clock.monotonic() + DRAIN
        while self._waiting and self._clock.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self._write(self._answer_of_end)
        self._flush()
        raise ProtocolError(states.CLOSED_AT_REQUEST)

    def _answered(self, answer: Answered) -> None:
        meaning = self._answers.meaning(answer.result or 0)
        self._note(answer, meaning)
        part = self._asked(answer.sequence)
        if part is None:
            return
        if answer.result is None:
            # The carrier has received the part, so it is not sent again; its report may settle it.
            self._finish(part, DeliveryState.MAYBE_SENT, answer.carrier_id, "")
        elif answer.result == 0:
            self._throttled = 0
            self._finish(part, DeliveryState.SUBMITTED, answer.carrier_id, "")
        elif meaning is Meaning.PAUSE and part.throttled < MOST_THROTTLED:
            part.throttled += 1
            metrics.THROTTLED.labels(self._channel.name).inc()
            if self._clock.monotonic() >= self._paused_until:  # throttled answers of one window count once
                self._throttled += 1
                pause = THROTTLING.pause(self._throttled) * (0.75 + self._random.random() / 2)
                self._paused_until = self._clock.monotonic() + pause
            part.tries -= 1  # the carrier has refused this SUBMIT, so it does not count
            self._again(part)
        elif meaning is Meaning.RETRY and part.refusals + 1 < self._channel.tries:
            part.refusals += 1
            part.tries -= 1
            self._later[part.sequence] = part, self._clock.monotonic() + RETRY_AFTER
        else:
            part.elsewhere = meaning is not Meaning.FINAL
            self._finish(part, DeliveryState.REFUSED, None, f"result {answer.result}")
        self._go_on()

    def _note(self, answer: Answered, meaning: Meaning) -> None:
        """Count an answer that came in time."""
        _, due = self._waiting.get(answer.sequence, (None, None))
        if due is None or answer.result is None:
            return
        now = self._clock.monotonic()
        after = now - due + self._channel.answer_wait
        if answer.result == 0:
            self._figures.accepted(after, now)
        elif meaning is Meaning.PAUSE:
            self._figures.throttled += 1
        else:
            self._figures.refused(f"result {answer.result}", after, now)

    def _asked(self, sequence: int) -> Part | None:
        """Remove and return the part whose SUBMIT had this number; None if no part waits for this answer."""
        self._useful = True
        part = self._waiting.pop(sequence, (None, 0.0))[0]
        if part is None:
            # The answer is late: if the part is queued to be sent again, that is no longer needed.
            part = next((p for p in self._queue if p.sequence == sequence and p.tries), None)
            if part is not None:
                self._queue.remove(part)
        return part

    def _again(self, part: Part) -> None:
        """Put a part back at the front of the queue, in the order of first sending."""
        at = next((i for i, other in enumerate(self._queue) if other.sequence > part.sequence), len(self._queue))
        self._queue.insert(at, part)

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        while True:
            while not self._may_send(writer):
                self._turn.clear()
                await self._turn.wait()
            await self._wait_turn()
            if not self._may_send(writer):  # during the wait, a late answer came or the link began to close
                continue
            part = self._queue.popleft()
            refused = self._gate.refusal(part)
            if refused is not None:
                self._finish(part, refused if part.tries == 0 else DeliveryState.MAYBE_SENT, None, "")
                continue
            if part.tries:
                metrics.RESENT.labels(self._channel.name).inc()
            part.tries += 1
            part.submitted_at = part.submitted_at or self._clock.wall()
            self._waiting[part.sequence] = (part, self._clock.monotonic() + self._channel.answer_wait)
            self._figures.sent += 1
            at = datetime.fromtimestamp(part.submitted_at / 1000, CHINA)
            self._put(self._dialect.numbered(part.frame, part.sequence, at))
            if writer.transport.get_write_buffer_size():
                async with asyncio.timeout(self._channel.answer_wait):
                    await writer.drain()

    def _may_send(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the next part may be written. Not on a closing connection, which would drop it."""
        if not self._queue or not self._open or not self.connected or writer.is_closing():
            return False
        alone = self._queue[0].alone or any(part.alone for part, _ in self._waiting.values())
        return len(self._waiting) < (1 if alone else self._channel.window)

    async def _wait_turn(self) -> None:
        """Wait for the end of the pause, then for the rate, and last for the gate, so that its answer is fresh."""
        while True:
            pause = self._paused_until - self._clock.monotonic()
            delay = pause if pause > 0 else take(self._buckets, self._clock.monotonic())
            if delay > 0:
                await asyncio.sleep(min(delay, MOST_WAIT))
                continue
            while self._gate.stale:
                await asyncio.sleep(0.02)
            return

    async def _watch(self) -> None:
        """Handle overdue answers and parts to try again, and test the link after silence."""
        channel = self._channel
        tick = min(1.0, channel.answer_wait / 10, channel.link_test / 10)
        tested = 0.0
        while True:
            await asyncio.sleep(tick)
            now = self._clock.monotonic()
            overdue = [(part, due) for part, due in self._waiting.values() if due <= now]
            # Nothing has come since a SUBMIT: a test tells whether the carrier left it unanswered or the link is dead.
            silent = any(self._heard <= due - channel.answer_wait for _, due in overdue)
            if overdue and not silent:
                self._unanswered([part for part, _ in overdue])
            due = [part for part, at in self._later.values() if at <= now]
            for part in due:
                del self._later[part.sequence]
                self._queue.append(part)
            if due:
                self._go_on()
            wait = channel.answer_wait if self._tests else 0.0 if silent else channel.link_test
            if now - max(self._heard, tested) >= wait:
                if self._tests >= channel.tries:
                    raise ProtocolError(states.UNANSWERED)
                question = self._dialect.test(self._next())
                if question is not None:
                    self._tests, tested = self._tests + 1, now
                    self._write(question)
                elif silent:
                    self._unanswered([part for part, _ in overdue])

    def _unanswered(self, parts: list[Part]) -> None:
        """Count a silence for each of these parts, and queue it again if it may be sent again."""
        for part in parts:
            del self._waiting[part.sequence]
            part.silences += 1
            part.alone = False  # the carrier did not answer, but did not close the link either
            if part.may_repeat(self._channel.tries):
                self._queue.append(part)  # at the end, so that other parts do not wait for it again
            else:
                self._finish(part, DeliveryState.MAYBE_SENT, None, "")
        self._go_on()

    def _next(self) -> int:
        """A sequence number of its own for a request that is no SUBMIT."""
        self._sequence = self._sequence % MOST_SEQUENCE + 1
        return self._sequence

    def _write(self, pdu: Any) -> None:
        if self._writer is not None:
            self._put(self._dialect.codec.encode(pdu))

    def _put(self, frame: bytes) -> None:
        self._trace(frame, outgoing=True)
        if not self._frames:
            asyncio.get_running_loop().call_soon(self._flush)
        self._frames.append(frame)

    def _flush(self) -> None:
        frames, self._frames = self._frames, []
        if frames and self._writer is not None:
            self._writer.write(b"".join(frames))

    def _finish(self, part: Part, state: DeliveryState, carrier_id: str | None, status: str) -> None:
        part.state, part.carrier_id, part.status = state, carrier_id, status
        self._callbacks.part_back(part)

    def _lost(self) -> None:
        if self._writer is None:
            return
        self._writer, self._since = None, self._clock.wall()
        self._frames.clear()
        metrics.LINKS.labels(self._channel.name).dec()
        for part, _ in self._waiting.values():
            part.again, part.alone = part.may_repeat(self._channel.tries), True
            self._finish(part, DeliveryState.MAYBE_SENT, None, "")
        self._waiting.clear()
        self._give_back()

    def _give_back(self) -> None:
        """Return all queued parts to the agent, to be sent over another link."""
        queue, self._queue = [*self._queue, *(part for part, _ in self._later.values())], deque()
        self._later.clear()
        for part in queue:
            part.again = True
            self._finish(part, DeliveryState.MAYBE_SENT if part.tries else DeliveryState.SUBMITTING, None, "")
