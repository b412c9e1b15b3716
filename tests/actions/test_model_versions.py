"""A model is kept by version, put in force or on trial, and taken back."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from pipeline.actions import model_versions
from pipeline.decision.configuration import CHALLENGER, SHIPPED, ConfigEntries
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.models.classifier import WEIGHTS, Classifier
from pipeline.rules.policies.lifecycle import Approval
from pipeline.settings import Settings
from pipeline.store import outbox
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import configurations, registry

pytestmark = pytest.mark.long

ADMIN = User("chief", Role.ADMINISTRATOR)
VERSION = Classifier.load().version


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def value(db: Database, name: str) -> str | None:
    with db.read() as connection:
        return configurations.in_force(connection, "model", name)


def test_put_in_force_and_back(operational_db: Database, settings: Settings, tmp_path: Path) -> None:
    registry.publish_configuration(operational_db, ADMIN, "model", model_versions.ACTIVE, "shipped", 1)
    version, epoch = model_versions.publish(operational_db, settings, ADMIN, WEIGHTS, Approval.TWO, 2)
    assert version == VERSION
    assert epoch > 1
    kept = registry.configuration(operational_db, "model", model_versions.ACTIVE)
    assert kept is not None
    assert Classifier.load(Path(kept)).version == VERSION
    assert Path(kept).parent == (settings.data_dir / "models").resolve()
    registry.rollback(operational_db, ADMIN, "model", model_versions.ACTIVE, 3)
    assert registry.configuration(operational_db, "model", model_versions.ACTIVE) == "shipped"


def test_on_trial_beside_the_one_that_decides(operational_db: Database, settings: Settings) -> None:
    registry.publish_configuration(operational_db, ADMIN, "model", model_versions.ACTIVE, "shipped", 1)
    model_versions.try_out(operational_db, settings, ADMIN, WEIGHTS, 2)
    assert registry.configuration(operational_db, "model", model_versions.ACTIVE) == "shipped"
    assert value(operational_db, CHALLENGER) is not None


def test_a_trial_ends(operational_db: Database, settings: Settings) -> None:
    with pytest.raises(AntispamError, match="none is in force"):
        registry.withdraw(operational_db, ADMIN, "model", CHALLENGER, 1)
    model_versions.try_out(operational_db, settings, ADMIN, WEIGHTS, 2)
    epoch = registry.withdraw(operational_db, ADMIN, "model", CHALLENGER, 3)
    assert value(operational_db, CHALLENGER) is None
    with operational_db.read() as connection:
        (message,) = dict(outbox.unpublished(connection, 100))[epoch].messages
    change = msgspec.json.decode(message.value or b"", type=ConfigChange)
    entries = ConfigEntries()
    entries.apply([msgspec.structs.replace(change, value=SHIPPED, epoch=1)])
    assert entries.config.challenger is not None
    assert entries.apply([change]) == []
    assert entries.config.challenger is None


def test_what_is_no_model_is_refused_and_nothing_is_kept(
    operational_db: Database, settings: Settings, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(WEIGHTS, broken)
    (broken / "weights.npz").write_bytes(b"no")
    with pytest.raises(AntispamError, match="weights"):
        model_versions.publish(operational_db, settings, ADMIN, broken, Approval.TWO, 1)
    assert not (settings.data_dir / "models").exists()
    (settings.data_dir).mkdir(parents=True)
    (settings.data_dir / "models").write_text("a file")
    with pytest.raises(AntispamError, match="models"):
        model_versions.publish(operational_db, settings, ADMIN, WEIGHTS, Approval.TWO, 1)


def test_a_kept_copy_that_is_damaged_is_put_right(operational_db: Database, settings: Settings) -> None:
    model_versions.publish(operational_db, settings, ADMIN, WEIGHTS, Approval.TWO, 1)
    kept = Path(registry.configuration(operational_db, "model", model_versions.ACTIVE) or "")
    (kept / "weights.npz").write_bytes(b"no")
    model_versions.publish(operational_db, settings, ADMIN, WEIGHTS, Approval.TWO, 2)
    assert Classifier.load(kept).version == VERSION
    assert [path.name for path in kept.parent.iterdir()] == [VERSION]
