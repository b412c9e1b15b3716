"""Real FTP and SFTP servers on 127.0.0.1, in a thread of the test, that can be stopped, started and cut."""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aioftp
import asyncssh

from pipeline.stream.child import free_port

USER, PASSWORD = "reader", "far-side-password"


class FarServer(ABC):
    """A server over `root`. With `cut_after`, it breaks down once it has given so many blocks of a file.

    With `short`, it ends every file before its last block and calls that a success.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.cut_after: int | None = None
        self.reads = 0
        self.short = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    scheme = ""

    def url(self, pattern: str) -> str:
        return f"{self.scheme}://{USER}@127.0.0.1:{self.port}{self.folder}/{pattern}"

    @property
    def folder(self) -> str:
        return "/out"

    def up(self) -> None:
        self._do(self._up())

    def down(self) -> None:
        self._do(self._down())

    def close(self) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def must_cut(self) -> bool:
        self.reads += 1
        return self.cut_after is not None and self.reads > self.cut_after

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    @abstractmethod
    async def _up(self) -> None:
        """Start serving."""

    @abstractmethod
    async def _down(self) -> None:
        """Stop serving."""


class FarFtp(FarServer):
    scheme = "ftp"
    _server: aioftp.Server | None = None

    async def _up(self) -> None:
        far = self

        class CutIO(aioftp.PathIO):
            async def read(self, file: Any, n: int = -1) -> bytes:
                if far.must_cut():
                    asyncio.ensure_future(far._down())  # noqa: RUF006 - cancels this very call
                    await asyncio.sleep(60)
                data: bytes = await super().read(file, n)
                return data[: -1 if far.short else None]

        users = [aioftp.User(USER, PASSWORD, base_path=self.root, home_path="/")]
        self._server = aioftp.Server(users, path_io_factory=CutIO)
        await self._server.start("127.0.0.1", self.port)

    async def _down(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await server.close()


class FarSftp(FarServer):
    scheme = "sftp"
    _server: asyncssh.SSHAcceptor | None = None

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._connections: list[asyncssh.SSHServerConnection] = []

    def known_host(self) -> str:
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode()}"

    async def _up(self) -> None:
        far = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                far._connections.append(conn)

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, PASSWORD)

        class Files(asyncssh.SFTPServer):
            def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
                super().__init__(chan, chroot=os.fsencode(far.root))

            def read(self, file_obj: object, offset: int, size: int) -> Any:
                if far.must_cut():
                    self.channel.get_connection().abort()
                data = super().read(file_obj, offset, size)
                return b"" if far.short and offset > 0 else data

        self._server = await asyncssh.listen(
            "127.0.0.1", self.port, server_factory=Server, server_host_keys=[self.host_key], sftp_factory=Files
        )

    async def _down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.abort()
        self._connections.clear()
