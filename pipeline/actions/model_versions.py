"""Models of the deployment: kept by version in the data folder, put in force or on trial by name.

The folder must be one that all workers see. A version is never written again, so a rollback finds the bytes
that decided before.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from pipeline.decision.configuration import CHALLENGER
from pipeline.errors import AntispamError
from pipeline.models.classifier import Classifier
from pipeline.settings import Settings
from pipeline.store.accounts.roles import User
from pipeline.store.database import Database
from pipeline.store.registry import registry

ACTIVE = "active"  # the name of the entry of kind model that decides
FILES = ("card.json", "card.md", "weights.npz")


def publish(
    db: Database, settings: Settings, user: User, folder: Path, now: int, *, on_trial: bool = False
) -> tuple[str, int]:
    """Keep a model directory and put it in force, or beside the one in force on trial; its version and the epoch.

    Raises AntispamError for a directory that is no model, or a data folder that cannot be written.
    """
    Classifier.load(folder)  # a fault is told of the folder that was named, before anything is written
    version, kept = _keep(folder, (settings.data_dir / "models").resolve())
    name = CHALLENGER if on_trial else ACTIVE
    return version, registry.publish_configuration(db, user, "model", name, str(kept), now)


def _keep(folder: Path, models: Path) -> tuple[str, Path]:
    """The version of the folder's model and its copy under that: whole or not at all.

    The copy is what is loaded: a training that finishes meanwhile must not put another model under this version.
    A copy kept before that does not load as its version any more is replaced.
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
        if _holds(models / version, version):  # another was faster
            return version, models / version
        raise AntispamError(f"{models}: {error.strerror}") from error
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
