"""Our own connection to an SGIP port, over which it gets reports and replies.

SGIP's gateway connects to the provider to deliver. We keep one connection to each account that has an address for it,
log in with the account's name and secret, and open the connection again when the port closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from msgspec.structs import replace

from pipeline.actions.senders.dialects.dialect import CHINA
from pipeline.actions.status.link_deliveries import Reply, Report
from pipeline.actions.tracing.recorder import Recorder, of_account
from pipeline.errors import AntispamError
from pipeline.ingest.links.account import Account
from pipeline.ingest.links.sgip_dialect import NODE, SgipDialect
from pipeline.process.backoff import Backoff
from pipeline.protocols import sgip
from pipeline.protocols.frames import FrameError
from pipeline.protocols.sgip import SGIP, SequenceNumber

WINDOW = 32  # unanswered requests (SGIP 1.2)
ANSWER = 30.0  # seconds
CALLED = 0  # the number of such a link; those that ports open begin at 1
AGAIN = Backoff(first=1.0, longest=60.0)
_TO_PROVIDER = 2  # login type
_log = structlog.get_logger()


class SgipCaller:
    """The connection to one account. Its methods run in the event loop."""

    protocol = "sgip"

    def __init__(
        self,
        account: Account,
        answered: Callable[[int, bool | None], None],
        clock: Callable[[], float],
        recorder: Recorder | None = None,
    ) -> None:
        """`recorder` notes the frames after the login."""
        self._recorder = recorder
        self.owner = account
        self._answered, self._clock = answered, clock
        self._dialect = SgipDialect()
        self._writer: asyncio.StreamWriter | None = None
        self._counter = 0
        self._open: dict[bytes, tuple[int | None, float]] = {}  # token (None: the login) and deadline, by sequence
        self.receives = False
        self._failures = 0

    @property
    def free(self) -> int:
        """How many reports and replies may be delivered now."""
        return max(0, WINDOW - len(self._open)) if self.receives else 0

    def deliver(self, token: int, content: Report | Reply) -> None:
        """Deliver a report or reply; `answered` gets the token."""
        try:
            self._request(self._dialect.delivery(content), token)
        except AntispamError as error:
            _log.warning("not_delivered", protocol=self.protocol, account=self.owner.name, cause=str(error))
            self._answered(token, False)

    def tick(self) -> None:
        """Close a connection whose port does not answer in time."""
        if any(self._clock() >= deadline for _, deadline in self._open.values()) and self._writer is not None:
            self._writer.transport.abort()

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        host, _, port = self.owner.sgip_deliver.rpartition(":")
        while True:
            try:
                async with asyncio.timeout(ANSWER):
                    reader, self._writer = await asyncio.open_connection(host.strip("[]"), int(port))
                await self._serve(reader)
            except (OSError, TimeoutError, AntispamError) as error:
                self._failures += 1
                if self._failures == 1:
                    _log.warning("sgip_port_away", account=self.owner.name, cause=str(error) or type(error).__name__)
            finally:
                self._lost()
            await asyncio.sleep(AGAIN.pause(max(1, self._failures)))

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        bind = sgip.Bind(
            sequence=bytes(12),
            login_type=_TO_PROVIDER,
            login_name=self.owner.name,
            login_password=self.owner.secret.decode("latin-1"),
        )
        self._request(bind, None)
        frames = SGIP.frames()
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                self._trace(frame, outgoing=False)
                with suppress(FrameError):  # what cannot be read is no answer; its request runs out of time
                    self._take(SGIP.decode(frame))
        if not self.receives:
            raise ConnectionResetError("closed before the login was answered")

    def _take(self, pdu: Any) -> None:
        if isinstance(pdu, sgip.Unbind):
            self._write(sgip.UnbindResp(sequence=pdu.sequence))
        elif pdu.sequence in self._open and isinstance(pdu, sgip.BindResp | sgip.ReportResp | sgip.DeliverResp):
            token, _ = self._open.pop(pdu.sequence)
            if token is not None:
                self._answered(token, pdu.result == 0)
                return
            self.receives = pdu.result == 0
            if self.receives:
                self._failures = 0
                _log.info("sgip_port_reached", account=self.owner.name)
            elif self._writer is not None:
                raise ConnectionRefusedError(f"login refused: {pdu.result}")

    def _request(self, pdu: Any, token: int | None) -> None:
        self._counter = (self._counter + 1) & 0xFFFF_FFFF
        # A peer may read the time and write it again: only a true one comes back as it was.
        stamp = int(datetime.now(CHINA).strftime("%m%d%H%M%S"))
        sequence = SequenceNumber(NODE, stamp, self._counter).octets()
        self._write(replace(pdu, sequence=sequence))
        self._open[sequence] = token, self._clock() + ANSWER

    def _write(self, pdu: sgip.Pdu) -> None:
        if self._writer is not None:
            frame = SGIP.encode(pdu)
            self._trace(frame, outgoing=True)
            self._writer.write(frame)

    def _trace(self, frame: bytes, *, outgoing: bool) -> None:
        if self._recorder is not None and self._recorder.traces and self.receives:
            self._recorder.note(of_account(self.owner.name), CALLED, SGIP, frame, outgoing=outgoing)

    def _lost(self) -> None:
        """The connection is gone: what the port has not answered is to be delivered again."""
        self.receives = False
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        unanswered = [token for token, _ in self._open.values() if token is not None]
        self._open.clear()
        for token in unanswered:
            self._answered(token, None)
