"""A folder on this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pipeline.ingest.records.folder import (
    BLOCK,
    MAX_LISTED,
    FileRefusedError,
    Folder,
    FolderError,
    Listed,
    NotWrittenError,
)


class LocalFolder:
    """A folder of this machine, which may be a mounted network folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def files(self) -> dict[str, Listed]:
        """See Folder."""
        found: dict[str, Listed] = {}
        try:
            for path in self._path.iterdir():
                if path.is_file() and not path.is_symlink() and len(found) < MAX_LISTED:
                    file = await self.stat(path.name)
                    if file is not None:
                        found[path.name] = file
        except OSError as error:
            raise FolderError(f"{self._path}: {error.strerror}") from None
        return found

    async def stat(self, name: str) -> Listed | None:
        """See Folder."""
        try:
            status = (self._path / name).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileRefusedError(f"{name}: {error.strerror}") from None
        return Listed(status.st_size, str(status.st_mtime_ns))

    async def blocks(self, name: str) -> AsyncGenerator[bytes, None]:
        """See Folder."""
        try:
            with (self._path / name).open("rb") as file:
                while block := file.read(BLOCK):
                    yield block
        except OSError as error:
            raise FileRefusedError(f"{name}: {error.strerror}") from None

    async def put(self, name: str, content: bytes) -> None:
        """See Folder."""
        try:
            (self._path / name).write_bytes(content)
        except OSError as error:
            raise NotWrittenError(f"{self._path / name}: {error.strerror}") from None

    async def rename(self, name: str, target: str) -> None:
        """See Folder."""
        try:
            (self._path / name).replace(self._path / target)
        except OSError as error:
            raise FileRefusedError(f"{name}: {error.strerror}") from None

    async def remove(self, name: str) -> None:
        """See Folder."""
        try:
            (self._path / name).unlink(missing_ok=True)
        except OSError as error:
            raise FileRefusedError(f"{name}: {error.strerror}") from None


@asynccontextmanager
async def local_folder(path: Path) -> AsyncIterator[Folder]:
    """The folder at `path`. A fault shows in its operations."""
    yield LocalFolder(path)
