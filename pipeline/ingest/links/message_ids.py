"""Ids of what ports submit over links: 64 bits, as CMPP has them, and the submission ids made of them.

From the left: month (4 bits), day (5), hour (5), minute (6), second (6) in UTC, the server (22), a count (16). The
server's number is drawn at its start, so servers side by side and after a restart do not give the same id.

Source: CMPP 3.0, Msg_Id.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from datetime import UTC, datetime


class MessageIds:
    """Gives each submission its id. `server` has 22 bits; without it, one is drawn."""

    def __init__(self, server: int | None = None) -> None:
        self._server = secrets.randbits(22) if server is None else server
        self._count = 0

    def next(self, now: int, count: int = 1) -> int:
        """A new id at `now` (epoch ms), the first of `count` ids. See `nth`."""
        at = datetime.fromtimestamp(now // 1000, UTC)
        time = (((at.month << 5 | at.day) << 5 | at.hour) << 6 | at.minute) << 6 | at.second
        first = (self._count + 1) & 0xFFFF
        self._count = (self._count + count) & 0xFFFF
        return (time << 22 | self._server) << 16 | first


def nth(first: int, n: int) -> int:
    """The id `n` behind the first one of a submission to many recipients; its count goes round (CMPP 3.0)."""
    return first & ~0xFFFF | (first + n) & 0xFFFF


def submission_id(msg_id: int) -> str:
    """The id of the submission in base 32. It has no 1, so no part of it looks like a mobile number (privacy.py)."""
    return b32encode(msg_id.to_bytes(8, "big")).decode().rstrip("=").lower()
