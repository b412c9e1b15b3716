"""The fields of a frame for those who may not see numbers and texts.

What is not known to be harmless is hidden: a field is shown whole only if it is named here, or if it has no run of
digits that may be a subscriber's number.
"""

from __future__ import annotations

import re
from typing import Any

_CONTENT = frozenset(("text", "content", "short_message", "message_payload", "push", "surplus"))  # fields with the text
_WHOLE = frozenset(  # ids, times and codes
    (
        "msg_id",
        "message_id",
        "receipted_message_id",
        "sequence",
        "time",
        "timestamp",
        "submit_time",
        "done_time",
        "recv_time",
        "valid_time",
        "at_time",
        "fee_code",
        "stat",
        "state",
        "err",
        "error",
        "fault",
    )
)
_SHORTEST = 11  # signs of a number of which some are shown: those of a mobile number
_DIGITS = re.compile(r"\+?\d{7,}")
_SERVICE = re.compile(r"(?!1064\d{9}$)(?:10|12|95|96)\d+")  # not 13 digits from 1064: a machine's number


def redacted(values: Any, name: str = "") -> Any:
    """The same values without the text of the message and without subscribers' numbers."""
    if name in _CONTENT:
        return _length(values)
    if isinstance(values, dict):
        return {key: redacted(each, key) for key, each in values.items()}
    if isinstance(values, list):
        return [redacted(each, name) for each in values]
    if isinstance(values, str) and name not in _WHOLE:
        return _DIGITS.sub(_masked, values)
    return values


def hidden(number: str) -> str:
    """The number without its middle; nothing of one that has less than eleven signs."""
    return f"{number[:3]}****{number[-4:]}" if len(number) >= _SHORTEST else "****"


def _masked(found: re.Match[str]) -> str:
    return found[0] if _SERVICE.fullmatch(found[0]) else hidden(found[0])


def _length(value: Any) -> Any:
    if isinstance(value, str):
        return f"({len(value)})" if value else ""
    return None if value is None else "(…)"
