"""Programs in Go over modules that others wrote, built once on each machine for tests that compare with them."""

from __future__ import annotations

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

WAIT = 180  # seconds to fetch the modules and to build


def go_peer(home: Path) -> Path:
    """The program of this folder; skips the test if it cannot be built. Its modules are those of `go.sum`."""
    if shutil.which("go") is None:
        pytest.skip(f"{home.name}: Go is not installed")
    sources = {name: (home / name).read_bytes() for name in ("go.mod", "go.sum", "main.go")}
    digest = sha256(b"\0".join(sources.values())).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "antispam" / "peers"
    program = cache / f"{home.name}-{digest}"
    if not program.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_suffix(f".{os.getpid()}")
        command = ["go", "build", "-mod=readonly", "-o", str(unfinished), "."]
        try:
            subprocess.run(command, check=True, timeout=WAIT, capture_output=True, cwd=home)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{home.name} cannot be built: {type(error).__name__}")
        unfinished.replace(program)
    return program
