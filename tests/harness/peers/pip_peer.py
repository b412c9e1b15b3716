"""Packages that others wrote, fetched once on each machine for tests that compare with them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

WAIT = 60  # seconds for one fetch


def pip_peer(package: str, version: str, module: str) -> ModuleType:
    """Import a module of this package, which is not among our dependencies; skips the test if it cannot be fetched."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "antispam" / "peers"
    folder = cache / f"{package}-{version}"
    if not folder.is_dir():
        unfinished = cache / f"{package}-{version}.{os.getpid()}"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
        try:
            subprocess.run(
                [*command, "--target", str(unfinished), f"{package}=={version}"],
                check=True,
                timeout=WAIT,
                capture_output=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{package} {version} cannot be fetched: {type(error).__name__}")
        if not folder.is_dir():  # otherwise another process finished first
            unfinished.rename(folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return importlib.import_module(module)
