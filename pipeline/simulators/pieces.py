"""Frames on a connection, some of them in two pieces with a pause in between."""

from __future__ import annotations

import asyncio
from random import Random

PAUSE = 0.01  # seconds


class Pieces:
    """Writes frames in order. `share` (0 to 1) of them come in two pieces, cut anywhere."""

    def __init__(self, writer: asyncio.StreamWriter, share: float, random: Random) -> None:
        self._writer, self._share, self._random = writer, share, random
        self._held = bytearray()  # behind the first piece of a frame

    def write(self, frame: bytes) -> None:
        """Write a frame, or nothing on a closing connection."""
        if self._held:
            self._held += frame
        elif self._share and self._random.random() < self._share:
            cut = self._random.randrange(1, len(frame))
            self._held += frame[cut:]
            self._send(frame[:cut])
            asyncio.get_running_loop().call_later(PAUSE, self._rest)
        else:
            self._send(frame)

    def _rest(self) -> None:
        held, self._held = bytes(self._held), bytearray()
        self._send(held)

    def _send(self, octets: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(octets)
