"""The kinds of frames for `antispam decode KIND HEX`, and the guess which kind a frame is.

Frames of the protocols begin alike, with a length and a small command number. So the checks are stricter here than on a
link: each value must be valid for its field, and a frame with octets more or less than the specification's is refused
if another protocol fits it better. One foreign frame passes: SMGP's Login_Resp has the fields of CMPP's CONNECT_RESP
at the same places.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from pipeline.protocols.cmpp import CMPP2, CMPP3
from pipeline.protocols.cngp import CNGP
from pipeline.protocols.codec import Codec, Reading
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sgip import SGIP
from pipeline.protocols.shown import plain, show_tpdu
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.smpp import SMPP

GUESS = "guess"
CODECS: dict[str, Codec[Any]] = {
    "cmpp2": CMPP2,
    "cmpp3": CMPP3,
    "sgip": SGIP,
    "smgp": SMGP,
    "cngp": CNGP,
    "smpp": SMPP,
}
PDU = "pdu"
KINDS = (PDU, *CODECS)
_MOST_SURPLUS = 64  # octets; more than vendors append


class _Shown(NamedTuple):
    values: dict[str, Any]
    distance: int  # octets more or less than the specification says; 0 if the frame is exactly one of its kind


def decode(kind: str, text: str, cngp_udhi_tag: int | None = None) -> dict[str, Any] | list[dict[str, Any]]:
    """The plain values of a frame in hex (spaces allowed), with the octets that are surplus.

    For the kind `guess`: the values by each kind that reads the frame best. Raises ProtocolError for an unknown kind, a
    bad frame, and a frame of another protocol. `cngp_udhi_tag` as in `cngp.headed`.
    """
    if kind not in (*KINDS, GUESS):
        raise ProtocolError(f"unknown kind {kind!r}; one of {', '.join(KINDS)}, {GUESS}")
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        raise ProtocolError("hex digits expected, two an octet") from None
    if kind == GUESS:
        return _guess(octets, cngp_udhi_tag)
    if kind == PDU:
        values, exact = show_tpdu(octets), False
    else:
        values, distance = _show(kind, octets, cngp_udhi_tag)
        exact = distance == 0
    if not exact:
        better = [one["kind"] for one in _guess(octets, cngp_udhi_tag)]
        if kind not in better:
            raise ProtocolError(f"not exactly a frame of {kind}; {', '.join(better)} fits better")
    return values


def _guess(frame: bytes, cngp_udhi_tag: int | None) -> list[dict[str, Any]]:
    shown = []
    for kind in CODECS:
        with suppress(ProtocolError):
            shown.append(_show(kind, frame, cngp_udhi_tag))
    if not shown:  # a TPDU has no length or command to know it by, so it is the last guess
        with suppress(ProtocolError):
            return [show_tpdu(frame)]
        raise ProtocolError(f"not a frame of {', '.join(KINDS)}")
    least = min(one.distance for one in shown)
    return [one.values for one in shown if one.distance == least]


def _show(kind: str, frame: bytes, cngp_udhi_tag: int | None) -> _Shown:
    codec = CODECS[kind]
    reading: Reading[Any] = codec.read(frame)
    name = type(reading.pdu).__name__
    fault = codec.implausible(reading.pdu)
    if fault is not None:
        raise ProtocolError(f"not a {name} of {codec.name}: {fault}")
    if len(reading.surplus) > _MOST_SURPLUS:
        raise ProtocolError(f"not a {name} of {codec.name}: {len(reading.surplus)} octets behind its last field")
    shown = {"kind": kind, "command": name} | plain(reading.pdu, cngp_udhi_tag) | {"surplus": reading.surplus.hex()}
    return _Shown(shown, len(reading.surplus) + (not reading.regular))
