"""One set of settings signs every client library in; a password is never shown, and half a setting is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from pydantic import ValidationError

from pipeline.kafka import security
from pipeline.settings import Settings

SASL: dict[str, Any] = {
    "kafka": "kafka:9092",
    "kafka_security_protocol": "SASL_PLAINTEXT",
    "kafka_username": "antispam-worker",
    "kafka_password": "hush-hush",
}


def test_without_security_no_client_is_told_of_any() -> None:
    settings = Settings(kafka="kafka:9092")
    assert security.librdkafka(settings) == {"security.protocol": "PLAINTEXT"}
    assert security.kafka_python(settings) == {"security_protocol": "PLAINTEXT"}
    assert security.faust(settings) == {}


def test_every_library_signs_in_by_the_same_user() -> None:
    settings = Settings(**SASL)
    assert security.librdkafka(settings) == {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "antispam-worker",
        "sasl.password": "hush-hush",
    }
    assert security.kafka_python(settings) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "antispam-worker",
        "sasl_plain_password": "hush-hush",
    }
    credentials = security.faust(settings)["broker_credentials"]
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")
    assert (credentials.username, credentials.password) == ("antispam-worker", "hush-hush")
    assert "hush" not in f"{settings!r} {settings} {credentials!r}"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"kafka": None}, "the embedded broker has no"),
        ({"kafka_username": None}, "ANTISPAM_KAFKA_USERNAME"),
        ({"kafka_password": None}, "ANTISPAM_KAFKA_PASSWORD"),
        ({"kafka_certificate": Path(__file__)}, "ANTISPAM_KAFKA_CERTIFICATE_KEY go together"),
        ({"kafka_ca": Path(__file__)}, "need the protocol SSL or SASL_SSL"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_ca": Path("nowhere.pem")}, "nowhere.pem: no such file"),
        ({"kafka_security_protocol": "TLS"}, "'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ],
)
def test_half_a_security_is_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named) as caught:
        Settings(**SASL | wrong)
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, True),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, True),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, True),
        (KafkaError._AUTHENTICATION, True),
        (KafkaError._ALL_BROKERS_DOWN, False),
        (KafkaError._TRANSPORT, False),
        (KafkaError._PARTITION_EOF, False),
        (KafkaError.NOT_COORDINATOR, False),
    ],
)
def test_what_no_retry_mends_ends_the_process(code: int, ends: bool) -> None:
    assert security.ends(KafkaError(code)) == ends
