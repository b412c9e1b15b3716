"""Role `files`: fetches files of SMSCs and enterprises, writes the black list file, and exchanges orders about numbers.

Every source has its own thread, so a source that is down, slow or faulty stops no other. After any failure a source
is tried again after a pause that doubles up to five minutes. Its gauge is 0 meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from time import time

import structlog

from pipeline import metrics
from pipeline.actions.conduct.blacklist_file import blacklist_file, last_digest, record_written
from pipeline.actions.orders.parties import load_parties
from pipeline.errors import AntispamError
from pipeline.file_exchange import BlacklistTarget, FolderSource, RecordSource, SubmissionSource
from pipeline.files.source_file import SourceFile
from pipeline.ingest.files.ingester import Ingested, Ingester
from pipeline.ingest.records.order_exchange import Exchange
from pipeline.ingest.records.put_whole import put_whole
from pipeline.ingest.records.source import SourceIntake, Stopping
from pipeline.ingest.records.submission_drop import SubmissionDrop
from pipeline.order_exchange import OrderExchange
from pipeline.process import readiness
from pipeline.process.backoff import Backoff
from pipeline.process.ending import fault
from pipeline.settings import Settings
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

BLACKLIST_SECONDS = 60.0  # least time between two versions of the file
_CHECK_STOP = 0.2  # seconds
MAX_PAUSE = 300.0  # seconds; longest pause before a failed source is tried again

_log = structlog.get_logger()


def run_files(settings: Settings, stop: threading.Event) -> None:
    """Fetch and ingest files, write the black list file, and exchange orders, until `stop`.

    Raises AntispamError when nothing of it is set.
    """
    target = settings.blacklist_file
    sources = (*settings.record_sources, *settings.submission_sources)
    if not sources and target is None and not settings.order_exchanges:
        names = "ANTISPAM_RECORD_SOURCES, ANTISPAM_SUBMISSION_SOURCES, ANTISPAM_BLACKLIST_FILE"
        raise AntispamError(f"nothing to do: set {names} or ANTISPAM_ORDER_EXCHANGES")
    db = open_database(settings)
    writers = _OneWriterAFile(stop)
    work: list[Callable[[], None]] = [
        lambda source=source: _run_records(source, settings, db, writers, stop)  # type: ignore[misc]
        for source in settings.record_sources
    ]
    work += [
        lambda source=source: _run_submissions(source, settings, db, stop)  # type: ignore[misc]
        for source in settings.submission_sources
    ]
    if target is not None:
        work.append(lambda: _run_blacklist(target, settings, db, stop))
    if settings.order_exchanges:
        parties = load_parties(settings)
        work += [
            lambda exchange=exchange: _run_exchange(  # type: ignore[misc]
                Exchange(exchange, parties, settings, db, stop), exchange, stop
            )
            for exchange in settings.order_exchanges
        ]
    try:
        with ThreadPoolExecutor(len(work), thread_name_prefix="files") as pool:
            running = [pool.submit(task) for task in work]
            readiness.say("files", True)  # an unreachable source shows in its own metric
            wait(running, return_when=FIRST_EXCEPTION)
            # The threads end only on `stop` or on a fault. After a fault the whole process ends and is started again.
            stop.set()
        for task in running:
            task.result()
    finally:
        db.close()


def _run_records(
    source: RecordSource, settings: Settings, db: Database, writers: _OneWriterAFile, stop: threading.Event
) -> None:
    own = settings.model_copy(
        update={
            "record_columns": source.columns or settings.record_columns,
            "record_time_format": source.time_format or settings.record_time_format,
        }
    )

    def ingest(opened: SourceFile) -> Ingested:
        with writers.of(opened.digest):
            return ingester.ingest(opened, _stop_check(stop))

    with closing(Ingester("records", own, source)) as ingester:
        _run_source(source, SourceIntake(source, settings, db, ingest, stop), settings, stop)


def _run_submissions(source: SubmissionSource, settings: Settings, db: Database, stop: threading.Event) -> None:
    most = settings.api_batch_bytes  # as for a file that comes over HTTP
    own = settings.model_copy(update={"record_file_bytes": most})
    with closing(SubmissionDrop(source, settings)) as drop:
        intake = SourceIntake(
            source, own, db, lambda opened: drop.ingest(opened, _stop_check(stop)), stop, drop.answer, most
        )
        _run_source(source, intake, settings, stop)


def _stop_check(stop: threading.Event) -> Callable[[Path, int, int], None]:
    def check(*_: Path | int) -> None:
        if stop.is_set():
            raise Stopping

    return check


def _run_source(source: FolderSource, intake: SourceIntake, settings: Settings, stop: threading.Event) -> None:
    gauge = metrics.SOURCE_UP.labels(source.name)
    retry, failures = backoff(settings.record_poll), 0
    try:
        while not stop.is_set():
            try:
                pause = 0.0 if intake.poll(int(time() * 1000)) else settings.record_poll
                failures = 0
                gauge.set(1)
            except Stopping:
                raise
            except Exception as error:  # noqa: BLE001 - a fault of a far side concerns its source, not the role
                failures += 1
                pause = retry.pause(failures)
                gauge.set(0)
                _log.error("record_source_down", source=source.name, **_why(error), tries=failures, again_in=pause)
            stop.wait(pause)
    except Stopping:
        return


def _run_exchange(exchange: Exchange, declared: OrderExchange, stop: threading.Event) -> None:
    gauge = metrics.EXCHANGE_UP.labels(declared.party)
    retry, failures = backoff(declared.every), 0
    while not stop.is_set():
        try:
            pause = 0.0 if exchange.visit() else declared.every
            failures = 0
            gauge.set(1)
        except Stopping:
            return
        except Exception as error:  # noqa: BLE001 - as for a source
            failures += 1
            pause = retry.pause(failures)
            gauge.set(0)
            _log.error("order_exchange_down", party=declared.party, **_why(error), tries=failures, again_in=pause)
        stop.wait(pause)


class _OneWriterAFile:
    """Two sources may hold the same file. Two writers of it would fence each other in turn, so the second waits.

    Other files do not wait: a source whose file takes an hour delays only itself.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._at_work: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def of(self, digest: str) -> Iterator[None]:
        """Inside the block, no other source ingests the file of this hash. Raises Stopping when the role stops."""
        with self._changed:
            while digest in self._at_work and not self._stop.is_set():
                self._changed.wait(_CHECK_STOP)
            if self._stop.is_set():
                raise Stopping
            self._at_work.add(digest)
        try:
            yield
        finally:
            with self._changed:
                self._at_work.discard(digest)
                self._changed.notify_all()


def _run_blacklist(target: BlacklistTarget, settings: Settings, db: Database, stop: threading.Event) -> None:
    gauge = metrics.BLACKLIST_UP.labels(target.name)
    retry, failures = backoff(BLACKLIST_SECONDS), 0
    while not stop.is_set():
        pause = BLACKLIST_SECONDS
        try:
            write_blacklist(target, settings, db, int(time() * 1000))
            failures = 0
            gauge.set(1)
        except Exception as error:  # noqa: BLE001 - as for a source
            failures += 1
            pause = retry.pause(failures)
            gauge.set(0)
            _log.error("blacklist_not_written", target=target.name, **_why(error), tries=failures, again_in=pause)
        stop.wait(pause)


def write_blacklist(target: BlacklistTarget, settings: Settings, db: Database, now: int) -> bool:
    """Write the list to its target if it differs from the last written version; True if it was written.

    A list that has always been empty is not written: an empty file would erase the SMSC's own list. Raises
    AntispamError when the far side or the database cannot be reached; the old file then stays in place.
    """
    with db.read() as connection:
        version = blacklist_file(connection, target, settings.record_zone, now)
        last = last_digest(connection, target)
    if version.digest == last or (last is None and version.entries == 0):
        return False
    put_whole(target, target.address.pattern, settings.known_hosts_file, version.content)
    with db.write() as connection:
        record_written(connection, target, version, now)
    metrics.BLACKLIST_ENTRIES.labels(target.name).set(version.entries)
    _log.info("blacklist_written", target=target.name, entries=version.entries, sha256=version.digest)
    return True


def _why(error: Exception) -> dict[str, str]:
    """The log fields of a fault. The text of an unexpected error is left out: it may quote a file."""
    if isinstance(error, AntispamError):
        return {"cause": str(error)}
    return {"cause": type(error).__name__, "at": fault(error)["at"]}


def backoff(every: float) -> Backoff:
    """The pauses after failures of work that runs every `every` seconds: longer than that, up to MAX_PAUSE."""
    return Backoff(first=2 * every, longest=max(every, MAX_PAUSE))
