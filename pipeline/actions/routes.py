"""Routing: a message goes over the port's own channel or the channel of the recipient's carrier.

A port registered for a channel other than `default` sends all messages over that channel. The recipients of other ports
are split by carrier: by the portability table first, then by number segments. Recipients whose carrier has no channel
stay on `default`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.actions.portability import load_segments
from pipeline.actions.senders.channels import DEFAULT, load_channels
from pipeline.errors import AntispamError
from pipeline.rules.numbering.segments import Segments
from pipeline.settings import Settings


class Routes:
    """The deployment's channels and the carriers they serve; immutable."""

    def __init__(self, channels: Sequence[str], by_carrier: Mapping[str, str], segments: Segments) -> None:
        self._channels = frozenset(channels)
        self._by_carrier = dict(by_carrier)
        self._segments = segments

    def knows(self, channel: str) -> bool:
        """Whether this is a channel of the deployment."""
        return channel in self._channels

    def check(self, channel: str) -> None:
        """Raises AntispamError for a channel that the deployment does not have."""
        if not self.knows(channel):
            raise AntispamError("channel {channel!r} is not one of this deployment's", channel=channel)

    def split(self, channel: str, recipients: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Recipients by channel, in order; omits channels without recipients. Raises AntispamError like `check`."""
        self.check(channel)
        if channel != DEFAULT or not self._by_carrier:
            return {channel: recipients} if recipients else {}
        parts: dict[str, list[str]] = {}
        carrier_of, by_carrier = self._segments.carrier_of, self._by_carrier
        for recipient in recipients:
            name = by_carrier.get(carrier_of(recipient) or "", DEFAULT)
            if name in parts:
                parts[name].append(recipient)
            else:
                parts[name] = [recipient]
        return {name: tuple(part) for name, part in parts.items()}


def load_routes(settings: Settings) -> Routes:
    """The routes of these settings. Raises AntispamError for a bad channels file or portability table."""
    by_carrier = {c.carrier: c.name for c in load_channels(settings).values() if c.carrier}
    return Routes(settings.channels, by_carrier, load_segments(settings))
