"""Frames that a link skips: each is counted, and at most one log line a second reports them without content."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from pipeline import metrics

TOLD_EVERY = 1.0  # seconds between two log lines of one link, because a faulty carrier must not fill the disk

_log = structlog.get_logger()


class SkippedFrames:
    """The skipped frames of one link. `clock` is monotonic seconds."""

    def __init__(self, channel: str, link: int, clock: Callable[[], float]) -> None:
        self._channel, self._link, self._clock = channel, link, clock
        self._untold, self._told_at = 0, float("-inf")

    def skip(self, reason: str, command: int, cause: str) -> None:
        """Count a frame; `reason` is unreadable, unknown or unexpected. `cause` must not quote the frame's body."""
        metrics.FRAMES_SKIPPED.labels(self._channel, reason).inc()
        self._untold += 1
        now = self._clock()
        if now - self._told_at >= TOLD_EVERY:
            _log.warning(
                "frame_skipped",
                channel=self._channel,
                link=self._link,
                command=f"{command:#010x}",
                cause=cause,
                since_last=self._untold,
            )
            self._untold, self._told_at = 0, now
