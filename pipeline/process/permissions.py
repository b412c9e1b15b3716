"""File permissions under the data directory: only its owner may read; a named group may read the lake's tables.

The database, its write-ahead log, blobs, notes and logs hold numbers, texts and password hashes. So each process runs
with umask 077 (cli.py sets it), and its children (workers, brokers, the JVM) inherit it. A start repairs the modes of
older files.

Analysts read the lake's files directly. `ANTISPAM_LAKE_GROUP` names the group that may, except in `lake/full`. Only the
mode of that folder keeps the group out, because the same sink writes its files.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from pipeline.errors import AntispamError
from pipeline.settings import Settings

READABLE = 0o027  # umask of the lake's sink if a group reads the tables
_THROUGH = 0o710  # the group may pass through the data directory but not list it


def share_tables(settings: Settings) -> None:
    """Let this process, a writer of the lake, create files that the lake's group may read, if a group is set."""
    if settings.lake_group is not None:
        os.umask(READABLE)


def repair(settings: Settings) -> None:
    """Set the mode of every file of ours under the data directory, and create the directory if missing.

    Leaves files of other users alone and follows no symbolic links. Raises AntispamError for an unknown group, and
    for a group that this user may not give files to.
    """
    data, lake = settings.data_dir, settings.lake_dir
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    group = settings.lake_group
    if group is not None:
        lake.mkdir(exist_ok=True, mode=0o700)
    try:
        _set(data, _THROUGH if group else 0o700, group)
        for folder, folders, files in os.walk(data):
            shared = group if _is_shared(Path(folder), lake) else None
            for name in folders:
                path = Path(folder, name)
                within = group if _is_shared(path, lake) else None
                _set(path, 0o2750 if within else 0o700, within)
            for name in files:
                _set(Path(folder, name), 0o640 if shared else 0o600, shared)
    except LookupError:
        raise AntispamError(f"ANTISPAM_LAKE_GROUP: there is no group {group!r}") from None
    except PermissionError as error:
        raise AntispamError(f"{error.filename}: cannot be given to the group {group!r}: {error.strerror}") from None


def _is_shared(path: Path, lake: Path) -> bool:
    """Whether the lake's group may read the path."""
    return path.is_relative_to(lake) and not path.is_relative_to(lake / "full")


def _set(path: Path, wanted: int, group: str | None) -> None:
    """The mode to set; the owner's bits stay."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
            return
        if group is not None:
            shutil.chown(path, group=group)
        owned = found.st_mode & 0o700
        mode = owned | (wanted & ~0o700)
        if stat.S_IMODE(found.st_mode) != mode:
            path.chmod(mode)
    except FileNotFoundError:  # another process has removed it
        return
