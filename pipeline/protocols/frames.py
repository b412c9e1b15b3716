"""Common parts of the carrier protocols: frames that begin with their own length, and fixed-width fields.

All integers are unsigned and big endian. A text field is padded with NUL, by some peers with spaces. The bytes come
from outside, so a length is checked before use. An unreadable frame (`FrameError`) is skipped, because its length
gives the beginning of the next frame. Only an impossible length (`StreamError`) ends a connection.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

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


class Layout:
    """Fixed-width fields in order, each `(name, code)`.

    The code is a `struct` code for an integer (B, I, Q), `<n>s` for a text of at most n octets, or `<n>b` for exactly n
    octets. Texts are Latin-1, so every octet of a peer can be shown and sent back.
    """

    def __init__(self, *fields: tuple[str, str]) -> None:
        self._fields = [(name, code[-1], int(code[:-1] or 1)) for name, code in fields]
        self._struct = struct.Struct(">" + "".join(code.replace("b", "s") for _, code in fields))
        self.size = self._struct.size

    def pack(self, source: object) -> bytes:
        """The fields of an object as bytes. Raises ProtocolError for a value that does not fit."""
        values: list[Any] = []
        for name, kind, width in self._fields:
            value = getattr(source, name)
            if kind == "s":
                value = text_field(value, width, name)
            elif kind == "b" and len(value) != width:
                raise ProtocolError(f"{name}: {len(value)} octets, {width} expected")
            values.append(value)
        try:
            return self._struct.pack(*values)
        except struct.error:
            raise ProtocolError(f"a number is too large for its field: {self._numbers(values)}") from None

    def unpack(self, data: bytes, offset: int = 0) -> dict[str, Any]:
        """The fields at this offset, by name. Raises FrameError if the bytes end before the fields."""
        if len(data) - offset < self.size:
            raise FrameError(f"{len(data)} octets, at least {offset + self.size} expected", len(data))
        values = self._struct.unpack_from(data, offset)
        return {
            name: field_text(value) if kind == "s" else value
            for (name, kind, _), value in zip(self._fields, values, strict=True)
        }

    def _numbers(self, values: Sequence[Any]) -> str:
        return ", ".join(
            f"{name}={value}" for (name, kind, _), value in zip(self._fields, values, strict=True) if kind not in "sb"
        )


def text_field(text: str, width: int, name: str) -> bytes:
    """A text of at most `width` octets, without padding. The ProtocolError does not quote it: it may be a number."""
    try:
        value = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ProtocolError(f"{name}: characters beyond Latin-1") from None
    if len(value) > width:
        raise ProtocolError(f"{name}: {len(value)} octets, at most {width}")
    if value and (0 in value or value[-1:] == b" "):
        raise ProtocolError(f"{name}: has NUL, or ends in a space; the receiver would take it for padding")
    return value


def field_text(value: bytes) -> str:
    """The text of a padded field: cut at the first NUL, then without trailing spaces."""
    return value.split(b"\0", 1)[0].rstrip(b" ").decode("latin-1")
