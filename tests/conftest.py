"""Brokers and databases for tests: the embedded broker and SQLite everywhere, real Apache Kafka and
PostgreSQL where they can be had.

Topic names are fixed, so tests that share a broker share its topics. A test that needs an empty
cluster takes `fresh_embedded` (0.2 s) or `emptied_kafka` (0.2 s); one that ends its broker, `fresh_kafka` (4 s).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir
from functools import cache
from pathlib import Path

import pytest
import structlog
import typer.main
import typer.testing
from argon2 import PasswordHasher
from confluent_kafka.admin import AdminClient

from pipeline.errors import AntispamError
from pipeline.run.brokers import kafka_node
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.store.accounts import users
from pipeline.store.database import Database
from pipeline.store.migrate import migrate
from tests.harness.examples import register_profiles
from tests.harness.migrated import migrated_sqlite
from tests.harness.servers.kafka_archive import formatted_node, kafka_archive
from tests.harness.servers.postgres_server import find_programs, new_database, postgres_server

register_profiles()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a broker or PostgreSQL is marked, so `-m "not kafka"` leaves nothing behind; slow files go first.

    Two processes share the files in this order, and neither should be left with the longest at the end.
    """
    for item in items:
        params = item.callspec.params.values() if hasattr(item, "callspec") else ()
        fixtures = {*getattr(item, "fixturenames", ()), *(param for param in params if isinstance(param, str))}
        if fixtures & {"kafka_broker", "kafka_jars", "fresh_kafka", "emptied_kafka"}:
            item.add_marker("kafka")
        elif fixtures & {"embedded_broker", "fresh_embedded"}:
            item.add_marker("broker")
        if fixtures & {"postgres_db", "postgres_url"}:
            item.add_marker("postgresql")
    slow = ("kafka", "browser", "broker", "long")
    rank: dict[Path, int] = {}
    for item in items:
        ranks = (n for n, name in enumerate(slow) if item.get_closest_marker(name))
        rank[item.path] = min(rank.get(item.path, len(slow)), *ranks, len(slow))
    items.sort(key=lambda item: rank[item.path])


@pytest.fixture(scope="session", autouse=True)
def _no_env_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the processes they start, run in an empty folder: `.env` of the checkout is not theirs."""
    with chdir(tmp_path_factory.mktemp("working")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """A hash as it is shipped takes 0.3 s of one core, and every account of a test has one."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "_hasher", cheap)
        patch.setattr(users, "_NOBODY", users._hash_of_no_password(cheap))
        yield


@pytest.fixture(scope="session", autouse=True)
def _commands_made_once() -> Iterator[None]:
    """Typer makes all commands anew for each call, in 30 ms; tests call a few hundred."""
    with pytest.MonkeyPatch.context() as patch:
        once = cache(typer.main.get_command)
        patch.setattr("typer.main.get_command", once)
        patch.setattr("typer.testing._get_command", once)
        yield


@pytest.fixture(autouse=True)
def _log_streams() -> Iterator[None]:
    """A command that a test runs in this process sets up logging to streams that end with the test."""
    yield
    structlog.reset_defaults()


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
def kafka_jars(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The jars of Apache Kafka, fetched once per machine; skips when that cannot be done.

    A node starts with 2.5 s of one core instead of 9: with an archive of its classes, and without Java's second
    compiler, which only slow proofs run long enough for.
    """
    missing = kafka_node.missing_tools()
    if missing:
        pytest.skip(f"real Kafka: {missing}")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "antispam" / "kafka"
    try:
        jars = kafka_node.install(cache)
    except AntispamError as error:
        pytest.skip(f"real Kafka: {error}")
    options = f"-Xms256m -Xmx1g -XX:SharedArchiveFile={kafka_archive(jars)}"
    if not any(item.get_closest_marker("slow") for item in request.session.items):
        options += " -XX:TieredStopAtLevel=1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_HEAP_OPTS", options)
        yield jars


@pytest.fixture(scope="module")
def own_kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap of a Kafka node of our own, for a module's tests.

    A node that does nothing takes a tenth of a core, so it does not stay for the whole session.
    """
    with formatted_node(tmp_path_factory.mktemp("kafka"), kafka_jars) as node:
        yield node.bootstrap


@pytest.fixture(scope="module")
def kafka_broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap of real Kafka for a module's tests: ANTISPAM_KAFKA if set, else the module's own node."""
    given = os.environ.get("ANTISPAM_KAFKA")
    return given or str(request.getfixturevalue("own_kafka"))


@pytest.fixture
def emptied_kafka(own_kafka: str) -> str:
    """Bootstrap of the module's own Kafka, without the topics of the tests before and their groups' offsets."""
    client = AdminClient({"bootstrap.servers": own_kafka, "log_level": 2})
    names = [name for name in client.list_topics(timeout=60).topics if not name.startswith("__")]
    for deleted in client.delete_topics(names, operation_timeout=60).values() if names else ():
        deleted.result()
    return own_kafka


@pytest.fixture
def fresh_kafka(kafka_jars: Path, tmp_path: Path) -> Iterator[KafkaNode]:
    """A Kafka node of one's own, empty, to be stopped and killed at will; never ANTISPAM_KAFKA."""
    with formatted_node(tmp_path / "kafka", kafka_jars) as node:
        yield node


@pytest.fixture(
    params=[
        pytest.param("embedded_broker", id="embedded", marks=pytest.mark.broker),
        pytest.param("kafka_broker", id="kafka", marks=pytest.mark.kafka),
    ]
)
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap of the session's embedded broker, then of the module's real Kafka: what must hold on both."""
    bootstrap: str = request.getfixturevalue(request.param)
    return bootstrap


@pytest.fixture(
    params=[
        pytest.param("fresh_embedded", id="embedded", marks=pytest.mark.broker),
        pytest.param("emptied_kafka", id="kafka", marks=pytest.mark.kafka),
    ]
)
def fresh_broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap of an empty embedded broker, then of an empty Kafka: for what counts every record of a topic."""
    found: EmbeddedBroker | str = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else found.bootstrap


@pytest.fixture
def operational_db(tmp_path: Path) -> Iterator[Database]:
    """An operational database of one's own, migrated: SQLite."""
    db = migrated_sqlite(tmp_path / "operational.db")
    yield db
    db.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL for the session: ANTISPAM_TEST_DATABASE_URL, else a private one; skips where there is none."""
    if given := os.environ.get("ANTISPAM_TEST_DATABASE_URL"):
        yield given
        return
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL: no initdb and pg_ctl on this machine, and no ANTISPAM_TEST_DATABASE_URL")
    with postgres_server(programs) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated PostgreSQL database without connections, for others to be copied from."""
    with new_database(postgres_url) as db:
        migrate(db)
        db.close()
        yield db.engine.url.database or ""


@pytest.fixture
def postgres_db(postgres_url: str, postgres_template: str) -> Iterator[Database]:
    """An operational database of one's own, migrated: PostgreSQL."""
    with new_database(postgres_url, postgres_template) as db:
        yield db


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_db(request: pytest.FixtureRequest) -> Database:
    """SQLite, then PostgreSQL: what must hold on both."""
    db: Database = request.getfixturevalue("operational_db" if request.param == "sqlite" else "postgres_db")
    return db
