"""The proof that a release was decided; a sender requires it before it hands a record to a carrier.

Without it, any client with write access to an `outbound.*` topic could send unscreened messages. Workers and the
releaser sign each record with a key that senders share (HMAC-SHA256, RFC 2104). The signature covers the topic, which
names the channel and the lane. It also covers the partition key, which is the port whose state is checked before each
SUBMIT.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from pipeline.events import Outbound

# Encodes fields in the order of the struct and omits defaults. So a later field with a default does not change the
# bytes of older records.
_encode = msgspec.json.Encoder().encode


def proved(secret: bytes, topic: str, key: str, outbound: Outbound) -> Outbound:
    """The record with its proof for this topic and partition key."""
    return msgspec.structs.replace(outbound, proof=_mac(secret, topic, key, outbound))


def is_proved(secrets: Sequence[bytes], topic: str, key: str, outbound: Outbound) -> bool:
    """Whether the proof is valid under one of these keys for exactly this record, topic and partition key."""
    given = outbound.proof.encode()
    return any(hmac.compare_digest(_mac(secret, topic, key, outbound).encode(), given) for secret in secrets)


def _mac(secret: bytes, topic: str, key: str, outbound: Outbound) -> str:
    unproved = msgspec.structs.replace(outbound, proof="") if outbound.proof else outbound
    signed = _encode(("release", topic, key, unproved))
    mac = _keyed(secret).copy()
    mac.update(signed)
    return mac.hexdigest()


@lru_cache(8)  # deriving the key of a MAC takes a third of its time
def _keyed(secret: bytes) -> hmac.HMAC:
    return hmac.new(secret, digestmod="sha256")
