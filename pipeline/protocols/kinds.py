"""The kinds of frames for `antispam decode KIND HEX`, each with its decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.protocols import cmpp3_shown
from pipeline.protocols.frames import ProtocolError

KINDS: dict[str, Callable[[bytes], dict[str, Any]]] = {"cmpp3": cmpp3_shown.show}


def decode(kind: str, text: str) -> dict[str, Any]:
    """The plain values of a frame in hex (spaces allowed). Raises ProtocolError for an unknown kind or a bad frame."""
    if kind not in KINDS:
        raise ProtocolError(f"unknown kind {kind!r}; one of {', '.join(KINDS)}")
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        raise ProtocolError("hex digits expected, two an octet") from None
    return KINDS[kind](octets)
