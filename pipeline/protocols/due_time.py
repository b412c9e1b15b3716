"""Times in submissions of CMPP and SMPP: `YYMMDDhhmmsstnnp`, the format of SMPP 3.3.

`t` is a tenth of a second. With `p` + or -, `nn` says by how many quarters of an hour the time is ahead of UTC or
behind it. With R, the time is a span from now on, whose years have 365 days and whose months have 30.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pipeline.protocols.frames import ProtocolError

_FORM = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([-+R])", re.ASCII)


def due_time(text: str, now: int) -> int | None:
    """The time in epoch ms, `now` included; None for an empty text. Raises ProtocolError."""
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        raise ProtocolError("time: YYMMDDhhmmsstnn and one of + - R expected")
    year, month, day, hour, minute, second, tenth, quarters = map(int, found.groups()[:8])
    if found[9] == "R":
        days = year * 365 + month * 30 + day
        return now + timedelta(days=days, hours=hour, minutes=minute, seconds=second) // timedelta(milliseconds=1)
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tenth * 100_000, UTC)
    except ValueError:
        raise ProtocolError("time: no such date or time of day") from None
    ahead = timedelta(minutes=15 * quarters)
    at = local - ahead if found[9] == "+" else local + ahead
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def time_text(at: datetime | None) -> str:
    """A time (with its zone) in this format; empty for None."""
    if at is None:
        return ""
    quarters = int((at.utcoffset() or timedelta()) / timedelta(minutes=15))
    return f"{at:%y%m%d%H%M%S}{at.microsecond // 100_000}{abs(quarters):02d}{'-' if quarters < 0 else '+'}"
