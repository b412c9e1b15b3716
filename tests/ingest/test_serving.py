"""A server runs until its role is stopped or its producer has ended."""

from __future__ import annotations

import asyncio
import threading
from typing import cast

import pytest

from pipeline.errors import AntispamError
from pipeline.ingest.producer import SubmissionProducer
from pipeline.ingest.serving import serve


class Producer:
    fatal = ""


async def _until_closing(closing: asyncio.Event) -> None:
    await closing.wait()


def test_a_stop_ends_the_server() -> None:
    stop = threading.Event()

    async def work(closing: asyncio.Event) -> None:
        stop.set()
        await closing.wait()

    serve("links", work, stop, cast(SubmissionProducer, Producer()))


def test_a_producer_that_has_ended_ends_the_server_with_its_cause() -> None:
    producer = Producer()
    producer.fatal = "fenced"
    with pytest.raises(AntispamError, match="links: the producer ended: fenced"):
        serve("links", _until_closing, threading.Event(), cast(SubmissionProducer, producer))
