"""Values of a topic, decoded for a projection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import structlog

from pipeline import metrics
from pipeline.events import decoder
from pipeline.topics import Topic

T = TypeVar("T", bound=msgspec.Struct)
_log = structlog.get_logger()


def decoded(topic: Topic, kind: type[T], records: Sequence[bytes]) -> list[T]:
    """The records as structs, in order. Undecodable ones are counted and left out; the lake keeps them."""
    decode = decoder(kind)
    found: list[T] = []
    for record in records:
        try:
            found.append(decode(record))
        except msgspec.DecodeError:
            metrics.UNDECODABLE.labels(topic.name).inc()
            _log.error("undecodable", topic=topic.name, bytes=len(record))
    return found
