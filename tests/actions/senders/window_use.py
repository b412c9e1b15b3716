"""How much of window / round trip one link carries, and what a lone message waits. Not part of the suite.

`python -m tests.actions.senders.window_use [folder of the database]`. Sender, wire and carrier are processes of their
own. The wire adds 20 ms to each round trip; the sender stores each part in SQLite as always. By turns, a client that
stores nothing keeps the same window full over the same wire: its share says what machine and wire leave. For the
figures of an idle machine, let nothing else run.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.context import SpawnContext
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic, sleep
from typing import Any

from pipeline.actions.senders.dialect_of_channel import dialect_of
from pipeline.actions.senders.dialects.dialect import CHINA, Answered
from pipeline.actions.senders.job import Job
from tests.harness.migrated import migrated_sqlite
from tests.harness.sender_harness import PORT, SECRET, carrier, channel_to, numbers, outbound, sending

WINDOWS, ROUND_TRIP, SECONDS, LONE = (16, 32), 0.02, 5.0, 20
MESSAGES = 40_000


@dataclass
class Far:
    """The near end of the wire, and how many SUBMITs the carrier behind it has."""

    port: int
    submits: Any


def serve_carrier(port: Any, submits: Any) -> None:
    """A carrier that answers at once, and tells its port and its SUBMITs."""

    async def run() -> None:
        async with carrier() as simulator:
            port.value = simulator.port
            while True:
                await asyncio.sleep(0.005)
                submits.value = simulator.counts["submits"]

    asyncio.run(run())


def serve_wire(port: Any, far: int) -> None:
    """A wire that delays all octets by half a round trip each way. Threads sleep more exactly than an event loop."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port.value = server.getsockname()[1]
        while True:
            near, _ = server.accept()
            pair = near, socket.create_connection(("127.0.0.1", far))
            for one in pair:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ends in (pair, pair[::-1]):
                Thread(target=_carry, args=ends, daemon=True).start()


def _carry(this: socket.socket, that: socket.socket) -> None:
    due: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
    Thread(target=_deliver, args=(due, that), daemon=True).start()
    with suppress(OSError):
        while octets := this.recv(65_536):
            due.put((monotonic() + ROUND_TRIP / 2, octets))
    due.put((monotonic() + ROUND_TRIP / 2, b""))


def _deliver(due: SimpleQueue[tuple[float, bytes]], to: socket.socket) -> None:
    while True:
        at, octets = due.get()
        sleep(max(0.0, at - monotonic()))
        if not octets:
            to.close()
            return
        with suppress(OSError):
            to.sendall(octets)


@contextmanager
def far_carrier(context: SpawnContext) -> Iterator[Far]:
    """A carrier behind a wire, each in its process."""
    submits = context.Value("i", 0)
    with _process(context, serve_carrier, submits) as there, _process(context, serve_wire, there) as port:
        yield Far(port, submits)


@contextmanager
def _process(context: SpawnContext, serve: Callable[..., None], argument: Any) -> Iterator[int]:
    port = context.Value("i", 0)
    process = context.Process(target=serve, args=(port, argument), daemon=True)
    process.start()
    try:
        while not port.value:
            sleep(0.01)
        yield port.value
    finally:
        process.terminate()
        process.join()


async def counted(far: Far) -> float:
    """Parts a second that reach the carrier, after a second to begin."""
    await asyncio.sleep(1)
    began, first = monotonic(), far.submits.value
    await asyncio.sleep(SECONDS)
    return float(far.submits.value - first) / (monotonic() - began)


async def ours(far: Far, folder: Path, window: int) -> float:
    """What our sender carries."""
    db = migrated_sqlite(folder / "operational.db")
    try:
        async with sending(db, far, window=window) as sender:
            for start in range(0, MESSAGES, 1000):
                sender.add(outbound(f"s-{start}", numbers(1000, start)))
            return await counted(far)
    finally:
        db.close()


async def bare(far: Far, window: int) -> float:
    """What a client carries that keeps the window full and stores nothing."""
    channel = channel_to(far, window=window)
    dialect = dialect_of(channel, SECRET)
    codec, job = dialect.codec, Job(outbound("bare", numbers(MESSAGES)), PORT, channel)
    reader, writer = await asyncio.open_connection("127.0.0.1", far.port)
    sequence, at = 1, datetime.now(CHINA)

    def submit() -> None:
        nonlocal sequence
        sequence += 1
        message = job.next()
        assert message is not None, "too few messages"
        writer.write(dialect.numbered(message.todo[0].frame, sequence, at))

    async def talk() -> None:
        frames = codec.frames()
        writer.write(codec.encode(dialect.login(at, 1)))
        while octets := await reader.read(65_536):
            for frame in frames.feed(octets):
                pdu = codec.decode(frame)
                if dialect.login_result(pdu) == 0:
                    for _ in range(window):
                        submit()
                elif isinstance(dialect.event(pdu), Answered):
                    submit()

    talking = asyncio.create_task(talk())
    try:
        return await counted(far)
    finally:
        talking.cancel()
        writer.close()


async def alone(far: Far, folder: Path) -> list[float]:
    """Milliseconds from the release to the sender until each of LONE messages, one a second, is accepted."""
    db = migrated_sqlite(folder / "operational.db")
    try:
        async with sending(db, far) as sender:
            await sender.until(lambda: sender.agent.links[0].connected)
            waits = []
            for n in range(LONE):
                began = monotonic()
                sender.add(outbound(f"lone-{n}", numbers(1, n)))
                await sender.until(lambda n=n: len(sender.done) > n, every=0.0005)  # type: ignore[misc]
                waits.append((monotonic() - began) * 1000)
                await asyncio.sleep(max(0.0, began + 1 - monotonic()))
            return waits
    finally:
        db.close()


def main() -> None:
    """Print parts/s by turns, their shares, and the wait of a lone message."""
    os.environ["ANTISPAM_CHANNEL_DEFAULT_SECRET"] = SECRET.decode()
    context = multiprocessing.get_context("spawn")
    where = sys.argv[1] if len(sys.argv) > 1 else None

    def load() -> str:
        return f"load {os.getloadavg()[0]:.1f}"

    for window in WINDOWS:
        for _ in range(3):
            with far_carrier(context) as far:
                free = asyncio.run(bare(far, window))
            with far_carrier(context) as far, TemporaryDirectory(dir=where) as folder:
                rate = asyncio.run(ours(far, Path(folder), window))
            bound = window / ROUND_TRIP
            print(
                f"window {window}: {rate:.0f} parts/s, {rate / bound:.0%} of {bound:.0f};"
                f" storing nothing {free:.0f}, {free / bound:.0%}; ratio {rate / free:.2f}, {load()}",
                flush=True,
            )
    with far_carrier(context) as far, TemporaryDirectory(dir=where) as folder:
        waits = asyncio.run(alone(far, Path(folder)))
    print(f"a message a second: accepted and stored after {median(waits):.1f} ms (p50 of {LONE}), {load()}")


if __name__ == "__main__":
    main()
