"""The pieces of a text that carried its score, as a reviewer is shown them."""

from __future__ import annotations

import math
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.actions.console.score_parts import MOST, model_in_force, score_parts
from pipeline.actions.console.search import parts_of_score
from pipeline.actions.model_versions import ACTIVE
from pipeline.models.classifier import WEIGHTS, Classifier
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry


@pytest.fixture(scope="module")
def model() -> Classifier:
    return Classifier.load()


def test_the_heaviest_words_come_first(model: Classifier) -> None:
    text = "您好，本公司代开增值税发票，点数优惠，联系电话13800138000"
    parts = score_parts(model, text).words
    assert 0 < len(parts) <= MOST
    weights = [abs(part.log_odds) for part in parts]
    assert weights == sorted(weights, reverse=True)
    named = {text[part.start : part.end]: part.log_odds for part in parts}
    assert max(named.values()) == parts[0].log_odds > 0
    assert all(len(piece) <= 4 or piece.isascii() for piece in named), "Chinese is named by words"
    places = sorted((part.start, part.end) for part in parts)
    assert all(end <= start for (_, end), (start, _) in pairwise(places))


def test_what_is_named_and_the_rest_make_the_score(model: Classifier) -> None:
    text = "您好，您的包裹到了，取件码8832，请于今天18:00前取走"
    parts = score_parts(model, text)
    log_odds = parts.rest + sum(part.log_odds for part in parts.words)
    assert model.classify([text])[0].score == pytest.approx(1 / (1 + math.exp(-log_odds)))


@pytest.mark.parametrize("text", ["", "\ud800", "😀" * 10, "\x00"])
def test_any_text_can_be_asked_about(model: Classifier, text: str) -> None:
    assert all(0 <= part.start < part.end <= len(text) for part in score_parts(model, text).words)


def test_the_model_that_was_published(operational_db: Database, model: Classifier) -> None:
    assert model_in_force(operational_db) is None
    chief = User("chief", Role.ADMINISTRATOR)
    registry.publish_configuration(operational_db, chief, "model", ACTIVE, "shipped", 1)
    found = model_in_force(operational_db)
    assert found is not None
    assert found.version == model.version


def test_a_model_that_is_gone_stops_no_reviewer(operational_db: Database, tmp_path: Path) -> None:
    chief = User("chief", Role.ADMINISTRATOR)
    kept = tmp_path / "model"
    shutil.copytree(WEIGHTS, kept)
    registry.publish_configuration(operational_db, chief, "model", ACTIVE, str(kept), 1)
    shutil.rmtree(kept)
    assert model_in_force(operational_db) is None


def test_search_names_the_parts_of_the_text_it_shows(operational_db: Database, model: Classifier) -> None:
    analyst, masked = User("rui", Role.ANALYST), "您好，本公司代开增值税发票，联系电话***********"
    assert parts_of_score(operational_db, analyst, masked, model.version) == ()  # no model was published
    registry.publish_configuration(operational_db, User("chief", Role.ADMINISTRATOR), "model", ACTIVE, "shipped", 1)
    named = {masked[p.start : p.end] for p in parts_of_score(operational_db, analyst, masked, model.version)}
    assert "发票" in named or "增值税" in named
    assert parts_of_score(operational_db, analyst, masked, "another") == ()
    assert parts_of_score(operational_db, analyst, masked, None) == ()
    with pytest.raises(Forbidden):
        parts_of_score(operational_db, User("vera", Role.VIEWER), masked, model.version)
