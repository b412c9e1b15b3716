"""On a broker that lets in users only, each role does its work by its own rights, and nothing beyond them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import httpx
import msgspec
import pytest
from confluent_kafka import KafkaException
from sqlalchemy import select

from pipeline import topics
from pipeline.decision.configuration import directory_entries
from pipeline.errors import AntispamError
from pipeline.kafka import acls as kafka_acls
from pipeline.kafka.admin import cluster_id, ensure_topics
from pipeline.kafka.broker_rights import grant, set_password
from pipeline.kafka.clients import administrator, reader, send, writer
from pipeline.kafka.replay import replay
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.run.brokers.kafka_node_security import sasl
from pipeline.run.child import Child, free_port
from pipeline.run.doctor import examine
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct
from pipeline.store import schema
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import publish, settings_for, start
from tests.harness.servers.carrier import PORT, simulated, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
ADMIN, ADMIN_PASSWORD = "admin", "of-the-superuser"
PASSWORD = "of-the-role-{}"
CHANNELS = ("default", "cmcc")
COMMANDS = {
    "relay": ("serve", "relay"),
    "projector": ("serve", "projector"),
    "timers": ("serve", "timers"),
    "releaser": ("serve", "releaser"),
    "campaigns": ("serve", "campaigns"),
    "counters": ("serve", "counters"),
    "api": ("serve", "api"),
    "sender": ("serve", "sender"),
    "worker": ("worker",),
    "sink": ("sink",),
}
USERS = [user for role in kafka_acls.roles() for user in kafka_acls.rights(role, CHANNELS)]


def administrative(bootstrap: str, folder: Path) -> Settings:
    return settings_for(
        bootstrap,
        folder,
        partitions=2,
        channels=CHANNELS,
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="PLAIN",
        kafka_username=ADMIN,
        kafka_password=ADMIN_PASSWORD,
    )


@pytest.fixture(scope="module")
def secured(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A superuser's settings for a node with topics, a user for each role, and the rights of the table."""
    folder = tmp_path_factory.mktemp("secured")
    port = free_port()
    settings = administrative(f"127.0.0.1:{port}", folder)
    with KafkaNode(folder / "kafka", kafka_jars, port, sasl(settings)):
        ensure_topics(settings.kafka or "", settings)
        for role in kafka_acls.roles():
            for user, rights in kafka_acls.rights(role, CHANNELS).items():
                set_password(settings, user, PASSWORD.format(user))
                grant(settings, kafka_acls.acls(user, rights))
        yield settings


def as_user(settings: Settings, user: str, password: str | None = None) -> Settings:
    found = settings.model_dump() | {
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_username": user,
        "kafka_password": PASSWORD.format(user) if password is None else password,
    }
    return Settings(**found)


def environment(settings: Settings) -> dict[str, str]:
    assert settings.kafka_password is not None
    return {
        "ANTISPAM_KAFKA_SECURITY_PROTOCOL": settings.kafka_security_protocol,
        "ANTISPAM_KAFKA_SASL_MECHANISM": settings.kafka_sasl_mechanism,
        "ANTISPAM_KAFKA_USERNAME": settings.kafka_username or "",
        "ANTISPAM_KAFKA_PASSWORD": settings.kafka_password.get_secret_value(),
        "ANTISPAM_CHANNELS": '["default", "cmcc"]',
    }


def test_the_whole_journey_runs_by_the_rights_of_the_table(secured: Settings, tmp_path: Path) -> None:
    """From the API's 202 to the carrier, through a hold, each role as its own user."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "ports.jsonl").write_bytes(msgspec.json.encode({"code": PORT, "tier": "trusted"}) + b"\n")
    with simulated(Conduct(report_delay=0.05)) as carrier:
        settings = secured.model_copy(update={"api_port": free_port()})
        publish(settings, directory_entries(config), int(time() * 1000))
        db = migrated_database(settings)
        key = api_keys.create(db, User("test", Role.ADMINISTRATOR), PORT, "", int(time() * 1000))
        channels = tmp_path / "channels.yaml"
        channels.write_text(f"default: {{host: 127.0.0.1, port: {carrier.port}, account: '900001'}}")
        children: list[Child] = []
        try:
            for name, command in COMMANDS.items():
                user = "antispam-sender-default" if name == "sender" else f"antispam-{name}"
                own = environment(as_user(settings, user))
                if name == "sender":
                    own |= {
                        "ANTISPAM_CHANNELS_FILE": str(channels),
                        "ANTISPAM_CHANNELS": '["default"]',
                        "ANTISPAM_CHANNEL_DEFAULT_SECRET": "secret",
                    }
                own["ANTISPAM_API_PORT"] = str(settings.api_port)
                children.append(start(settings, name, *command, **own))
            address = f"http://127.0.0.1:{settings.api_port}"
            until(lambda: _answers(f"{address}/ready", children), 120)
            # The second waits for its time: hold, timers, the next round.
            items = [
                {"id": "now", "port": PORT, "recipients": ["13800000001"], "content": "【测试】您好"},
                {
                    "id": "later",
                    "port": PORT,
                    "recipients": ["13800000002"],
                    "content": "【测试】再见",
                    "scheduled_at": int(time() * 1000) + 2000,
                },
            ]
            answer = httpx.post(
                f"{address}/v1/submissions", json=items, headers={"Authorization": f"Bearer {key}"}, timeout=20
            )
            assert answer.status_code == 202, answer.text

            def delivered() -> bool:
                _alive(children)
                with db.read() as connection:
                    return {row.submission: row.state for row in connection.execute(select(schema.deliveries))} == {
                        "now": "delivered",
                        "later": "delivered",
                    }

            until(delivered, 120)
            until(lambda: _alive(children) and any((settings.lake_dir / "outbound").rglob("*.parquet")), 120)
            status = httpx.get(
                f"{address}/v1/submissions/now", headers={"Authorization": f"Bearer {key}"}, timeout=20
            ).json()
            assert (status["decided_by"], len(status["recipients"])) == ("policy", 1)
        finally:
            for child in children:
                child.stop(15)
            db.close()
        assert sorted(seen.recipient for seen in carrier.seen) == ["13800000001", "13800000002"]
        for child in children:
            assert not re.search("of-the-role|of-the-superuser|authorization", child.tail(), re.IGNORECASE), (
                child.tail()
            )


def _answers(address: str, children: list[Child]) -> bool:
    _alive(children)
    try:
        return httpx.get(address, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _alive(children: list[Child]) -> bool:
    for child in children:
        assert child.returncode is None, child.tail()
    return True


def writes(settings: Settings, topic: str) -> None:
    send(writer(settings, None, **{"message.timeout.ms": 10_000}), [(topic, "key", b"probe")], 0)


def reads(settings: Settings, topic: str, group: str) -> None:
    consumer = reader(settings, group)
    try:
        replay(consumer, [(topic, 0)], lambda _: None, patience=20)
    finally:
        consumer.close()


ALL = [
    *(topic.name for topic in topics.FIXED),
    *(f"outbound.{c}.{lane}" for c in CHANNELS for lane in ("express", "bulk")),
]


def _covers(names: tuple[str, ...], name: str) -> bool:
    return any(name.startswith(n) if n.endswith((".", "-")) else name == n for n in names)


@pytest.mark.parametrize("user", USERS)
def test_no_user_writes_or_reads_beyond_its_rights(secured: Settings, user: str) -> None:
    role = "sender" if user.startswith("antispam-sender-") else user.removeprefix("antispam-")
    rights, settings = kafka_acls.rights(role, CHANNELS)[user], as_user(secured, user)
    own_group = rights.groups[0] + ("x" if rights.groups[0].endswith("-") else "")
    for topic in ALL:
        if not _covers(rights.writes, topic):
            # A user that may write nothing at all is refused before its first record.
            with pytest.raises((AntispamError, KafkaException), match=r"(?i)authorization failed"):
                writes(settings, topic)
        if not _covers(rights.reads, topic):
            with pytest.raises((KafkaException, AntispamError), match=r"(?i)authorization failed"):
                reads(settings, topic, own_group)
    if rights.reads:
        granted = rights.reads[0] + ("default.express" if rights.reads[0].endswith(".") else "")
        reads(settings, granted, own_group)
        with pytest.raises(KafkaException, match=r"(?i)group authorization"):
            joined(reader(settings, "another-group"), granted)


def joined(consumer: Any, topic: str) -> None:
    """Subscribe until something comes. Raises KafkaException for the first error."""
    consumer.subscribe([topic])
    try:
        for _ in range(100):
            for message in consumer.consume(1, 0.1):
                if message.error() is not None:
                    raise KafkaException(message.error())
    finally:
        consumer.close()


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("antispam-worker", "wrong", r"(?i)authentication"),
        ("nobody", "wrong", r"(?i)authentication"),
    ],
)
def test_who_cannot_sign_in_is_told_so(secured: Settings, user: str, password: str, said: str) -> None:
    settings = as_user(secured, user, password)
    with pytest.raises(AntispamError, match=said):
        cluster_id(settings.kafka or "", 10, settings)
    found = {check.name: check for check in examine(settings)}["broker"]
    assert not found.ok
    assert re.search(said, found.detail)
    assert password not in found.detail


def test_without_signing_in_nothing_is_answered(secured: Settings) -> None:
    with pytest.raises(AntispamError):
        cluster_id(secured.kafka or "", 3)


def test_a_role_without_its_rights_ends_and_says_why(secured: Settings, tmp_path: Path) -> None:
    settings = secured.model_copy(update={"data_dir": tmp_path})
    own = environment(as_user(settings, "antispam-api"))
    child = start(settings, "timers", "serve", "timers", **own)
    try:
        until(lambda: child.returncode is not None, 60)
        assert child.returncode != 0
        assert re.search("(?i)authorization failed", child.tail()), child.tail()
        assert "of-the-role" not in child.tail()
    finally:
        child.stop(5)


def test_a_changed_password_counts_and_rights_given_again_are_the_same(secured: Settings) -> None:
    user = "antispam-timers"
    rights = kafka_acls.rights("timers", CHANNELS)[user]
    assert grant(secured, kafka_acls.acls(user, rights)) == grant(secured, kafka_acls.acls(user, rights))
    set_password(secured, user, "another-password")
    assert administrator(as_user(secured, user, "another-password")).list_topics(timeout=20).topics
    set_password(secured, user, PASSWORD.format(user))
