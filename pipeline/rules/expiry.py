"""When an entry of an operator's file ends: the column `expires` of the lists and of the dictionary."""

from __future__ import annotations

from datetime import datetime

from pipeline.errors import AntispamError

_SUCH_AS = "2027-03-01T00:00:00+08:00"
NEVER = 1 << 62  # `expires` of an entry without an end: later than any time in epoch ms


def parse_expiry(text: str) -> int:
    """Epoch ms of an ISO 8601 time with zone; NEVER for an empty text. Raises AntispamError for any other text."""
    if not text:
        return NEVER
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise AntispamError(
            "expires {text!r} is not an ISO 8601 time such as {example}", text=text[:40], example=_SUCH_AS
        ) from None
    if at.tzinfo is None:
        raise AntispamError("expires {text!r} needs a time zone, such as {example}", text=text[:40], example=_SUCH_AS)
    return round(at.timestamp() * 1000)
