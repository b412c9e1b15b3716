"""A disk of 1 MiB in memory, which a test fills and frees."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.places import ROOT

SIZE = 1 << 20


class SmallDisk:
    """The disk at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / ".filler"

    def fill(self, left: int = 0) -> None:
        """Leave room for so many bytes, rounded down to pages of 4 KiB."""
        with self._filler.open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                filler.truncate(max(0, filler.tell() - left // 4096 * 4096))

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """A new disk, mounted at this folder inside the block; skips the test where mounting is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", path]
    try:
        subprocess.run(mount, check=True, capture_output=True, timeout=30, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a full disk: mounting is not allowed ({type(error).__name__})")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", path], check=True, timeout=30, cwd=ROOT)
