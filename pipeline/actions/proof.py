"""The proof that a release was decided: what a sender asks for before it hands a record to a carrier.

Whoever can write to a topic `outbound.*` could otherwise have anything sent, unscreened. Workers and the
releaser sign each record with a key that senders hold too (HMAC-SHA256, RFC 2104). The topic and the
partition key are signed with it: the topic names the channel and the lane, the key is the port whose
state is looked at before each SUBMIT.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec

from pipeline.events import Outbound

# Fields in the order of the struct, defaults left out: a field that is added later, with a default, leaves
# the bytes of older records as they are.
_encode = msgspec.json.Encoder().encode


def proved(secret: bytes, topic: str, key: str, outbound: Outbound) -> Outbound:
    """The record with its proof, for this topic and this partition key."""
    return msgspec.structs.replace(outbound, proof=_mac(secret, topic, key, outbound))


def is_proved(secrets: Sequence[bytes], topic: str, key: str, outbound: Outbound) -> bool:
    """Whether a holder of one of these keys released exactly this record, to this topic and key."""
    given = outbound.proof.encode()
    return any(hmac.compare_digest(_mac(secret, topic, key, outbound).encode(), given) for secret in secrets)


def _mac(secret: bytes, topic: str, key: str, outbound: Outbound) -> str:
    signed = _encode(("release", topic, key, msgspec.structs.replace(outbound, proof="")))
    return hmac.digest(secret, signed, "sha256").hex()
