"""Readiness: which parts of this process can work, and what the other parts wait for; shown at `/ready`.

Every role is a part. A role may register further parts (channels, for example) before it is ready. The process is
ready when all its parts are. The state is process-wide, like the metrics. A process also shows the epoch of each
configuration that it has applied.
"""

from __future__ import annotations

from pipeline import metrics

_parts: dict[str, bool] = {}
_waits: dict[str, str] = {}
_epochs: dict[str, int] = {}


def say(part: str, ready: bool, waits_for: str = "") -> None:
    """Note whether `part` can work: False before its first success and while it fails; `waits_for` says why."""
    if ready:
        _waits.pop(part, None)
    elif waits_for:
        _waits[part] = waits_for
    if _parts.get(part) is not ready:
        _parts[part] = ready
        metrics.PART_READY.labels(part).set(ready)


def applied(follower: str, epoch: int) -> None:
    """Note the epoch of the configuration that this follower of the config topic has applied."""
    _epochs[follower] = epoch
    metrics.EPOCH.labels(follower).set(epoch)


def epochs() -> dict[str, int]:
    """The epoch that each follower has applied."""
    return dict(_epochs)


def states() -> dict[str, bool]:
    """Every registered part."""
    return dict(_parts)


def waits() -> dict[str, str]:
    """What each part that cannot work waits for, if it has said so."""
    return dict(_waits)
