"""`antispam doctor`: what this machine and installation can do, before anything depends on it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from time import time

from confluent_kafka import KafkaException

from pipeline import topics
from pipeline.configuration import load_directory
from pipeline.errors import AntispamError
from pipeline.events import Submission
from pipeline.rules.counters import MemoryCounters
from pipeline.screening import Screened, screen
from pipeline.settings import Settings
from pipeline.stream import kafka_node
from pipeline.stream.address import bootstrap
from pipeline.stream.admin import cluster_id
from pipeline.stream.clients import reader
from pipeline.stream.embedded import EmbeddedBroker

MIN_FREE_GB = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is as needed, and what was found or is to be done."""

    name: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Check]:
    """All checks, in the order in which a fault should be mended."""
    checks = [
        ("python", _python),
        ("disk", lambda: _disk(settings)),
        ("decision function", _decides),
        ("broker", lambda: _broker(settings)),
        ("kafka for `antispam broker kafka`", _kafka),
    ]
    return [_checked(name, look) for name, look in checks]


def _checked(name: str, look: Callable[[], tuple[bool, str]]) -> Check:
    try:
        ok, detail = look()
    except (AntispamError, OSError, KafkaException) as error:
        ok, detail = False, str(error).splitlines()[0]
    return Check(name, ok, detail)


def _python() -> tuple[bool, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info[:2] == (3, 11), f"{version} (3.11 needed)"


def _disk(settings: Settings) -> tuple[bool, str]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=settings.data_dir):
        free = shutil.disk_usage(settings.data_dir).free / 1e9
    return (
        free >= MIN_FREE_GB,
        f"{settings.data_dir} is writable, {free:.0f} GB free ({MIN_FREE_GB} GB needed)",
    )


def _decides() -> tuple[bool, str]:
    config = load_directory(None)
    event = Submission(id="doctor", port="10690000", recipients=("13800000000",), content="代开发票", accepted_at=0)
    outcome = screen([event], MemoryCounters(), config, int(time() * 1000))[0]
    model = config.model.version if config.model else "none"
    decided = isinstance(outcome, Screened) and config.policy is not None
    return decided, f"policy {config.policy.version if config.policy else 'none'}, model {model}"


def _broker(settings: Settings) -> tuple[bool, str]:
    try:
        address = bootstrap(settings)
    except AntispamError:
        with EmbeddedBroker(settings.data_dir) as broker:
            return True, f"none set; the embedded one starts ({broker.cluster_id})"
    found = cluster_id(address, settings=settings)
    consumer = reader(settings, "doctor")
    try:
        present = consumer.list_topics(timeout=10).topics
    finally:
        consumer.close()
    missing = [t.name for t in topics.all_topics(settings.channels) if t.name not in present]
    detail = f"{address}, cluster {found}"
    return (
        not missing,
        detail if not missing else f"{detail}: no topic {missing[0]} (antispam topics creates them)",
    )


def _kafka() -> tuple[bool, str]:
    missing = kafka_node.missing_tools()
    return True, missing or "java and mvn are there"
