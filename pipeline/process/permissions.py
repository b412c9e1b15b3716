"""Who may read what lies under the data directory: its owner; of the lake's tables a group, if one is named.

The database, its log, blobs, notes and logs hold numbers, texts and password hashes. So every process of ours
runs with umask 077 (cli.py sets it), which its children (workers, brokers, the JVM) inherit. What was written before
with other modes is repaired at a start.

Analysts read the lake's files themselves. With `ANTISPAM_LAKE_GROUP` the members of that group may, except in
`lake/full`, which stays closed: only its folder's mode keeps them out, since its files are written by the same sink.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from pipeline.errors import AntispamError
from pipeline.settings import Settings

READABLE = 0o027  # of the lake's sink, when a group reads the tables
_THROUGH = 0o710  # the group passes the data directory and cannot list it


def share_tables(settings: Settings) -> None:
    """Let this process, a writer of the lake, make files that the lake's group may read, if there is one."""
    if settings.lake_group is not None:
        os.umask(READABLE)


def repair(settings: Settings) -> None:
    """Give everything of ours under the data directory the mode it should have; the directory is made if missing.

    Files of other users are left alone, symbolic links are not followed. Raises AntispamError for a group that
    does not exist or that this user may not give files to.
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
    """Whether the lake's group may read it."""
    return path.is_relative_to(lake) and not path.is_relative_to(lake / "full")


def _set(path: Path, wanted: int, group: str | None) -> None:
    """The owner's own bits stay as they are."""
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
    except FileNotFoundError:  # a running process removed it meanwhile
        return
