"""Versions of configuration values. Decisions name them, and the registry stores each value under its version."""

from __future__ import annotations

from hashlib import sha256


def version_of(value: str) -> str:
    """The version of a value: the first 12 hexadecimal digits of its SHA-256."""
    return sha256(value.encode()).hexdigest()[:12]
