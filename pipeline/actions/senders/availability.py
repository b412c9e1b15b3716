"""Whether a channel carries its own traffic, or others carry it: a channel is down after some time without any link.

A short loss of links moves nothing, because messages that move may be sent twice. A channel that comes and goes gets
its traffic back only after it was up for a while.
"""

from __future__ import annotations


class Availability:
    """The state of one channel; times are seconds, and arguments. A new channel has `down_after` to log in."""

    def __init__(self, down_after: float, back_after: float, now: float) -> None:
        self._down_after, self._back_after = down_after, back_after
        self._since = now  # of `_up`
        self._up = False
        self.usable = True

    def see(self, up: bool, now: float) -> bool:
        """Note whether a link is up; returns whether the channel is usable."""
        if up is not self._up:
            self._up, self._since = up, now
        if self.usable and not up and now - self._since >= self._down_after:
            self.usable = False
        elif not self.usable and up and now - self._since >= self._back_after:
            self.usable = True
        return self.usable
