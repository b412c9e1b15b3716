"""A model comes into force with a comparison that somebody saw, by two people, or with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sqlalchemy import select

from pipeline.actions.model_comparison import Comparison, compare, worse
from pipeline.actions.model_versions import folder_in_force, promote, publish, try_out
from pipeline.errors import AntispamError
from pipeline.models.card import Card
from pipeline.models.classifier import WEIGHTS, Classifier, weights_version
from pipeline.rules.policies.lifecycle import Approval
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database

pytestmark = pytest.mark.long

LIN, CHEN = User("lin", Role.ADMINISTRATOR), User("chen", Role.ADMINISTRATOR)
SHIPPED = Classifier.load().version
See = Callable[[Path], Comparison]


def changed(folder: Path, factor: int) -> Path:
    """The shipped model with the weights of spam times `factor`, and with the smallest change else."""
    with np.load(WEIGHTS / "weights.npz") as arrays:
        spam, category = arrays["spam"] * np.int16(factor), arrays["category"]
    spam[0, 0] ^= 1
    card = Card.load(WEIGHTS / "card.json")
    card = msgspec.structs.replace(card, version=weights_version(spam, category, card))
    Classifier(spam, category, card).save_weights(folder)
    card.save(folder / "card.json")
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed(tmp_path_factory.mktemp("good"), 1)


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed(tmp_path_factory.mktemp("blind"), 0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def see(operational_db: Database, tmp_path: Path) -> See:
    """Lin compares a model with the one in force."""
    data = tmp_path / "labelled.jsonl"
    data.write_text(
        "".join(
            f'{{"text": "{text}{n}", "label": "{label}", "lang": "zh"}}\n'
            for label, text in (("spam", "百家乐首存送彩金，电话1380000000"), ("ham", "我到家了，明天开会改到下午"))
            for n in range(50)
        ),
        encoding="utf-8",
    )
    return lambda model: compare(operational_db, LIN, model, folder_in_force(operational_db), [data], 5)


def test_what_was_seen_is_written_down_with_who_and_when(operational_db: Database, see: See, good: Path) -> None:
    found = see(good)
    assert (found.against, found.worse) == (SHIPPED, [])
    with operational_db.read() as connection:
        row = connection.execute(select(schema.audit).order_by(schema.audit.c.id.desc())).first()
    assert row is not None
    assert (row.at, row.actor, row.action, row.subject) == (5, "lin", "compare", f"model/{found.version}")
    assert row.before["version"] == SHIPPED
    assert row.after["figures"]["zh"]["spam_over_reject"] == found.after["zh"]["spam_over_reject"] > 0.9
    assert list(row.after["data"]) == ["labelled.jsonl"]


def test_another_person_promotes_what_was_compared(
    operational_db: Database, settings: Settings, see: See, good: Path
) -> None:
    try_out(operational_db, settings, LIN, good, 1)
    with pytest.raises(AntispamError, match="nobody compared it"):
        promote(operational_db, CHEN, Approval.TWO, 2)
    version = see(good).version
    with pytest.raises(Forbidden, match="another person must promote it"):
        promote(operational_db, LIN, Approval.TWO, 3)
    assert promote(operational_db, CHEN, Approval.TWO, 4)[0] == version
    assert folder_in_force(operational_db).name == version
    with pytest.raises(AntispamError, match="no model is on trial"):
        promote(operational_db, CHEN, Approval.TWO, 5)


def test_a_worse_model_wants_a_reason(operational_db: Database, settings: Settings, see: See, blind: Path) -> None:
    assert "zh: spam over strict 0.0000" in see(blind).worse[0]
    with pytest.raises(AntispamError, match="is worse, so a reason is wanted: zh: spam"):
        publish(operational_db, settings, LIN, blind, Approval.TWO, 2)
    publish(operational_db, settings, LIN, blind, Approval.TWO, 3, "the model in force stops our own notices")
    with operational_db.read() as connection:
        rows = connection.execute(select(schema.audit).where(schema.audit.c.action == "publish")).all()
    assert rows[0].reason == "the model in force stops our own notices"
    assert rows[0].after["worse"]


def test_a_comparison_with_a_model_that_left_force_is_no_evidence(
    operational_db: Database, settings: Settings, see: See, good: Path, blind: Path
) -> None:
    see(good)
    publish(operational_db, settings, LIN, blind, Approval.ONE, 2, "to have another one in force")
    with pytest.raises(AntispamError, match=f"nobody compared it with {folder_in_force(operational_db).name}"):
        publish(operational_db, settings, LIN, good, Approval.ONE, 3)


def test_where_two_must_agree_nobody_publishes_alone(operational_db: Database, settings: Settings, good: Path) -> None:
    with pytest.raises(Forbidden, match="two people must agree"):
        publish(operational_db, settings, LIN, good, Approval.STRICT, 1, "a reason")


def test_too_few_texts_are_no_evidence(operational_db: Database, good: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"text": "一", "label": "spam", "lang": "zh"}\n' * 49, encoding="utf-8")
    with pytest.raises(AntispamError, match="at least 50 spam and 50 honest"):
        compare(operational_db, LIN, good, WEIGHTS, [few], 1)


@pytest.mark.parametrize(
    ("figure", "old", "new", "found"),
    [
        ("spam_over_reject", 0.975, 0.970, 0),
        ("spam_over_reject", 0.975, 0.9699, 1),
        ("ham_over_reject", 0.001, 0.002, 0),
        ("ham_over_reject", 0.001, 0.0021, 1),
        ("over_reject", 0.0, 0.0011, 1),
        ("over_reject", 0.01, 0.0, 0),
    ],
)
def test_worse_is_what_chance_does_not_explain(figure: str, old: float, new: float, found: int) -> None:
    assert len(worse({"zh": {figure: old}}, {"zh": {figure: new}})) == found
