"""The exchange of orders with one party: files or posts go out, answers and lists come in.

What must survive is in the database (`actions/orders`); a visit only moves bytes. Each visit first writes what a killed
process began.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import time

import httpx
import structlog

from pipeline.actions.orders import order_files
from pipeline.actions.orders.answers import read_answers
from pipeline.actions.orders.parties import Parties
from pipeline.actions.orders.reconciliation import reconcile
from pipeline.actions.orders.white_list import read_white_list
from pipeline.errors import AntispamError
from pipeline.file_exchange import RecordSource
from pipeline.files.source_file import SourceFile
from pipeline.ingest.files.ingester import Ingested
from pipeline.ingest.records.folder import FolderError
from pipeline.ingest.records.put_whole import put_whole
from pipeline.ingest.records.source import Ingest, SourceIntake, Stopping
from pipeline.order_exchange import AnswerSource, NumberSource, OrderExchange
from pipeline.settings import Settings
from pipeline.store.database import Database

POST_SECONDS = 10.0
_log = structlog.get_logger()


class Exchange:
    """One party. `visit` does one round, `sources` are the folders that it reads."""

    def __init__(
        self,
        exchange: OrderExchange,
        parties: Parties,
        settings: Settings,
        db: Database,
        stop: threading.Event,
        clock: Callable[[], float] = time,
    ) -> None:
        self._exchange = exchange
        self._party = exchange.party
        self._parties = parties
        self._settings = settings
        self._db = db
        self._stop = stop
        self._clock = clock
        self._intakes = [SourceIntake(source, settings, db, self._reader(source), stop) for source in exchange.sources]

    def visit(self) -> bool:
        """Time out, send what is due, read what lies there. True: there is more to read; call again at once.

        Raises AntispamError when the far side or the database cannot be reached, and Stopping.
        """
        order_files.time_out(self._db, self._parties, self._party, self._now())
        try:
            self._send()
        finally:
            more = [intake.poll(self._now()) for intake in self._intakes]
        return any(more)

    def _send(self) -> None:
        zone = self._settings.record_zone
        while file := order_files.next_file(self._db, self._parties, self._exchange, zone, self._now()):
            if self._stop.is_set():
                raise Stopping
            target = self._exchange.orders
            if target is None:
                self._post(file)
                order_files.note_acknowledged(self._db, self._parties, file, self._now())
                continue
            with self._db.read() as connection:
                content = order_files.content(connection, target, file, zone)
            put_whole(target, file.name, self._settings.known_hosts_file, content)
            order_files.note_put(self._db, self._party, file, self._now())

    def _post(self, file: order_files.OutFile) -> None:
        """Post a file's orders. Raises FolderError unless the other network takes them."""
        secret = self._exchange.webhook_secret
        if secret is None:
            raise AntispamError(f"{self._party}: no key for the signature of posts is in the environment")
        with self._db.read() as connection:
            body = order_files.body(connection, file, self._settings.record_zone)
        headers = {
            "Content-Type": "application/json",
            "Antispam-Event": file.name,
            "Antispam-Signature": order_files.signature(secret, self._now(), body),
        }
        try:
            with httpx.Client(timeout=POST_SECONDS, follow_redirects=False, trust_env=False) as client:
                answer = client.post(self._exchange.webhook or "", content=body, headers=headers)
        except httpx.HTTPError as error:
            raise FolderError(f"{self._party}: {type(error).__name__}") from None
        if not answer.is_success:
            raise FolderError(f"{self._party}: answered {answer.status_code}")

    def _reader(self, source: RecordSource) -> Ingest:
        def read(opened: SourceFile) -> Ingested:
            if isinstance(source, AnswerSource):
                done = read_answers(self._db, self._parties, self._party, source, opened, self._now, self._check_stop)
                return Ingested(opened.path, done.accepted, done.rejected)
            if not isinstance(source, NumberSource):
                raise TypeError(type(source).__name__)
            read_list = reconcile if source is self._exchange.standing else read_white_list
            accepted, rejected = read_list(self._db, self._party, source, opened, self._now())
            return Ingested(opened.path, accepted, rejected)

        return read

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopping

    def _now(self) -> int:
        return int(self._clock() * 1000)
