"""Optional parameters at the end of a message: tag, length, value (SMPP, SMGP, CNGP)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.protocols.fields import Field
from pipeline.protocols.frames import FrameError, ProtocolError

_HEAD = 4  # octets of tag and length


class Tlv(NamedTuple):
    """One parameter."""

    tag: int
    value: bytes


class Parameter(NamedTuple):
    """A parameter of the specification: its value has `least` to `most` octets, and is a number or not."""

    name: str
    least: int
    most: int
    numeric: bool = False


def number(name: str, width: int = 1) -> Parameter:
    """A parameter that is a number of this many octets."""
    return Parameter(name, width, width, numeric=True)


class Tlvs(Field):
    """The parameters from here to the end of the frame.

    Parameters that are not `known` are kept as they are. Up to 3 octets at the end cannot be a parameter: they are
    surplus.
    """

    def __init__(self, known: Mapping[int, Parameter]) -> None:
        self.known = known

    def pack(self, value: Any, name: str, source: object) -> bytes:
        for tag, octets in value:
            if not 0 <= tag <= 0xFFFF or len(octets) > 0xFFFF:
                raise ProtocolError(f"{name}: tag {tag:#06x} with {len(octets)} octets does not fit")
        fault = self.implausible(value)
        if fault is not None:
            raise ProtocolError(f"{name}: {fault}")
        return b"".join(tag.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets for tag, octets in value)

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        found = []
        while len(data) - at >= _HEAD:
            begin = at + _HEAD
            end = begin + int.from_bytes(data[at + 2 : begin], "big")
            if end > len(data):
                raise FrameError(f"frame of {len(data)} octets, but a parameter ends at {end}", at)
            found.append(Tlv(int.from_bytes(data[at : at + 2], "big"), data[begin:end]))
            at = end
        return tuple(found), at

    def implausible(self, value: Any) -> str | None:
        for tag, octets in value:
            known = self.known.get(tag)
            if known is not None and not known.least <= len(octets) <= known.most:
                return f"{known.name} has {len(octets)} octets, {known.least} to {known.most} expected"
        return None

    def plain(self, tlvs: tuple[Tlv, ...]) -> dict[str, Any]:
        """The parameters by name (by tag where it is not known): numbers, or octets in hex."""
        shown: dict[str, Any] = {}
        for tag, octets in tlvs:
            known = self.known.get(tag)
            name = known.name if known is not None else f"{tag:#06x}"
            value = int.from_bytes(octets, "big") if known is not None and known.numeric else octets.hex()
            if name in shown:
                name = f"{name} ({sum(key.split(' ')[0] == name for key in shown) + 1})"
            shown[name] = value
        return shown


def first(tlvs: tuple[Tlv, ...], tag: int) -> bytes | None:
    """The value of the first parameter with this tag."""
    return next((octets for found, octets in tlvs if found == tag), None)
