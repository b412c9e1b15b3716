"""Packages of npm that others wrote, fetched once on each machine for tests that compare with them."""

from __future__ import annotations

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

WAIT = 120  # seconds for one fetch


def npm_peer(home: Path) -> Path:
    """The `node_modules` of the `package.json` in this folder; skips the test if they cannot be fetched."""
    if shutil.which("npm") is None:
        pytest.skip(f"{home.name}: npm is not installed")
    package = (home / "package.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "antispam" / "peers"
    folder = cache / f"{home.name}-{sha256(package).hexdigest()[:12]}"
    if not folder.is_dir():
        unfinished = folder.with_suffix(f".{os.getpid()}")
        unfinished.mkdir(parents=True)
        (unfinished / "package.json").write_bytes(package)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            subprocess.run(command, check=True, timeout=WAIT, capture_output=True, cwd=unfinished)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{home.name} cannot be fetched: {type(error).__name__}")
        if not folder.is_dir():  # otherwise another process finished first
            unfinished.rename(folder)
    return folder / "node_modules"
