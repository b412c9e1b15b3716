"""The wire between a sender and a carrier: slow, cut in the middle of a frame, or dead without a word."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class Wire:
    """Listens on `port` and passes all octets to and from the carrier at `far`, each way after `delay` seconds."""

    def __init__(self, far: int, delay: float = 0.0) -> None:
        self.port, self.lost = 0, 0
        self._far, self._delay = far, delay
        self._pairs: list[_Pair] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for pair in self._pairs:
            pair.end()

    def cut(self, to_carrier: bool) -> None:
        """Cut the longest connected link in the middle of the next octets of this direction."""
        for pair in self._pairs[:1]:
            pair.cut = to_carrier

    def silence(self) -> None:
        """Let all connections of now pass nothing more, without their ends being told."""
        for pair in self._pairs:
            pair.dead = True
            self.lost += 1
        self._pairs = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
        except OSError:
            writer.close()
            return
        pair = _Pair((writer, far_writer))
        self._pairs.append(pair)
        with suppress(OSError):
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(reader, far_writer, pair, to_carrier=True)),
                    asyncio.ensure_future(self._pass(far_reader, writer, pair, to_carrier=False)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        pair.end()
        if pair in self._pairs:
            self._pairs.remove(pair)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair, *, to_carrier: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while octets := await reader.read(65_536):
                if pair.dead:
                    continue
                if pair.cut is to_carrier:
                    self.lost += 1
                    writer.write(octets[: len(octets) // 2 + 1])
                    return
                if self._delay:
                    loop.call_later(self._delay, _write, writer, octets)
                else:
                    _write(writer, octets)


class _Pair:
    """Both connections of one link."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._writers = writers
        self.cut: bool | None = None
        self.dead = False

    def end(self) -> None:
        for writer in self._writers:
            writer.close()


def _write(writer: asyncio.StreamWriter, octets: bytes) -> None:
    if not writer.is_closing():
        writer.write(octets)
