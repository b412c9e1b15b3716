"""The user data header: elements before the text that say which part of which message this is, and for which port.

`length, (kind, size, data)*`; the length counts the octets behind itself. Kinds that are not known are skipped by their
size. A header that does not fit its message is malformed: the message is then read without it, and said to be suspect,
because handsets differ in what they show.

Source: GSM 03.40, 9.2.3.24.
"""

from __future__ import annotations

from dataclasses import dataclass

CONCATENATION_8, CONCATENATION_16 = 0x00, 0x08
PORTS_8, PORTS_16 = 0x04, 0x05
SINGLE_SHIFT, LOCKING_SHIFT = 0x24, 0x25
WAP_PUSH = 2948  # destination port of connectionless WAP push; the source port is not telling


@dataclass(frozen=True, slots=True)
class Concatenation:
    """The place of a part in a long message. Parts of one message have equal reference, total and width.

    `width`: octets of the reference. The same number in one and in two octets names two messages.
    """

    reference: int
    total: int
    number: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Header:
    """A header, and `size`, its octets with the length. `port` is the destination port."""

    size: int
    concatenation: Concatenation | None = None
    port: int | None = None
    single_shift: int = 0
    locking_shift: int = 0


def read_header(content: bytes) -> Header | None:
    """The header at the beginning of a content; None if it is malformed.

    Of an element that occurs again, the last counts (GSM 03.40). A concatenation with an impossible place is none.
    """
    size = content[0] + 1 if content else 1
    if len(content) < size:
        return None
    place: Concatenation | None = None
    port: int | None = None
    shifts = {SINGLE_SHIFT: 0, LOCKING_SHIFT: 0}
    at = 1
    while at < size:
        end = at + 2 + (content[at + 1] if at + 1 < size else size)
        if end > size:
            return None
        kind, data = content[at], content[at + 2 : end]
        if (kind, len(data)) in ((CONCATENATION_8, 3), (CONCATENATION_16, 4)):
            reference, total, number = int.from_bytes(data[:-2], "big"), data[-2], data[-1]
            place = Concatenation(reference, total, number, len(data) - 2) if 1 <= number <= total else None
        elif (kind, len(data)) == (PORTS_8, 2):
            port = data[0]
        elif (kind, len(data)) == (PORTS_16, 4):
            port = int.from_bytes(data[:2], "big")
        elif kind in shifts and len(data) == 1:
            shifts[kind] = data[0]
        at = end
    return Header(size, place, port, shifts[SINGLE_SHIFT], shifts[LOCKING_SHIFT])


def write_header(place: Concatenation, port: int | None = None) -> bytes:
    """The header of a part, for a destination port if one is given."""
    width = place.width
    kind = CONCATENATION_8 if width == 1 else CONCATENATION_16
    elements = bytes((kind, width + 2)) + place.reference.to_bytes(width, "big") + bytes((place.total, place.number))
    if port is not None:
        elements = bytes((PORTS_16, 4)) + port.to_bytes(2, "big") + bytes(2) + elements
    return bytes((len(elements),)) + elements
