"""Models of the deployment: stored by version in the data folder, and put in force or on trial by name.

All workers must see the folder. A version is never overwritten, so a rollback finds the same bytes as before. A model
comes into force with evidence (model_comparison.py), or with a reason for going without.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import Connection

from pipeline.actions.model_comparison import evidence
from pipeline.decision.configuration import CHALLENGER, SHIPPED
from pipeline.errors import AntispamError
from pipeline.models.card import Card
from pipeline.models.classifier import WEIGHTS, Classifier
from pipeline.rules.policies.lifecycle import Approval, may_approve
from pipeline.settings import Settings
from pipeline.store import audit, outbox
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import configurations, registry

ACTIVE = "active"  # name of the `model` entry in force
FILES = ("card.json", "card.md", "weights.npz")


def try_out(db: Database, settings: Settings, user: User, folder: Path, now: int) -> tuple[str, int]:
    """Store a copy of a model directory and put it on trial; returns version and epoch.

    Raises AntispamError for a directory without a valid model, and for an unwritable data folder.
    """
    version, kept = _stored(settings, user, folder)
    return version, registry.publish_configuration(db, user, "model", CHALLENGER, str(kept), now)


def publish(
    db: Database, settings: Settings, user: User, folder: Path, approval: Approval, now: int, reason: str = ""
) -> tuple[str, int]:
    """Store a copy of a model directory and put it in force, by one person; returns version and epoch.

    Raises Forbidden where two people must agree, and AntispamError as `try_out` and without evidence or reason.
    """
    if approval is Approval.STRICT:
        raise Forbidden(
            "{person}: two people must agree: put the model on trial, compare and promote it", person=user.name
        )
    version, kept = _stored(settings, user, folder)
    registry.check([("model", ACTIVE, str(kept))])
    with db.write() as connection:
        return version, _put_in_force(connection, now, user, "publish", version, str(kept), reason)


def promote(db: Database, user: User, approval: Approval, now: int, reason: str = "") -> tuple[str, int]:
    """Put the model on trial in force and end the trial; returns version and epoch.

    Raises Forbidden if the person who put it on trial may not approve it, and AntispamError if no model is on trial,
    and without evidence or reason.
    """
    _require(user)
    with db.write() as connection:
        outbox.lock(connection)
        stored = configurations.in_force(connection, "model", CHALLENGER)
        value = stored and configurations.value_of(connection, "model", CHALLENGER, stored)
        if not stored or not value:
            raise AntispamError("no model is on trial: antispam model publish DIR --on-trial")
        version = _version(value)
        author = configurations.author_of(connection, "model", CHALLENGER, stored) or ""
        if not may_approve(approval, author, user.name):
            raise Forbidden(
                "{person} put model {version} on trial: another person must promote it, "
                "or ANTISPAM_POLICY_APPROVAL=one",
                person=user.name,
                version=version,
            )
        registry.check([("model", ACTIVE, value)])  # its folder may be deleted
        epoch = _put_in_force(connection, now, user, "promote", version, value, reason)
        configurations.withdraw(connection, "model", CHALLENGER)
        return version, max(epoch, outbox.publish_config(connection, now, [("model", CHALLENGER, None, None)]))


def folder_in_force(db: Database) -> Path:
    """The directory of the model in force; the shipped one if none was published."""
    value = registry.configuration(db, "model", ACTIVE)
    return _folder(value)


def folder_on_trial(db: Database) -> Path:
    """The directory of the model on trial. Raises AntispamError if none is."""
    value = registry.configuration(db, "model", CHALLENGER)
    if value is None:
        raise AntispamError("no model is on trial: antispam model publish DIR --on-trial")
    return _folder(value)


def _require(user: User) -> None:
    require(user, Right.APPROVE_POLICY)
    if user.scope:
        raise Forbidden("{person}: a model holds for all ports, beyond the scope of this account", person=user.name)


def _put_in_force(
    connection: Connection, now: int, user: User, deed: str, version: str, value: str, reason: str
) -> int:
    """Put a stored model in force, with its evidence or a reason in the audit trail; returns the epoch."""
    reason = audit.checked_reason(reason) if reason else ""
    stored = configurations.in_force(connection, "model", ACTIVE)
    against = _version(stored and configurations.value_of(connection, "model", ACTIVE, stored))
    seen = evidence(connection, version, against)
    if version != against and not reason:
        if seen is None:
            raise AntispamError(
                "model {version}: nobody compared it with {against}, which is in force: antispam model compare, "
                "or give a reason",
                version=version,
                against=against,
            )
        if seen[1]:
            raise AntispamError(
                "model {version} is worse, so a reason is wanted: {faults}", version=version, faults="; ".join(seen[1])
            )
    told = {"evidence": seen[0] if seen else None, "worse": seen[1] if seen else None}
    audit.record(connection, now, user.name, deed, f"model/{version}", {"version": against}, told, reason)
    return registry.put_in_force(connection, now, user.name, deed, "model", ACTIVE, value)


def _folder(value: str | None) -> Path:
    return WEIGHTS if value is None or value == SHIPPED else Path(value)


def _version(value: str | None) -> str:
    """The version of a published value. A stored model's folder has its name, and may be unreadable here."""
    folder = _folder(value)
    return Card.load(WEIGHTS / "card.json").version if folder == WEIGHTS else folder.name


def _stored(settings: Settings, user: User, folder: Path) -> tuple[str, Path]:
    _require(user)  # before the model is read and copied, which takes long
    Classifier.load(folder)  # an error names the given folder, and comes before any write
    return _keep(folder, (settings.data_dir / "models").resolve())


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
