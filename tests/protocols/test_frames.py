"""A byte stream is cut into frames wherever it is cut in transit."""

from __future__ import annotations

import pytest

from pipeline.protocols.frames import FrameError, Frames, ProtocolError, StreamError

FRAME = b"\0\0\0\x08abcd"


@pytest.mark.parametrize("size", [1, 3, 7, 8, 100])
def test_frames_come_whole(size: int) -> None:
    stream = FRAME * 3
    frames = Frames(8, 8)
    found = [frame for at in range(0, len(stream), size) for frame in frames.feed(stream[at : at + size])]
    assert found == [FRAME] * 3


@pytest.mark.parametrize("length", [0, 7, 9, 0xFFFF_FFFF])
def test_an_impossible_length_ends_the_stream_behind_the_good_frames(length: int) -> None:
    frames = Frames(8, 8).feed(FRAME + length.to_bytes(4, "big"))
    assert next(frames) == FRAME
    with pytest.raises(StreamError, match=f"frame of {length} octets; 8 to 8 expected"):
        next(frames)


def test_a_fault_has_its_place() -> None:
    error = FrameError("bad", 7)
    assert isinstance(error, ProtocolError)
    assert (str(error), error.offset) == ("bad (at octet 7)", 7)
