"""What the carrier protocols share: frames that begin with their own length, and fixed-width fields.

All integers are unsigned and big endian; a text field is padded with NUL, by some peers with spaces.
Bytes come from outside: a length is checked before it is believed. A frame that cannot be read costs itself
only (`FrameError`): its length says where the next one begins. Only a length that cannot be (`StreamError`)
ends a connection.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.errors import AntispamError


class ProtocolError(AntispamError):
    """Bytes that are no message of the protocol, or a message that cannot be put into bytes."""


class StreamError(ProtocolError):
    """A length that cannot be: nobody knows where the next frame begins."""


class FrameError(ProtocolError):
    """A whole frame that cannot be read. `offset` is the octet in it where reading failed."""

    def __init__(self, fault: str, offset: int) -> None:
        super().__init__(f"{fault} (at octet {offset})")
        self.offset = offset


class UnknownCommandError(FrameError):
    """A frame of a command that the codec does not have."""


class Frames:
    """Cuts a byte stream into frames; a frame is its 4-byte length, itself included, and what follows."""

    def __init__(self, shortest: int, longest: int) -> None:
        self._shortest = shortest
        self._longest = longest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete with these bytes. Raises StreamError at an impossible length.

        The frames before that length are given out first.
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

    The code is one of `struct` for an integer (B, I, Q), `<n>s` for a text of at most n octets, `<n>b` for
    exactly n octets. Texts are Latin-1, so that whatever a peer sends can be shown and sent back.
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
        """The fields at this place, by name. Raises FrameError when the bytes end before they do."""
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
    """A text of at most `width` octets, unpadded. Raises ProtocolError without quoting it: it may be a number."""
    try:
        value = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ProtocolError(f"{name}: characters beyond Latin-1") from None
    if len(value) > width:
        raise ProtocolError(f"{name}: {len(value)} octets, at most {width}")
    if value and (0 in value or value[-1:] == b" "):
        raise ProtocolError(f"{name}: NUL or a space at its end, which the padding would swallow")
    return value


def field_text(value: bytes) -> str:
    """A padded text field without its padding: cut at the first NUL, then spaces."""
    return value.split(b"\0", 1)[0].rstrip(b" ").decode("latin-1")
