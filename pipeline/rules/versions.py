"""Versions of configuration values: what decisions name, and what the registry keeps a value under."""

from __future__ import annotations

from hashlib import sha256


def version_of(value: str) -> str:
    """The version of a value: the first 12 hexadecimal digits of its SHA-256."""
    return sha256(value.encode()).hexdigest()[:12]
