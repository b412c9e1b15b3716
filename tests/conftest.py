"""Brokers for tests: the embedded one everywhere, real Apache Kafka where it can be had.

Topic names are fixed, so tests that share a broker share its topics. A test that needs an empty
cluster, or that ends its broker, takes `fresh_embedded` (0.2 s) or `fresh_kafka` (5 s).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import AntispamError
from pipeline.stream import kafka_node
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.kafka_node import KafkaNode


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a broker carries its marker, so `-m "not kafka"` leaves nothing behind."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"kafka_broker", "kafka_jars", "fresh_kafka"}:
            item.add_marker("kafka")
        elif fixtures & {"embedded_broker", "fresh_embedded", "own_broker"}:
            item.add_marker("broker")


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap of one embedded broker for the whole session."""
    with EmbeddedBroker(tmp_path_factory.mktemp("embedded")) as broker:
        yield broker.bootstrap


@pytest.fixture
def fresh_embedded(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """An embedded broker of one's own, empty."""
    with EmbeddedBroker(tmp_path / "embedded") as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The jars of Apache Kafka, fetched once per machine; skips when that cannot be done."""
    missing = kafka_node.missing_tools()
    if missing:
        pytest.skip(f"real Kafka: {missing}")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "antispam" / "kafka"
    try:
        return kafka_node.install(cache)
    except AntispamError as error:
        pytest.skip(f"real Kafka: {error}")


@pytest.fixture(scope="session")
def kafka_broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap of real Kafka for the whole session: ANTISPAM_KAFKA if set, else a node of our own."""
    if given := os.environ.get("ANTISPAM_KAFKA"):
        yield given
        return
    jars: Path = request.getfixturevalue("kafka_jars")
    with KafkaNode(tmp_path_factory.mktemp("kafka"), jars) as node:
        yield node.bootstrap


@pytest.fixture
def fresh_kafka(kafka_jars: Path, tmp_path: Path) -> Iterator[KafkaNode]:
    """A Kafka node of one's own, empty, to be stopped and killed at will; never ANTISPAM_KAFKA."""
    with KafkaNode(tmp_path / "kafka", kafka_jars) as node:
        yield node


@pytest.fixture(
    params=[
        pytest.param("embedded_broker", id="embedded", marks=pytest.mark.broker),
        pytest.param("kafka_broker", id="kafka", marks=pytest.mark.kafka),
    ]
)
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap of the session's embedded broker, then of its real Kafka: what must hold on both."""
    bootstrap: str = request.getfixturevalue(request.param)
    return bootstrap
