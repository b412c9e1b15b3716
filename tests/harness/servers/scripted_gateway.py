"""A CMPP 3.0 gateway of a carrier with a script of the test for each SUBMIT, byte by byte if necessary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP3


@dataclass(eq=False)
class GatewayLink:
    """One login. Data written after `end` is not sent."""

    number: int
    writer: asyncio.StreamWriter
    ended: bool = False
    delivers: int = 0

    def write(self, data: bytes) -> bool:
        """Write to the connection; False if the connection is closed."""
        if self.ended or self.writer.is_closing():
            return False
        self.writer.write(data)
        return True

    def end(self) -> None:
        """Close the gateway's direction. Written data still arrives; later requests are read but not answered."""
        if not self.ended and not self.writer.is_closing():
            self.ended = True
            self.writer.write_eof()

    def terminate(self) -> None:
        """Send TERMINATE."""
        self.write(CMPP3.encode(cmpp.Terminate(sequence=999)))


@dataclass(eq=False)
class Submitted:
    """One received SUBMIT with its position in `index`; `results` lists the results of its answers."""

    index: int
    link: GatewayLink
    pdu: cmpp.Submit
    msg_id: int
    results: list[int] = field(default_factory=list)

    @property
    def recipient(self) -> str:
        return self.pdu.recipients[0]

    def answer(self, result: int = 0) -> None:
        """Answer the SUBMIT if its link is open."""
        pdu = cmpp.SubmitResp(sequence=self.pdu.sequence, msg_id=self.msg_id, result=result)
        if self.link.write(CMPP3.encode(pdu)):
            self.results.append(result)

    def report(self, stat: str, recipient: str | None = None, link: GatewayLink | None = None) -> None:
        """Send a status report for the SUBMIT over its own link or another."""
        link = link or self.link
        link.delivers += 1
        body = cmpp.StatusReport(
            msg_id=self.msg_id,
            stat=stat,
            submit_time="2611281200",
            done_time="2611281200",
            recipient=recipient or self.recipient,
        )
        deliver = cmpp.Deliver(
            sequence=link.delivers,
            msg_id=1,
            dest_id=self.pdu.src_id,
            msg_fmt=0,
            src_terminal_id=self.recipient,
            registered_delivery=1,
            content=cmpp.encode_report(body, CMPP3),
        )
        link.write(CMPP3.encode(deliver))


Script = Callable[[Submitted], None]


class ScriptedGateway:
    """The gateway. It calls `script` with each SUBMIT and accepts every login. Start it with `async with`."""

    def __init__(self, script: Script) -> None:
        self.port = 0
        self.script = script
        self.submits: list[Submitted] = []
        self.links: list[GatewayLink] = []
        self.acknowledged: list[int] = []  # results in the answers to the gateway's DELIVERs
        self.terminated: list[int] = []  # links that answered the gateway's TERMINATE
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> ScriptedGateway:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for link in self.links:
            link.writer.close()

    def later(self, seconds: float, action: Callable[..., None], *arguments: object) -> None:
        """Call `action` after `seconds`."""
        asyncio.get_running_loop().call_later(seconds, action, *arguments)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = GatewayLink(len(self.links), writer)
        self.links.append(link)
        frames = CMPP3.frames()
        try:
            while data := await reader.read(65_536):
                for frame in frames.feed(data):
                    self._take(link, CMPP3.decode(frame))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            link.ended = True
            writer.close()

    def _take(self, link: GatewayLink, pdu: cmpp.Pdu) -> None:
        if isinstance(pdu, cmpp.Connect):
            answer = cmpp.ConnectResp(sequence=pdu.sequence, status=0, authenticator=bytes(16), version=cmpp.VERSION)
            link.write(CMPP3.encode(answer))
        elif isinstance(pdu, cmpp.Submit):
            submitted = Submitted(len(self.submits), link, pdu, 0x1000 + len(self.submits))
            self.submits.append(submitted)
            self.script(submitted)
        elif isinstance(pdu, cmpp.ActiveTest):
            link.write(CMPP3.encode(cmpp.ActiveTestResp(sequence=pdu.sequence)))
        elif isinstance(pdu, cmpp.DeliverResp):
            self.acknowledged.append(pdu.result)
        elif isinstance(pdu, cmpp.TerminateResp):
            self.terminated.append(link.number)
            link.end()
