"""One protocol, or one version of it: frames to messages and back.

Every frame of the five protocols begins with its length and its command, 4 octets each. The fields behind them, the
rest of the header and the body, are those of the message's struct, in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from pipeline.protocols.fields import Layout
from pipeline.protocols.frames import FrameError, Frames, ProtocolError, UnknownCommandError

RESPONSE = 0x8000_0000  # a response has the command of its request with this bit
_START = 8  # octets of length and command


class Pdu(msgspec.Struct, frozen=True, kw_only=True):
    """One message. The attributes of a protocol's base class are the rest of its header."""

    command: ClassVar[int]


P = TypeVar("P", bound=Pdu)


class Reading(NamedTuple, Generic[P]):
    """A message and how far its frame is from the specification.

    `surplus` are the octets behind its last field. `regular`: no field is missing, and none has the width of another
    version.
    """

    pdu: P
    surplus: bytes
    regular: bool


class Codec(Generic[P]):
    """The messages `kinds` of a protocol; `base` is their common class with the header's fields.

    `longest` bounds a frame, in octets. `version` chooses among the `Versions` of a field. A response of fixed width is
    read in the form of the version `other` if it has exactly that form's length, because gateways mix the two.
    """

    def __init__(
        self, name: str, base: type[P], kinds: Iterable[type[P]], longest: int, version: int = 0, other: int = 0
    ) -> None:
        self.name = name
        self._base, self._head = base, Layout.of(base)
        self.shortest, self._longest = _START + (self._head.size or 0), longest
        self.kinds = {kind.command: kind for kind in kinds}
        self._layouts = {kind: Layout.of(kind, version) for kind in self.kinds.values()}
        self._others: dict[tuple[type[P], int], Layout] = {}
        for kind, layout in self._layouts.items():
            alike = Layout.of(kind, other)
            if alike.size is not None and alike.size != layout.size:
                self._others[kind, _START + alike.size] = alike

    def frames(self) -> Frames:
        """Cuts a connection's bytes into frames for `decode`."""
        return Frames(self.shortest, self._longest)

    def encode(self, pdu: P) -> bytes:
        """The message as bytes. Raises ProtocolError for a value that the specification does not allow."""
        body = self._layouts[type(pdu)].pack(pdu)
        if _START + len(body) > self._longest:
            raise ProtocolError(f"frame of {_START + len(body)} octets, at most {self._longest}")
        return (_START + len(body)).to_bytes(4, "big") + pdu.command.to_bytes(4, "big") + body

    def decode(self, frame: bytes) -> P:
        """The message in a whole frame.

        Raises FrameError naming the fault and its place, and UnknownCommandError for a command without a field table.
        """
        return self.read(frame).pdu

    def read(self, frame: bytes) -> Reading[P]:
        """As `decode`, and what the frame has more or less than the specification says."""
        if len(frame) < self.shortest:
            raise FrameError(f"{len(frame)} octets, at least {self.shortest} expected", len(frame))
        length = int.from_bytes(frame[:4], "big")
        if length != len(frame):
            raise FrameError(f"frame of {len(frame)} octets has {length} in its length field", 0)
        command = int.from_bytes(frame[4:8], "big")
        kind = self.kinds.get(command)
        if kind is None:
            raise UnknownCommandError(f"unknown command {command:#010x}", 4)
        other = self._others.get((kind, len(frame)))
        values, end = (other or self._layouts[kind]).unpack(frame, _START)
        return Reading(kind(**values), frame[end:], other is None and end <= len(frame))

    def head(self, frame: bytes) -> tuple[int, P]:
        """Command and header of a frame from `frames`, also if its body cannot be read."""
        values, _ = self._head.unpack(frame, _START)
        return int.from_bytes(frame[4:8], "big"), self._base(**values)

    def implausible(self, pdu: P) -> str | None:
        """The first value in a message that the specification does not allow; None if all are allowed."""
        return self._layouts[type(pdu)].implausible(pdu)
