"""The releaser, run until nothing is left to do."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from pipeline.actions.review.releaser import Releaser
from pipeline.decision.configuration import Config
from pipeline.events import Outbound
from pipeline.settings import Settings
from pipeline.store.database import Database
from tests.harness.memory_producer import MemoryProducer


def carried_out(db: Database, now: int) -> list[str]:
    """Let verdicts take effect; returns the submissions that left."""
    producer = MemoryProducer()
    role = Releaser(Settings(kafka="127.0.0.1:9"), db, cast(Any, producer), Config, lambda: now / 1000)
    while role.step():
        pass
    return [msgspec.json.decode(value, type=Outbound).submission.id for _, _, value in producer.sent]
