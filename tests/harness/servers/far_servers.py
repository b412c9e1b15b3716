"""Real FTP and SFTP servers on 127.0.0.1 in their own thread. A test can stop, start and cut them."""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aioftp
import asyncssh

from pipeline.run.child import free_port

USER, PASSWORD = "reader", "far-side-password"


class FarServer(ABC):
    """A server for the files in `root`. With `cut_after`, it stops after this number of blocks.

    With `short`, it sends every file incomplete and reports success.
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
        self._do(_cancelled())
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


async def _cancelled() -> None:
    """Cancel all tasks of the server's connections, so that the connections close."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0)  # an aborted connection closes in the loop's next turn


class FarFtp(FarServer):
    scheme = "ftp"
    _server: aioftp.Server | None = None

    async def _up(self) -> None:
        far = self

        class CutIO(aioftp.PathIO):
            async def read(self, file: Any, n: int = -1) -> bytes:
                if far.must_cut():
                    asyncio.ensure_future(far._down())  # noqa: RUF006 - it cancels this call
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
        self.told_size: int | None = None  # size in the listing of every file; None for the true size
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

            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                async for entry in super().scandir(path):
                    if far.told_size is not None:
                        entry.attrs.size = far.told_size
                    yield entry

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


class LyingFtp(FarServer):
    """An FTP server with a scripted greeting, listing and file.

    Each may be endless or slow. Without a script, the server has one good file.
    """

    scheme = "ftp"
    _server: asyncio.Server | None = None

    def __init__(self, root: Path, honest: bytes) -> None:
        super().__init__(root)
        self.port = 0  # a free port, known after the start
        self.honest = honest
        self.greeting: Iterable[bytes] = (b"220 hello\r\n",)
        self.listing: Iterable[bytes] | None = None
        self.file: Iterable[bytes] | None = None
        self.pause = 0.0  # pause between two pieces, s
        self._tasks: set[asyncio.Task[Any]] = set()

    def turn_honest(self) -> None:
        self.greeting, self.listing, self.file, self.pause = (b"220 hello\r\n",), None, None, 0.0

    def _facts(self) -> bytes:
        return b"type=file;size=%d;modify=20250101000000; honest.csv" % len(self.honest)

    async def _up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            with suppress(OSError, ValueError):
                await self._send(writer, self.greeting)
                if self.greeting:
                    await self._answer(reader, writer)
            await writer.drain()
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        passive: asyncio.Server | None = None
        while line := await reader.readline():
            verb = line.split()[0].upper()
            if verb == b"EPSV":
                passive = await asyncio.start_server(lambda _, w: data.put_nowait(w), "127.0.0.1", 0)
                port = passive.sockets[0].getsockname()[1]
                writer.write(b"229 go on (|||%d|)\r\n" % port)
            elif verb in (b"MLSD", b"RETR"):
                told = self.listing if verb == b"MLSD" else self.file
                if told is None:
                    told = (self._facts() + b"\r\n",) if verb == b"MLSD" else (self.honest,)
                writer.write(b"150 here\r\n")
                stream = await data.get()
                try:
                    with suppress(OSError):
                        await self._send(stream, told)
                        stream.close()
                        await stream.wait_closed()
                finally:
                    stream.transport.abort()
                if passive is not None:
                    passive.close()
                writer.write(b"226 done\r\n")
            elif verb == b"MLST":
                facts = self._facts() if self.listing is None else next(iter(self.listing)).strip()
                writer.write(b"250-here\r\n %s\r\n250 done\r\n" % facts)
            else:
                writer.write({b"TYPE": b"200", b"QUIT": b"221", b"USER": b"331"}.get(verb, b"230") + b" yes\r\n")
            await writer.drain()

    async def _send(self, writer: asyncio.StreamWriter, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(self.pause)
