"""Threads beside a server repeat their work, say once that it fails, and end with the server."""

from __future__ import annotations

import threading

from structlog.testing import capture_logs

from pipeline.errors import AntispamError
from pipeline.ingest.beside import beside

WAIT = 20.0


def test_a_failure_is_logged_once_until_the_work_succeeds_again() -> None:
    done = threading.Event()
    turns = iter(["fails", "fails", "works", "fails", "ends"])

    def work() -> None:
        turn = next(turns, "over")
        if turn == "ends":
            done.set()
        if turn == "fails":
            raise AntispamError("no answer")

    with capture_logs() as logs, beside("api", [(0.0, "lag", work)]):
        assert done.wait(WAIT)
    assert [(line["event"], line["part"], line["cause"]) for line in logs] == [
        ("api_part_failed", "lag", "no answer")
    ] * 2


def test_the_threads_end_with_the_server() -> None:
    begun = threading.Event()
    with beside("api", [(1000.0, "lag", begun.set)]):
        assert begun.wait(WAIT)
        assert "api-lag" in [thread.name for thread in threading.enumerate()]
    assert "api-lag" not in [thread.name for thread in threading.enumerate()]
