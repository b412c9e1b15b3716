"""Where an SGIP carrier's own connections arrive, with reports and subscribers' messages.

The carrier logs in with login type 2 and the account's name and password. Like over a link, nothing is answered before
it is stored, and a frame that cannot be read costs itself only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hmac import compare_digest
from typing import Any

import structlog

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.dialect_of_channel import dialect_of
from pipeline.actions.senders.dialects.dialect import Asks, Closes, Delivered
from pipeline.actions.senders.links.skipped_frames import SkippedFrames
from pipeline.process.backoff import Backoff
from pipeline.protocols import sgip
from pipeline.protocols.frames import FrameError, ProtocolError, UnknownCommandError
from pipeline.protocols.sgip import SGIP

LOGIN_WAIT = 10.0  # seconds
IDLE = 300.0  # seconds without a frame after which a connection is closed
MOST = 16  # connections
READ = 65_536  # octets
AGAIN = Backoff(first=1.0, longest=30.0)  # pauses while the address is taken, by another sender of this channel say
_TO_PROVIDER = (2, 11)  # login types of a gateway, and of a test
_REFUSED, _TOO_MANY, _BAD_TYPE = 1, 3, 4
_log = structlog.get_logger()

Deliver = Callable[[Delivered, Callable[[bool], None]], Awaitable[None]]


class SgipListener:
    """The listening address of one channel. `deliver` and `clock` (seconds) are as in a link."""

    def __init__(self, channel: Channel, deliver: Deliver, clock: Callable[[], float], secret: bytes) -> None:
        self._channel, self._secret, self._deliver, self._clock = channel, secret, deliver, clock
        self._dialect = dialect_of(channel)
        self._connections = 0
        self.port = 0  # that it listens on; 0: not yet

    async def run(self) -> None:
        """Listen until cancelled."""
        host, _, port = self._channel.listen.rpartition(":")
        failures = 0
        while True:
            try:
                server = await asyncio.start_server(self._serve, host.strip("[]"), int(port))
            except OSError as error:
                failures += 1
                _log.warning(
                    "not_listening", channel=self._channel.name, address=self._channel.listen, cause=str(error)
                )
                await asyncio.sleep(AGAIN.pause(failures))
                continue
            self.port = server.sockets[0].getsockname()[1]
            _log.info("listening", channel=self._channel.name, address=self._channel.listen)
            async with server:
                await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        skipped = SkippedFrames(self._channel.name, self._connections, self._clock)
        try:
            await self._session(reader, writer, skipped)
        except asyncio.CancelledError:  # the role ends; asyncio would log it as an error
            return
        except (OSError, TimeoutError, ProtocolError) as error:
            cause = str(error) or type(error).__name__
            _log.warning("carrier_connection_ended", channel=self._channel.name, cause=cause)
        finally:
            self._connections -= 1
            with suppress(OSError):
                writer.close()

    async def _session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, skipped: SkippedFrames
    ) -> None:
        frames, logged_in = SGIP.frames(), False
        while True:
            async with asyncio.timeout(IDLE if logged_in else LOGIN_WAIT):
                data = await reader.read(READ)
            if not data:
                return
            for frame in frames.feed(data):
                try:
                    pdu: Any = SGIP.decode(frame)
                except FrameError as error:
                    unknown = isinstance(error, UnknownCommandError)
                    skipped.skip("unknown" if unknown else "unreadable", int.from_bytes(frame[4:8], "big"), str(error))
                    _, answer = self._dialect.unreadable(frame, unknown)
                    if answer is not None and logged_in:
                        writer.write(SGIP.encode(answer))
                    continue
                if isinstance(pdu, sgip.Bind):
                    result = self._result(pdu)
                    logged_in = result == 0
                    writer.write(SGIP.encode(sgip.BindResp(sequence=pdu.sequence, result=result)))
                    if result != 0:
                        raise ProtocolError(f"the carrier's login is refused: {result}")
                elif not logged_in:
                    raise ProtocolError("the carrier did not log in first")
                elif not await self._take(pdu, writer, skipped):
                    return
            if writer.transport.get_write_buffer_size():  # a carrier that does not read is not read either
                async with asyncio.timeout(self._channel.answer_wait):
                    await writer.drain()

    def _result(self, bind: sgip.Bind) -> int:
        if bind.login_type not in _TO_PROVIDER:
            return _BAD_TYPE
        if self._connections > MOST:
            return _TOO_MANY
        named = compare_digest(bind.login_name.encode("latin-1"), self._channel.account.encode())
        proved = compare_digest(bind.login_password.encode("latin-1"), self._secret)
        return 0 if named and proved else _REFUSED

    async def _take(self, pdu: Any, writer: asyncio.StreamWriter, skipped: SkippedFrames) -> bool:
        """Take a message of the carrier; False if it wants to close."""
        event = self._dialect.event(pdu)
        if isinstance(event, Delivered):

            def answer(taken: bool) -> None:
                if not writer.is_closing():
                    writer.write(SGIP.encode(event.taken if taken else event.refused))

            await self._deliver(event, answer)
        elif isinstance(event, Asks):
            writer.write(SGIP.encode(event.answer))
        elif isinstance(event, Closes):
            writer.write(SGIP.encode(event.answer))
            await writer.drain()
            return False
        else:
            skipped.skip("unexpected", pdu.command, "a carrier has no reason to send it")
        return True
