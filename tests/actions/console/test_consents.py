"""A consent is taken back by a newer entry, even of a clock ahead of ours; its proof leaves an audit row."""

from __future__ import annotations

import pytest

from pipeline.actions.console import consents as actions
from pipeline.errors import AntispamError
from pipeline.rules.consents import Consent, ConsentKind, Consents, parse_shard, shard_of
from pipeline.rules.ports import PortEntry
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import consents, registry

ADMIN = User("admin", Role.ADMINISTRATOR)
SCOPE, NUMBER = "port/10690001", "13800000001"


@pytest.fixture
def db(operational_db: Database) -> Database:
    registry.save_port(operational_db, ADMIN, PortEntry(code="10690001", enterprise="shop"), 1)
    return operational_db


def missing(db: Database, at: int) -> bool:
    with db.read() as connection:
        (text,) = [value for _, value in consents.texts(connection)]
    in_force = Consents().replaced({shard_of(NUMBER): parse_shard(text)})
    return bool(in_force.missing([NUMBER], [SCOPE], at))


@pytest.mark.parametrize("given", [1_000, 50_000, 90_000])
def test_after_taking_back_there_is_no_consent(db: Database, given: int) -> None:
    actions.record_one(db, ADMIN, Consent(SCOPE, NUMBER, ConsentKind.CONSENT, "form", given), 50_000)
    assert not missing(db, 100_000)
    actions.take_back(db, ADMIN, SCOPE, NUMBER, "a call", 50_000)
    assert missing(db, 100_000)
    assert [row.kind for row in consents.history(db, ADMIN, NUMBER)] == ["consent", "refused"]


def test_a_refused_entry_says_why(db: Database) -> None:
    with pytest.raises(AntispamError, match="not registered"):
        actions.record_one(db, ADMIN, Consent("port/1", NUMBER, ConsentKind.CONSENT, "form", 1), 2)


def test_no_proof_without_a_reason(db: Database) -> None:
    with pytest.raises(AntispamError, match="a reason"):
        actions.proof(db, ADMIN, NUMBER, " ", 1)
