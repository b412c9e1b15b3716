"""The fields of a frame for those who may not see numbers and texts.

What is not known to be harmless is hidden: a field is shown whole only if it is named here, or if it has no run of
digits that may be a subscriber's number.
"""

from __future__ import annotations

import re
from typing import Any

from pipeline.actions.tracing.subject import CONTENT

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
_DIGITS = re.compile(r"\d{7,}")
_OURS = ("10", "12", "95", "96")  # service codes; no subscriber's number begins so


def redacted(values: Any, name: str = "") -> Any:
    """The same values without the text of the message and without subscribers' numbers."""
    if name in CONTENT:
        return _length(values)
    if isinstance(values, dict):
        return {key: redacted(each, key) for key, each in values.items()}
    if isinstance(values, list):
        return [redacted(each, name) for each in values]
    if isinstance(values, str) and name not in _WHOLE:
        return _DIGITS.sub(lambda found: _masked(found[0]), values)
    return values


def _masked(digits: str) -> str:
    return digits if digits.startswith(_OURS) else f"{digits[:3]}****{digits[-4:]}"


def _length(value: Any) -> Any:
    if isinstance(value, str):
        return f"({len(value)})" if value else ""
    return None if value is None else "(…)"
