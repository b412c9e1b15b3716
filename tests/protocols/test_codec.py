"""What every codec promises: messages come back as they were, and a bad frame costs itself only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.cmpp import CMPP2, CMPP3
from pipeline.protocols.cngp import CNGP
from pipeline.protocols.codec import Codec
from pipeline.protocols.frames import FrameError, StreamError
from pipeline.protocols.sgip import SGIP
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.smpp import SMPP
from tests.harness.pdus import frames, pdus

VERSIONS: list[tuple[Codec[Any], int]] = [(CMPP2, 0), (CMPP3, 1), (SGIP, 0), (SMGP, 0), (CNGP, 0), (SMPP, 0)]
every_codec = pytest.mark.parametrize(("codec", "version"), VERSIONS, ids=[codec.name for codec, _ in VERSIONS])


@every_codec
@given(data=st.data())
def test_every_message_comes_back_as_it_was(codec: Codec[Any], version: int, data: st.DataObject) -> None:
    pdu = data.draw(pdus(codec, version))
    reading = codec.read(codec.encode(pdu))
    assert reading == (pdu, b"", True)
    assert codec.implausible(pdu) is None or "printable" in str(codec.implausible(pdu))


def _read(codec: Codec[Any], frame: bytes) -> Any:
    """The message, or the class of the error; the header can be read of every frame."""
    try:
        return codec.decode(frame)
    except FrameError as error:
        bad = error
    command, _ = codec.head(frame)
    assert command == int.from_bytes(frame[4:8], "big")
    assert 0 <= bad.offset <= len(frame)
    return type(bad)


@every_codec
@given(data=st.data(), size=st.integers(1, 50))
def test_a_bad_frame_costs_itself_only_wherever_the_stream_is_cut(
    codec: Codec[Any], version: int, data: st.DataObject, size: int
) -> None:
    sent = data.draw(st.lists(frames(codec, version) | pdus(codec, version).map(codec.encode), max_size=6))
    stream = b"".join(sent)
    cutter = codec.frames()
    found = [frame for i in range(0, len(stream), size) for frame in cutter.feed(stream[i : i + size])]
    assert found == sent
    assert [_read(codec, frame) for frame in found] == [_read(codec, frame) for frame in sent]


@every_codec
@given(data=st.binary(max_size=300), size=st.integers(1, 50))
def test_any_bytes_are_frames_or_a_stream_error(codec: Codec[Any], version: int, data: bytes, size: int) -> None:
    cutter = codec.frames()
    for i in range(0, len(data), size):
        try:
            for frame in cutter.feed(data[i : i + size]):
                _read(codec, frame)
        except StreamError:
            return


@every_codec
@given(data=st.data(), extra=st.binary(min_size=1, max_size=20))
def test_octets_behind_the_last_field_are_surplus(
    codec: Codec[Any], version: int, data: st.DataObject, extra: bytes
) -> None:
    frame = codec.encode(data.draw(pdus(codec, version)))
    longer = (len(frame) + len(extra)).to_bytes(4, "big") + frame[4:] + extra
    try:
        reading = codec.read(longer)
    except FrameError:
        return  # where parameters may follow the last field, octets that are none make the frame bad
    assert reading.surplus == extra or reading.pdu != codec.decode(frame)
