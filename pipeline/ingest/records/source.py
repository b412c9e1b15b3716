"""One source of files: fetches a far side's files into a spool and ingests them, each file once.

The order of steps makes any crash harmless:

1. The file's row is written.
2. The file is fetched. It gets its name in the spool only when it is complete and on the disk.
3. It is ingested under the hash of its bytes (`ingest_files`), and its row says so.
4. The answer to the file, if its sender gets one, is written beside it. It is the same each time.
5. The far file is moved or deleted, and the row is closed.

After a crash, the row and the place in the spool tell how far the file has come.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from hashlib import sha256
from itertools import count
from pathlib import Path

import structlog

from pipeline import metrics
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.file_exchange import FolderSource, SubmissionSource
from pipeline.files.source_file import SourceFile, UnreadableFileError, open_source
from pipeline.files.sync_folder import sync_folder
from pipeline.ingest.files.ingester import Ingested
from pipeline.ingest.records import file_rows as files
from pipeline.ingest.records.file_rows import FileKey, RecordFile
from pipeline.ingest.records.finished import Finished
from pipeline.ingest.records.folder import (
    LIST_SECONDS,
    FileRefusedError,
    Folder,
    FolderError,
    Listed,
    NotWrittenError,
)
from pipeline.ingest.records.open_folder import open_folder
from pipeline.ingest.records.put_whole import put_beside
from pipeline.settings import Settings
from pipeline.store.database import Database

FETCHED_AT_ONCE = 100  # files fetched in one visit, before the spool is ingested
FETCH_SECONDS = 3600.0  # time limit for one file
TRIES = 5  # attempts to fetch a file that the far side refuses
KNOWN_MS = 7 * DAY_MS  # how long a file that left the far side is remembered
_CHECK_STOP = 0.2  # seconds

_log = structlog.get_logger()

Ingest = Callable[[SourceFile], Ingested]
Answer = Callable[[RecordFile], bytes]
ANSWER = ".result.csv"  # the end of the names of answers


class Stopping(Exception):  # noqa: N818 - a signal to end, not an error
    """Ends a visit or an ingestion when the role stops."""


class SourceIntake:
    """The files of one source. `poll` does one round; all state that must survive is on the disk."""

    def __init__(
        self,
        source: FolderSource,
        settings: Settings,
        db: Database,
        ingest: Ingest,
        stop: threading.Event,
        answer: Answer | None = None,
        most_unpacked: int | None = None,
    ) -> None:
        """`answer` makes the answer to a finished file; without it a sender gets none.

        `most_unpacked` as in `open_source`.
        """
        self._source = source
        self._answer = answer
        self._most_unpacked = most_unpacked
        self._settings = settings
        self._db = db
        self._ingest = ingest
        self._stop = stop
        self._finished = Finished(source.address.pattern, int(source.quiet * 1000), source.marker)
        self._tries: dict[FileKey, int] = {}
        self._too_large: set[FileKey] = set()
        self._faults: dict[FileKey, int] = {}
        self._folder = settings.data_dir / "records" / source.name
        self._spool = self._folder / "spool"
        self._rejected = self._folder / "rejected"

    def poll(self, now: int) -> bool:
        """One round at `now` (epoch ms): visit the far side, ingest the spool. True: call again at once.

        Raises FolderError when the far side cannot be reached (the spool is ingested nevertheless), AntispamError when
        the broker or the database cannot be reached or our disk is full, and Stopping.
        """
        try:
            return self._poll(now)
        except OSError as error:
            raise AntispamError(f"{self._folder}: {error.strerror or error}") from None

    def _poll(self, now: int) -> bool:
        self._spool.mkdir(parents=True, exist_ok=True)
        self._rejected.mkdir(exist_ok=True)
        try:
            more = asyncio.run(self._until_stop(self._visit(now)))
        finally:
            done = self._ingest_spool(now)
        return more or (done > 0 and self._source.after != "keep")

    async def _until_stop(self, visit: Coroutine[None, None, bool]) -> bool:
        task = asyncio.ensure_future(visit)
        while not task.done():
            await asyncio.wait({task}, timeout=_CHECK_STOP)
            if self._stop.is_set():
                # wait_for of Python 3.11 sometimes swallows a cancellation, so cancel until the task ends.
                while not task.done():
                    task.cancel()
                    await asyncio.wait({task}, timeout=_CHECK_STOP)
                if not task.cancelled():
                    task.exception()  # retrieve it, or asyncio logs an error
                raise Stopping
        if task.cancelled():  # a library cancelled it; the process goes on
            raise FolderError("the client library cancelled the connection")
        return task.result()

    async def _visit(self, now: int) -> bool:
        async with open_folder(self._source, self._settings.known_hosts_file) as folder:
            await self._put_away_ingested(folder, now)
            try:
                async with asyncio.timeout(LIST_SECONDS):
                    listing = await folder.files()
            except (FileRefusedError, TimeoutError) as error:
                raise FolderError(str(error) or f"listing took more than {LIST_SECONDS:.0f} s") from None
            if self._answer is not None:
                listing = {name: listed for name, listed in listing.items() if not name.endswith(ANSWER)}
            keys = {self._key(name, listed) for name, listed in listing.items()}
            files.prune(self._db, self._source.name, keys, now - KNOWN_MS)
            started = {file.key for file in files.unclosed(self._db, self._source.name) if file.state == files.FETCHING}
            self._forget_gone(started - keys)
            finished = {self._key(*item) for item in self._finished.observe(listing, now).items()}
            fresh = self._chosen(self._small_enough(finished, now), started)
            # A broker that is down must not fill the disk, so files waiting in the spool count towards the limit.
            waiting = sum(self._path(key).exists() for key in started)
            batch = fresh[: max(0, FETCHED_AT_ONCE - waiting)]
            files.begin(self._db, [key for key in batch if key not in started], now)
            for key in batch:
                await self._try_fetch(folder, key)
            return len(fresh) > len(batch)

    def _small_enough(self, finished: set[FileKey], now: int) -> set[FileKey]:
        """The files that may be fetched.

        Larger files get a row only where they are answered: a source may list any number of them.
        """
        most = self._settings.record_file_bytes
        too_large = {key for key in finished if key.size > most}
        if fresh := too_large - self._too_large:
            if self._answer is not None:
                unheard = fresh - files.known(self._db, self._source.name)
                files.begin(self._db, unheard, now)
                for key in unheard:
                    files.finish(self._db, key, now, None, 0, 0, f"{key.size} bytes, at most {most}")
            first = min(fresh, key=lambda key: key.name)
            _log.error("record_files_too_large", source=self._source.name, files=len(fresh), first=first.name)
            metrics.RECORD_FILES.labels(self._source.name, "given_up").inc(len(fresh))
        self._too_large = too_large
        return finished - too_large

    def _chosen(self, finished: set[FileKey], started: set[FileKey]) -> list[FileKey]:
        """The files to fetch, oldest first. Files that failed before come last, so they delay no other."""
        todo = finished - (files.known(self._db, self._source.name) - started)
        self._tries = {key: tries for key, tries in self._tries.items() if key in todo}
        open_keys = [key for key in todo if self._tries.get(key, 0) < TRIES and not self._path(key).exists()]
        return sorted(open_keys, key=lambda key: (self._tries.get(key, 0), key.modified, key.name))

    async def _try_fetch(self, folder: Folder, key: FileKey) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                await self._fetch(folder, key)
        except (FileRefusedError, FolderError, OSError) as error:  # OSError: a fault of our disk, or the time limit
            cause = str(error) or f"{key.name}: took more than {FETCH_SECONDS:.0f} s"
            if isinstance(error, OSError) and error.errno is not None:
                cause = f"{self._spool}: {error.strerror}"
                self._part(key).unlink(missing_ok=True)  # a half of the file must not fill the disk for the others
            if not isinstance(error, FileRefusedError):  # a fault of the link: try the file again after the others
                self._tries[key] = min(self._tries.get(key, 0) + 1, TRIES - 1)
                raise FolderError(cause) from None
            self._tries[key] = self._tries.get(key, 0) + 1
            given_up = self._tries[key] >= TRIES
            _log.error("record_file_not_fetched", source=key.source, file=key.name, cause=cause, given_up=given_up)
            if given_up:
                metrics.RECORD_FILES.labels(key.source, "given_up").inc()

    async def _fetch(self, folder: Folder, key: FileKey) -> None:
        """Write the file's bytes to the disk, whole or not at all."""
        path = self._path(key)
        part = self._part(key)
        size = 0
        with part.open("wb") as file:
            async with aclosing(folder.blocks(key.name)) as blocks:
                async for block in blocks:
                    # A fast far side never makes us wait: without this, no time limit and no stop would take effect.
                    await asyncio.sleep(0)
                    size += len(block)
                    if size > self._settings.record_file_bytes:
                        raise FolderError(f"{key.name}: the server sends more bytes than the largest allowed file has")
                    if size <= key.size:  # a file that has grown is read to its end, so the connection stays usable
                        file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if size != key.size or await folder.stat(key.name) != Listed(key.size, key.modified):
            part.unlink()
            raise FileRefusedError(f"{size} of the {key.size} listed bytes arrived, or the file changed meanwhile")
        part.rename(path)
        sync_folder(self._spool)

    def _ingest_spool(self, now: int) -> int:
        """Ingest all files in the spool and remove them. Returns how many files were finished."""
        done = 0
        for file in files.unclosed(self._db, self._source.name):
            path = self._path(file.key)
            if file.state == files.FETCHING:
                if not path.exists():
                    continue
                if self._stop.is_set():
                    raise Stopping
                self._ingest_one(file.key, path, now)
                done += 1
            self._clear(file.key)
            if self._source.after == "keep":
                files.close(self._db, file.key, now)
        return done

    def _ingest_one(self, key: FileKey, path: Path, now: int) -> None:
        digest = None
        try:
            opened = open_source(path, self._most_unpacked)
            digest = opened.digest
            result = self._ingest(opened)
        except Exception as error:
            cause = self._given_up(key, error)
            if cause is None:
                raise
            cause = cause.replace(str(path), key.name)
            _write_whole(self._rejected / f"{path.name}.error.txt", f"{cause}\n")
            files.finish(self._db, key, now, digest, 0, 0, cause)
            metrics.RECORD_FILES.labels(key.source, "unreadable").inc()
            _log.error("record_file_unreadable", source=key.source, file=key.name, cause=cause)
            return
        before = result.before
        accepted = result.accepted + (before.accepted if before else 0)
        rejected = result.rejected + (before.rejected if before else 0)
        files.finish(self._db, key, now, digest, accepted, rejected)
        metrics.RECORD_FILES.labels(key.source, "ingested").inc()
        _log.info("record_file_ingested", source=key.source, file=key.name, accepted=accepted, rejected=rejected)

    def _given_up(self, key: FileKey, error: Exception) -> str | None:
        """The reason to set the file aside; None if another attempt may succeed."""
        if isinstance(error, UnreadableFileError):
            return str(error)
        if isinstance(error, AntispamError | Stopping):  # broker or database unreachable, or the role stops
            return None
        if isinstance(error, OSError) and error.errno is not None:  # our disk is full, for example
            return None
        if self._fails_again(key) < TRIES:
            return None
        del self._faults[key]
        return f"{type(error).__name__} in each of {TRIES} tries"

    def _clear(self, key: FileKey) -> None:
        """Remove a finished file from the spool. Its bad lines, or the whole of an unreadable file, are kept."""
        path = self._path(key)
        bad = path.with_name(path.name + ".rejected.jsonl")
        if bad.exists():
            bad.replace(_unused(self._rejected / bad.name))
        if path.exists():
            if (self._rejected / f"{path.name}.error.txt").exists():
                path.replace(self._rejected / path.name)
            else:
                path.unlink()

    async def _put_away_ingested(self, folder: Folder, now: int) -> None:
        """Move or delete the far files that have been ingested, unless they have been replaced since."""
        for file in files.unclosed(self._db, self._source.name):
            if file.state == files.FETCHING:
                continue
            self._clear(file.key)
            removed = False
            try:
                if self._answer is not None:
                    await put_beside(folder, file.key.name + ANSWER, self._answer(file))
                if self._leaves(file):
                    await self._put_away(folder, file)
                    removed = True
            except NotWrittenError as error:  # its sender hears of the file, however long the far disk is full
                if self._fails_again(file.key) % TRIES == 1:
                    cause = str(error)
                    _log.error("record_file_not_answered", source=file.key.source, file=file.key.name, cause=cause)
                    metrics.RECORD_FILES.labels(file.key.source, "not_answered").inc()
                continue
            except FileRefusedError as error:
                if self._answer is not None and self._fails_again(file.key) < TRIES:
                    continue
                _log.error("record_file_not_put_away", source=file.key.source, file=file.key.name, cause=str(error))
                metrics.RECORD_FILES.labels(file.key.source, "not_put_away").inc()
            self._faults.pop(file.key, None)
            files.close(self._db, file.key, now, removed=removed)

    def _leaves(self, file: RecordFile) -> bool:
        """Whether the far file is moved or deleted. One that nobody can read stays where its sender hears nothing."""
        return self._source.after != "keep" and (file.state == files.INGESTED or self._answer is not None)

    def _fails_again(self, key: FileKey) -> int:
        """Count a failure of this file; returns how many there were."""
        self._faults[key] = self._faults.get(key, 0) + 1
        return self._faults[key]

    async def _put_away(self, folder: Folder, file: RecordFile) -> None:
        key = file.key
        into = self._source.moved_to if self._source.after == "move" else None
        if file.state == files.UNREADABLE and isinstance(self._source, SubmissionSource):
            into = self._source.rejected_to
        # The marker goes first: if it stayed, it would declare a half-written next file finished.
        names = [key.name + self._source.marker] if self._source.marker else []
        if await folder.stat(key.name) == Listed(key.size, key.modified):
            names.append(key.name)
        for name in names:
            if await folder.stat(name) is None:
                continue
            if into is None:
                await folder.remove(name)
                continue
            target = f"{into}/{name}"
            if await folder.stat(target) is not None:
                target += f".{(file.digest or _mark(key))[:12]}"
            await folder.rename(name, target)

    def _forget_gone(self, gone: set[FileKey]) -> None:
        """Forget files that left the far side before they were fetched."""
        lost = [key for key in gone if not self._path(key).exists()]
        for key in lost:
            _log.warning("record_file_gone", source=key.source, file=key.name)
            self._part(key).unlink(missing_ok=True)
            metrics.RECORD_FILES.labels(key.source, "gone").inc()
        if lost:
            files.forget(self._db, lost)

    def _key(self, name: str, listed: Listed) -> FileKey:
        return FileKey(self._source.name, name, listed.size, listed.modified)

    def _path(self, key: FileKey) -> Path:
        """The file's place in the spool. It follows from the file's identity and is safe for any name."""
        return self._spool / f"{_mark(key)}-{re.sub(r'[^A-Za-z0-9._-]', '_', key.name)[-100:]}"

    def _part(self, key: FileKey) -> Path:
        """Where the file's bytes are until all have come."""
        path = self._path(key)
        return path.with_name(path.name + ".part")


def _mark(key: FileKey) -> str:
    return sha256("\0".join(map(str, key)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _unused(path: Path) -> Path:
    """The path, with a number added if an earlier file of the same name, size and time has taken it."""
    return next(p for n in count() if not (p := path if n == 0 else path.with_name(f"{n}-{path.name}")).exists())
