"""Sign-in and encryption of Kafka clients: the settings `kafka_*` in the terms of each client library."""

from __future__ import annotations

import ssl
from typing import Any

from confluent_kafka import KafkaError

from pipeline.settings import Settings

# Errors that no retry mends: wrong credentials, or missing rights that an administrator must give.
_REFUSALS = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


def is_refusal(error: KafkaError) -> bool:
    """Whether the error is a refusal of the broker."""
    return error.code() in _REFUSALS


def ends(error: KafkaError) -> bool:
    """Whether the process must end: the error is fatal to its client, or a refusal of the broker."""
    return error.fatal() or is_refusal(error)


def librdkafka(settings: Settings) -> dict[str, Any]:
    """For confluent-kafka's consumers, producers and admin clients."""
    found: dict[str, Any] = {"security.protocol": settings.kafka_security_protocol}
    if settings.kafka_sasl:
        found |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_username,
            "sasl.password": _plain(settings.kafka_password),
        }
    if settings.kafka_tls:
        found |= {
            "ssl.ca.location": _path(settings.kafka_ca),
            "ssl.certificate.location": _path(settings.kafka_certificate),
            "ssl.key.location": _path(settings.kafka_certificate_key),
            "ssl.key.password": _plain(settings.kafka_certificate_key_password),
        }
    return {name: value for name, value in found.items() if value is not None}


def kafka_python(settings: Settings) -> dict[str, Any]:
    """For kafka-python's admin client."""
    found: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_sasl:
        found |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": _plain(settings.kafka_password),
        }
    if settings.kafka_tls:
        found["ssl_context"] = _context(settings)
    return found


def faust(settings: Settings) -> dict[str, Any]:
    """For a Faust app, whose agents use aiokafka."""
    from faust.auth import SASLCredentials, SSLCredentials

    if settings.kafka_security_protocol == "PLAINTEXT":
        return {}
    context = _context(settings) if settings.kafka_tls else None
    if not settings.kafka_sasl:
        return {"broker_credentials": SSLCredentials(context=context)}
    credentials = SASLCredentials(
        username=settings.kafka_username,
        password=_plain(settings.kafka_password),
        ssl_context=context,
        mechanism=settings.kafka_sasl_mechanism,
    )
    return {"broker_credentials": credentials}


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=_path(settings.kafka_ca))
    if settings.kafka_certificate is not None:
        context.load_cert_chain(
            settings.kafka_certificate, settings.kafka_certificate_key, _plain(settings.kafka_certificate_key_password)
        )
    return context


def _plain(secret: Any) -> str | None:
    return None if secret is None else str(secret.get_secret_value())


def _path(path: Any) -> str | None:
    return None if path is None else str(path)
