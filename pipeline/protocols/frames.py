"""Frames of the carrier protocols, which begin with their own length, and what can be wrong with them.

The bytes come from outside, so a length is checked before use. An unreadable frame (`FrameError`) is skipped, because
its length gives the beginning of the next frame. Only an impossible length (`StreamError`) ends a connection.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import AntispamError


class ProtocolError(AntispamError):
    """Bytes are not a message of the protocol, or a message cannot be encoded."""


class StreamError(ProtocolError):
    """A frame has an impossible length, so the beginning of the next frame is unknown."""


class FrameError(ProtocolError):
    """A whole frame cannot be read. `offset` is the octet of the frame where reading failed."""

    def __init__(self, fault: str, offset: int) -> None:
        super().__init__(f"{fault} (at octet {offset})")
        self.offset = offset


class UnknownCommandError(FrameError):
    """The codec does not know the command of a frame."""


class Frames:
    """Cuts a byte stream into frames. A frame begins with its length in 4 bytes, which counts these bytes too."""

    def __init__(self, shortest: int, longest: int) -> None:
        self._shortest = shortest
        self._longest = longest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add these bytes and yield the complete frames. Raises StreamError at an impossible length.

        The frames before the impossible length are yielded first.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= 4:
                length = int.from_bytes(buffer[start : start + 4], "big")
                if not self._shortest <= length <= self._longest:
                    raise StreamError(f"frame of {length} octets; {self._shortest} to {self._longest} expected")
                if len(buffer) - start < length:
                    return
                start += length
                yield bytes(buffer[start - length : start])
        finally:
            del buffer[:start]
