"""Which channel a message goes to by weights: always the same for one port and recipient, so that order is kept."""

from __future__ import annotations

import zlib
from collections.abc import Mapping


def chosen(weights: Mapping[str, int], key: tuple[str, str]) -> str:
    """The channel of this key (port and recipient), as often as its share of all weights."""
    place = zlib.crc32("/".join(key).encode()) % sum(weights.values())
    for channel, weight in sorted(weights.items()):
        place -= weight
        if place < 0:
            return channel
    raise AssertionError("weights are above 0")
