"""API keys: each key sends for one port and its extensions until it is revoked.

A key is shown once; only its sha256 is stored. A key has 256 random bits, so it needs no slower hash. The signatures
of callbacks are keyed by the hash too: both sides can compute it, and it does not reveal the key. A reader of this
table can forge callbacks but cannot send messages.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from urllib.parse import urlsplit

import httpx
import msgspec
from sqlalchemy import Connection, insert, select, update

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

_PREFIX = "ask_"  # lets scanners recognise a key in a log or a repository
_SHOWN = 12  # digits of the hash that serve as a key's name in lists and in the audit trail
_MAX_URL = 2048


class ApiKey(msgspec.Struct, frozen=True):
    """A key in a list; `name` is the beginning of its hash."""

    name: str
    port: str
    callback_url: str
    created_at: int
    revoked_at: int | None


def hashed(key: str) -> str:
    """The stored form of a key: its sha256 in hex."""
    return sha256(key.encode()).hexdigest()


def callback_secret(stored: str) -> bytes:
    """The HMAC key of callbacks, derived from a stored hash (hex)."""
    return hmac.digest(bytes.fromhex(stored), b"antispam callback v1", "sha256")


def create(db: Database, user: User, port: str, callback_url: str, now: int) -> str:
    """Create a key for a registered port and return it; it cannot be read again. `now` is epoch ms.

    Raises AntispamError for an unregistered port and for an address that is not an http(s) URL. Raises Forbidden.
    """
    require(user, Right.ADMINISTER)
    _check(callback_url)
    key = _PREFIX + secrets.token_urlsafe(32)
    stored = hashed(key)
    with db.write() as connection:
        if connection.scalar(select(schema.ports.c.code).where(schema.ports.c.code == port)) is None:
            raise AntispamError("port {port}: not registered", port=port)
        row = {"key": stored, "port": port, "callback_url": callback_url, "created_at": now}
        connection.execute(insert(schema.api_keys).values(row))
        after = {"port": port, "callback_url": callback_url}
        audit.record(connection, now, user.name, "create", f"api-key/{stored[:_SHOWN]}", after=after)
    return key


def revoke(db: Database, user: User, name: str, now: int) -> None:
    """Revoke the key with this `ApiKey.name`; servers refuse it within 5 seconds. Raises AntispamError, Forbidden."""
    require(user, Right.ADMINISTER)
    table = schema.api_keys
    with db.write() as connection:
        chosen = (table.c.key.startswith(name, autoescape=True), table.c.revoked_at.is_(None))
        found = connection.scalars(select(table.c.key).where(*chosen)).all()
        if len(name) < _SHOWN or len(found) != 1:
            raise AntispamError("api key {name!r}: no active key of that name (antispam api-key list)", name=name)
        connection.execute(update(table).where(table.c.key == found[0]).values(revoked_at=now))
        audit.record(connection, now, user.name, "revoke", f"api-key/{found[0][:_SHOWN]}")


def keys(db: Database, user: User) -> list[ApiKey]:
    """All keys, oldest first. Raises Forbidden."""
    require(user, Right.ADMINISTER)
    with db.read() as connection:
        rows = connection.execute(select(schema.api_keys).order_by(schema.api_keys.c.created_at))
        return [ApiKey(r.key[:_SHOWN], r.port, r.callback_url, r.created_at, r.revoked_at) for r in rows]


def active(connection: Connection) -> dict[str, str]:
    """The port of every active key, by stored hash."""
    table = schema.api_keys
    query = select(table.c.key, table.c.port).where(table.c.revoked_at.is_(None))
    return {row.key: row.port for row in connection.execute(query)}


def signing(connection: Connection, port: str, callback_url: str) -> str | None:
    """The stored hash of a port's newest active key with this callback address, or None."""
    table = schema.api_keys
    query = (
        select(table.c.key)
        .where(table.c.port == port, table.c.callback_url == callback_url, table.c.revoked_at.is_(None))
        .order_by(table.c.created_at.desc(), table.c.key)
    )
    found: str | None = connection.scalar(query.limit(1))
    return found


def _check(url: str) -> None:
    """Check the form of a callback address. Only administrators set it, so its host is not restricted."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        well_formed = parts.port != 0 and bool(parts.hostname) and parts.scheme in ("http", "https")
        _ = httpx.URL(url).host  # parsed as for the POST; decodes international names
    except (ValueError, httpx.InvalidURL):  # an IDNAError is a ValueError
        well_formed = False
    printable = url.isascii() and url.isprintable() and " " not in url
    if not (well_formed and printable) or len(url) > _MAX_URL or "@" in parts.netloc or parts.fragment:
        raise AntispamError("callback address: an http or https URL without user name and fragment expected")
