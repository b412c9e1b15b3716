"""A broker behind TLS that asks for certificates: every client library shows ours and checks the broker's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from pipeline.errors import AntispamError
from pipeline.kafka import security
from pipeline.kafka.admin import cluster_id, ensure_topics
from pipeline.kafka.clients import reader, send, writer
from pipeline.kafka.replay import replay
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.run.brokers.kafka_node_security import NodeSecurity
from pipeline.run.child import free_port
from pipeline.settings import Settings
from tests.harness.processes.workers import settings_for

pytestmark = pytest.mark.kafka
KEY_PASSWORD = "of-the-key"


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(_pem(self._signed(self._name, self._key.public_key(), None)))

    def issue(self, folder: Path, name: str, password: str | None = None) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        files = folder / f"{name}-certificate.pem", folder / f"{name}-key.pem"
        files[0].write_bytes(_pem(self._signed(subject, key.public_key(), "127.0.0.1")))
        encryption = serialization.BestAvailableEncryption(password.encode()) if password else None
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                encryption or serialization.NoEncryption(),
            )
        )
        return files

    def _signed(self, subject: x509.Name, key: Any, address: str | None) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
        )
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def settings(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Of a client with a certificate, for a running node with topics."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder, "authority")
    certificate, key = authority.issue(folder, "broker")
    store = folder / "broker.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    properties = (
        f"ssl.keystore.type=PEM\nssl.keystore.location={store}\nssl.truststore.type=PEM\n"
        f"ssl.truststore.location={authority.file}\nssl.client.auth=required\n"
    )
    certificate, key = authority.issue(folder, "client", KEY_PASSWORD)
    port = free_port()
    found = settings_for(
        f"127.0.0.1:{port}",
        folder,
        partitions=1,
        kafka_security_protocol="SSL",
        kafka_ca=authority.file,
        kafka_certificate=certificate,
        kafka_certificate_key=key,
        kafka_certificate_key_password=KEY_PASSWORD,
    )
    with KafkaNode(folder / "kafka", kafka_jars, port, NodeSecurity("SSL", properties, found)):
        ensure_topics(found.kafka or "", found)  # kafka-python
        yield found


def values(settings: Settings, topic: str) -> list[bytes | None]:
    found: list[bytes | None] = []
    consumer = reader(settings, "test")
    replay(consumer, [(topic, 0)], lambda message: found.append(message.value()))
    consumer.close()
    return found


@pytest.mark.slow
def test_confluent_kafka_writes_and_reads(settings: Settings) -> None:
    send(writer(settings), [("records", "key", b"by librdkafka")])
    assert values(settings, "records") == [b"by librdkafka"]


def test_fausts_aiokafka_writes_and_reads(settings: Settings) -> None:
    signed_in = credentials_to_aiokafka_auth(security.faust(settings)["broker_credentials"])

    async def there_and_back() -> bytes:
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, **signed_in)
        await producer.start()
        await producer.send_and_wait("alerts", b"by aiokafka")
        await producer.stop()
        consumer = AIOKafkaConsumer(
            "alerts", bootstrap_servers=settings.kafka, auto_offset_reset="earliest", **signed_in
        )
        await consumer.start()
        message = await asyncio.wait_for(consumer.getone(), 60)
        await consumer.stop()
        return bytes(message.value)

    assert asyncio.run(there_and_back()) == b"by aiokafka"


@pytest.mark.parametrize("missing", ["certificate", "authority"])
def test_neither_side_talks_to_a_stranger(settings: Settings, tmp_path: Path, missing: str) -> None:
    stranger = Authority(tmp_path, "stranger")
    changed: dict[str, Any] = {"kafka_ca": stranger.file}
    if missing == "certificate":
        changed = {"kafka_certificate": None, "kafka_certificate_key": None, "kafka_certificate_key_password": None}
    other = settings.model_copy(update=changed)
    with pytest.raises(AntispamError):
        cluster_id(settings.kafka or "", 5, other)
    with pytest.raises(AntispamError):
        send(writer(other, None, **{"message.timeout.ms": 3000}), [("records", "key", b"x")])
    assert b"x" not in values(settings, "records")
