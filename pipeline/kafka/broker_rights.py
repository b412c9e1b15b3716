"""Creates users and gives rights on the brokers; an administrator of the brokers runs it."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from pipeline.kafka.acls import Acl
from pipeline.kafka.clients import TIMEOUT, administrator, broker_error
from pipeline.settings import Settings

ITERATIONS = 8192  # of SCRAM; Kafka takes 4096 to 16384
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}


def grant(settings: Settings, acls: Iterable[Acl]) -> int:
    """Add all rules, and return their number. Safe to repeat. Raises AntispamError if the broker refuses."""
    bindings = [
        AclBinding(
            _KINDS[acl.kind],
            acl.name,
            ResourcePatternType.PREFIXED if acl.prefixed else ResourcePatternType.LITERAL,
            f"User:{acl.user}",
            "*",
            AclOperation[acl.operation],
            AclPermissionType.ALLOW,
        )
        for acl in acls
    ]
    client = administrator(settings)  # kept in a variable: its requests end when the client is freed
    try:
        for answer in client.create_acls(bindings, request_timeout=TIMEOUT).values():
            answer.result(TIMEOUT)
    except KafkaException as error:
        raise broker_error(error.args[0], "rights were not given") from None
    return len(bindings)


def set_password(settings: Settings, user: str, password: str) -> None:
    """Create a SCRAM-SHA-512 user, or change its password. Raises AntispamError if the broker refuses."""
    wanted = UserScramCredentialUpsertion(
        user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS), password.encode()
    )
    client = administrator(settings)
    try:
        client.alter_user_scram_credentials([wanted], request_timeout=TIMEOUT)[user].result(TIMEOUT)
    except KafkaException as error:
        raise broker_error(error.args[0], f"user {user}") from None
