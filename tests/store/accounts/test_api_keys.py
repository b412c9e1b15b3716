"""A key is shown once, belongs to one port, and ends when it is revoked."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.case_events import add_port

ROOT = User("root", Role.ADMINISTRATOR)
PORT = "10690001"


@pytest.fixture
def db(operational_db: Database) -> Database:
    with operational_db.write() as connection:
        add_port(connection, PORT)
    return operational_db


def test_only_its_hash_is_kept_and_every_step_is_audited(db: Database) -> None:
    key = api_keys.create(db, ROOT, PORT, "https://example.com/told", 1)
    with db.read() as connection:
        assert api_keys.active(connection) == {api_keys.hashed(key): PORT}
        assert api_keys.signing(connection, PORT, "https://example.com/told") == api_keys.hashed(key)
    (listed,) = api_keys.keys(db, ROOT)
    api_keys.revoke(db, ROOT, listed.name, 2)
    with db.read() as connection:
        assert api_keys.active(connection) == {}
        assert api_keys.signing(connection, PORT, "https://example.com/told") is None
        assert list(connection.scalars(select(schema.audit.c.action))) == ["create", "revoke"]
        assert audit.first_broken(connection) is None
        assert key not in repr(connection.execute(select(schema.audit)).all())
    with pytest.raises(AntispamError, match="no active key"):
        api_keys.revoke(db, ROOT, listed.name, 3)


def test_a_short_name_never_revokes(db: Database) -> None:
    api_keys.create(db, ROOT, PORT, "", 1)
    for name in ("", "a", "%"):
        with pytest.raises(AntispamError, match="no active key"):
            api_keys.revoke(db, ROOT, name, 2)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com",
        "https://",
        "http://a b/",
        "http://u:p@example.com/",
        "http://example.com/#x",
        "http://[::1",
        "http://example.com:99999/",
        "http://example.com/\r\nX: y",
        "https://xn--/",
        "https://xn--a/",
        "http://example.com/" + "a" * 3000,
    ],
)
def test_an_address_must_be_one_we_would_post_to(db: Database, url: str) -> None:
    with pytest.raises(AntispamError, match="callback address"):
        api_keys.create(db, ROOT, PORT, url, 1)


def test_only_an_administrator_makes_keys_and_only_for_registered_ports(db: Database) -> None:
    with pytest.raises(AntispamError, match="not registered"):
        api_keys.create(db, ROOT, "10699999", "", 1)
    operator = User("li", Role.OPERATOR)
    with pytest.raises(Forbidden):
        api_keys.create(db, operator, PORT, "", 1)
    with pytest.raises(Forbidden):
        api_keys.keys(db, operator)
    with pytest.raises(Forbidden):
        api_keys.revoke(db, operator, "x", 1)
