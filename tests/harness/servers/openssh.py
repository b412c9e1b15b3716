"""OpenSSH's own server and client on 127.0.0.1: an enterprise's SFTP folder that nobody here wrote."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import asyncssh
import pytest

from pipeline.run.child import free_port

SERVER = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
_SEPARATED = Path("/run/sshd")  # Debian's sshd needs this folder when root starts it


class OpenSsh:
    """A server that takes one key of the user who runs the tests. Skips the test where there is no OpenSSH."""

    def __init__(self, folder: Path) -> None:
        if SERVER is None or shutil.which("sftp") is None:
            pytest.skip("OpenSSH: no sshd and sftp on this machine")
        if os.geteuid() == 0:
            _SEPARATED.mkdir(mode=0o755, exist_ok=True)
        folder.mkdir(mode=0o700)
        self.port = free_port()
        self.key = folder / "key"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("key", "host"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(folder / name)
            key.write_public_key(folder / f"{name}.pub")
            (folder / name).chmod(0o600)
        (folder / "known").write_text(self.known_host())
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
            f"UsePAM no\nPasswordAuthentication no\nAuthorizedKeysFile {folder}/key.pub\nSubsystem sftp internal-sftp\n"
        )

    def known_host(self) -> str:
        return f"[127.0.0.1]:{self.port} {(self._folder / 'host.pub').read_text()}"

    def url(self, path: Path) -> str:
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    def up(self) -> None:
        """Start serving."""
        command = [str(SERVER), "-D", "-e", "-f", str(self._folder / "sshd_config")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log)
        end = monotonic() + 30
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert monotonic() < end, "sshd does not listen"
            sleep(0.02)

    def down(self) -> None:
        """Stop serving. Connections that are open may end by themselves."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def client(self, *commands: str) -> None:
        """What OpenSSH's client does over one connection; a command that fails is an error."""
        options = ["-o", f"UserKnownHostsFile={self._folder / 'known'}", "-o", "BatchMode=yes", "-F", "none"]
        where = f"{getpass.getuser()}@127.0.0.1"
        subprocess.run(
            ["sftp", "-q", "-b", "-", "-i", str(self.key), "-P", str(self.port), *options, where],
            input="\n".join(commands).encode() + b"\n",
            check=True,
            capture_output=True,
            timeout=60,
        )
