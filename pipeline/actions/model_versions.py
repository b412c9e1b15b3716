"""Models of the deployment: stored by version in the data folder, and put in force or on trial by name.

All workers must see the folder. A version is never overwritten, so a rollback finds the same bytes as before.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from pipeline.decision.configuration import CHALLENGER
from pipeline.errors import AntispamError
from pipeline.models.classifier import Classifier
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import registry

ACTIVE = "active"  # name of the `model` entry in force
FILES = ("card.json", "card.md", "weights.npz")


def publish(
    db: Database, settings: Settings, user: User, folder: Path, now: int, *, on_trial: bool = False
) -> tuple[str, int]:
    """Store a copy of a model directory and put it in force or, with `on_trial`, on trial; returns version and epoch.

    Raises AntispamError for a directory without a valid model, and for an unwritable data folder.
    """
    require(user, Right.APPROVE_POLICY)  # before the model is read and copied, which takes long
    Classifier.load(folder)  # an error names the given folder, and comes before any write
    version, kept = _keep(folder, (settings.data_dir / "models").resolve())
    name = CHALLENGER if on_trial else ACTIVE
    return version, registry.publish_configuration(db, user, "model", name, str(kept), now)


def _keep(folder: Path, models: Path) -> tuple[str, Path]:
    """Copy the folder's model completely or not at all; returns its version and the path of the copy.

    The version is read from the copy, because a training may overwrite the folder at the same time. A stored copy that
    no longer loads as its version is replaced.
    """
    half, version = None, ""
    try:
        models.mkdir(parents=True, exist_ok=True)
        half = Path(mkdtemp(dir=models, prefix="."))
        for name in FILES:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, half / name)
        version = Classifier.load(half).version
        if not _holds(models / version, version):
            shutil.rmtree(models / version, ignore_errors=True)
            half.rename(models / version)
    except OSError as error:
        if _holds(models / version, version):  # another process was first
            return version, models / version
        raise AntispamError("{models}: {strerror}", models=models, strerror=error.strerror) from error
    finally:
        if half is not None:
            shutil.rmtree(half, ignore_errors=True)
    return version, models / version


def _holds(folder: Path, version: str) -> bool:
    """Whether the folder loads as this version."""
    try:
        return Classifier.load(folder).version == version
    except AntispamError:
        return False
