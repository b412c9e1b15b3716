"""Which parts of this process can work now, and what the others wait for: what its page `/ready` tells.

A role is a part, and may name further ones before it calls itself ready; the process is ready when all are.
Process-wide, like the metrics.
"""

from __future__ import annotations

from pipeline import metrics

_parts: dict[str, bool] = {}
_waits: dict[str, str] = {}


def say(part: str, ready: bool, waits_for: str = "") -> None:
    """Note whether `part` can work: False before its first success and while it fails; `waits_for` says why."""
    if ready:
        _waits.pop(part, None)
    elif waits_for:
        _waits[part] = waits_for
    if _parts.get(part) is not ready:
        _parts[part] = ready
        metrics.PART_READY.labels(part).set(ready)


def states() -> dict[str, bool]:
    """Every part named so far."""
    return dict(_parts)


def waits() -> dict[str, str]:
    """What the parts that cannot work wait for, as far as they have said."""
    return dict(_waits)
