"""Which parts of this process can work now: what its page `/ready` tells. Process-wide, like the metrics.

A role is a part, and may name further ones before it calls itself ready; the process is ready when all are.
"""

from __future__ import annotations

from pipeline import metrics

_parts: dict[str, bool] = {}


def say(part: str, ready: bool) -> None:
    """Note whether `part` can work: False before its first success and while it fails."""
    if _parts.get(part) is not ready:
        _parts[part] = ready
        metrics.PART_READY.labels(part).set(ready)


def states() -> dict[str, bool]:
    """Every part named so far."""
    return dict(_parts)
