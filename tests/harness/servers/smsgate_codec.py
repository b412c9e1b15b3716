"""SMSGate's codecs in a Java process: what they read from our frames, written again by them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Self

from tests.harness.places import ROOT


class SmsGateCodec:
    """A running process, inside `with`."""

    def __init__(self, jars: Path, folder: Path) -> None:
        self._folder = folder
        self._command = ["java", "-cp", f"{jars}/*", str(ROOT / "tests" / "peers" / "smsgate" / "Codec.java")]

    def __enter__(self) -> Self:
        self._console = (self._folder / "codec.log").open("wb")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._console, cwd=self._folder
        )
        ready = self._line()
        assert ready == "ready", (ready, (self._folder / "codec.log").read_text()[-2000:])
        return self

    def __exit__(self, *_: object) -> None:
        with self._process, self._console:
            self._process.kill()

    def again(self, kind: str, frame: bytes) -> bytes:
        """The frame as SMSGate writes what it read."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {frame.hex()}\n".encode())
        self._process.stdin.flush()
        name, _, written = self._line().partition(" ")
        assert name != "ERROR", written
        return bytes.fromhex(written)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().rstrip("\n")
