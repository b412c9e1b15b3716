"""Messages of a protocol for hypothesis: every value that the field tables allow, and frames that they do not."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec
from hypothesis import strategies as st

from pipeline.protocols.codec import Codec
from pipeline.protocols.fields import Counted, CText, Field, Int, Nested, Octets, Sized, Spare, Text, Versions
from pipeline.protocols.smpp import Destination
from pipeline.protocols.tlvs import Tlv, Tlvs

START = 8


@cache  # making a strategy takes longer than drawing from it
def pdus(codec: Codec[Any], version: int = 0) -> st.SearchStrategy[Any]:
    """Any message that this codec can encode."""
    return st.one_of([_structs(kind, version) for kind in codec.kinds.values()])


@cache
def frames(codec: Codec[Any], version: int = 0) -> st.SearchStrategy[bytes]:
    """Frames whose length is true: of any command, of known commands with any body, and cut or altered messages."""
    bodies = st.binary(min_size=codec.shortest - START, max_size=400)
    whole = pdus(codec, version).map(codec.encode)
    return st.one_of(
        st.builds(framed, st.integers(0, (1 << 32) - 1), bodies),
        st.builds(framed, st.sampled_from(sorted(codec.kinds)), bodies),
        st.builds(
            lambda frame, n: framed(int.from_bytes(frame[4:8], "big"), frame[START : max(codec.shortest, n)]),
            whole,
            st.integers(0, 300),
        ),
        st.builds(_altered, whole, st.integers(START, 300), st.integers(0, 255)),
        st.builds(lambda frame, more: framed(int.from_bytes(frame[4:8], "big"), frame[8:] + more), whole, st.binary()),
    )


def framed(command: int, body: bytes) -> bytes:
    """A frame with its true length; the rest of the header is in the body."""
    return (START + len(body)).to_bytes(4, "big") + command.to_bytes(4, "big") + body


def _altered(frame: bytes, at: int, octet: int) -> bytes:
    return frame[:at] + bytes((octet,)) + frame[at + 1 :] if at < len(frame) else frame


def _structs(kind: type[msgspec.Struct], version: int) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {}
    for name in kind.__struct_fields__:
        field = get_args(hints[name])[1]
        if isinstance(field, Versions):
            field = field.fields[version]
        if field is not None:
            fields[name] = values(field)
    return st.builds(kind, **fields)


def values(field: Field) -> st.SearchStrategy[Any]:
    """The values that a field may carry."""
    if isinstance(field, Int):
        return _integers(field.allowed)
    if isinstance(field, Spare):
        return values(field.field)
    if isinstance(field, Octets):
        return st.binary(min_size=field.width, max_size=field.width)
    if isinstance(field, Text | CText):
        most = field.width if isinstance(field, Text) else field.most - 1
        characters = st.characters(min_codepoint=1, max_codepoint=255)
        return st.text(characters, min_size=field.least, max_size=most).filter(lambda text: not text.endswith(" "))
    if isinstance(field, Sized):
        return st.binary(max_size=min(field.most, 140))
    if isinstance(field, Counted):
        few = st.lists(values(field.item), min_size=field.least, max_size=min(field.most, 4))
        return few.map(tuple) | values(field.item).map(lambda item: (item,) * field.most)  # the longest, cheaply
    if isinstance(field, Nested):
        return _structs(field.kind, 0)
    if isinstance(field, Tlvs):
        return st.lists(_tlvs(field), max_size=4).map(tuple)
    assert isinstance(field, Destination)
    return st.one_of([_structs(kind, 0) for kind in field.kinds.values()])


def _tlvs(field: Tlvs) -> st.SearchStrategy[Tlv]:
    known = [
        st.builds(Tlv, st.just(tag), st.binary(min_size=parameter.least, max_size=min(parameter.most, 300)))
        for tag, parameter in field.known.items()
    ]
    strange = st.builds(Tlv, st.integers(0, 0xFFFF).filter(lambda tag: tag not in field.known), st.binary(max_size=40))
    return st.one_of(*known, strange)


def _integers(allowed: Any) -> st.SearchStrategy[int]:
    if isinstance(allowed, range):
        return st.integers(allowed[0], allowed[-1])
    if isinstance(allowed, tuple):
        return st.sampled_from(allowed)
    return st.builds(
        lambda *parts: int("".join(f"{part:02}" for part in parts)),
        st.integers(1, 12),
        st.integers(1, 31),
        st.integers(0, 23),
        st.integers(0, 59),
        st.integers(0, 60),
    )
