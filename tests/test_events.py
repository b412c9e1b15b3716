"""Bytes that are no event have one error, whatever is wrong with them: readers of topics catch that one."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import Submission, decoder, encode

SUBMISSION = Submission(id="s-1", port="1069000155", recipients=("13800000001",), content="您好", accepted_at=1)
_decode = decoder(Submission)


@pytest.mark.parametrize(
    "value", [b"", b"{", b'{"id": 1}', b"\xff", b'{"id": "\xff"}', b'{"id": "\\ud800"}', b'{"x": ' + b"[" * 50_000]
)
def test_hostile_bytes(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        _decode(value)


@given(
    st.binary()
    | st.tuples(st.integers(0, len(encode(SUBMISSION))), st.binary()).map(
        lambda cut: encode(SUBMISSION)[: cut[0]] + cut[1] + encode(SUBMISSION)[cut[0] :]
    )
)
def test_any_bytes(value: bytes) -> None:
    with suppress(msgspec.DecodeError):
        assert isinstance(_decode(value), Submission)


def test_what_was_encoded() -> None:
    assert _decode(encode(SUBMISSION)) == SUBMISSION
