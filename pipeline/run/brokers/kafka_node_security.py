"""Security of our own Kafka node: users with passwords and rights. Without rights, nothing is allowed.

The node's superuser signs in by PLAIN with the password that the node was started with. PLAIN also works on a folder
that was formatted without security. The superuser creates the other users. They sign in by SCRAM-SHA-512, whose
credentials Kafka stores itself, and have the rights that `antispam broker acls --apply` gave them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import AntispamError
from pipeline.settings import Settings

_PLAIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="{user}" password="{password}" user_{user}="{password}";'
)
# Kafka's connections to itself and to its controller sign in as the superuser, too.
_SASL = """\
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.client.plain.sasl.jaas.config={plain}
listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={plain}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{user}
"""


@dataclass(frozen=True, slots=True)
class NodeSecurity:
    """The protocol of a node's listeners, further properties, and client settings with which to check the node."""

    protocol: str
    properties: str
    client: Settings


def sasl(settings: Settings) -> NodeSecurity:
    """Users and rights. The superuser comes from the settings. Raises AntispamError if it is invalid."""
    user = settings.kafka_username or ""
    password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
    if settings.kafka_security_protocol != "SASL_PLAINTEXT" or settings.kafka_sasl_mechanism != "PLAIN":
        raise AntispamError(
            "the node offers SASL_PLAINTEXT, on 127.0.0.1 only, and its superuser signs in by PLAIN: set "
            "ANTISPAM_KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT ANTISPAM_KAFKA_SASL_MECHANISM=PLAIN"
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", user) or not re.fullmatch(r"[\x21-\x7e]{12,128}", password):
        raise AntispamError("the superuser needs a plain name and a password of at least 12 ASCII characters")
    if re.search(r"[\"\\;$#!]", password):
        raise AntispamError("the superuser's password may not hold \" \\ ; $ # or !")
    plain = _PLAIN.format(user=user, password=password)
    return NodeSecurity("SASL_PLAINTEXT", _SASL.format(plain=plain, user=user), settings)
