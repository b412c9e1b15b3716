"""Carriers that others wrote, SMSGate and node-smpp: each joins long messages and writes reports in its own way.

SMSGate's SMPP puts ASCII where the specification has the GSM alphabet.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.actions.senders.part import FINAL
from pipeline.run.child import free_port
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.peers.npm_peer import npm_peer
from tests.harness.places import ROOT
from tests.harness.sender_harness import ACCOUNT, SECRET, numbers, outbound, sending
from tests.harness.servers.smsgate_gateway import smsgate_jars

PEERS = ROOT / "tests" / "peers"
CARRIERS: dict[str, dict[str, Any]] = {
    "cmpp2": {},
    "cmpp3": {},
    "smgp": {},
    "sgip": {"node": 3_029_999_999},
    "smpp": {"smpp_ascii": True, "recipient_prefix": "86"},
    "node-smpp": {"kind": "smpp", "recipient_prefix": "86"},
}


@dataclass
class _Carrier:
    port: int
    listen: int  # the port where it expects us to listen
    output: Path
    pid: int = 0


@contextmanager
def peer(name: str, folder: Path) -> Iterator[_Carrier]:
    """This carrier in a process of its own; what it says is in a file."""
    carrier = _Carrier(free_port(), free_port(), folder / "said")
    environment = dict(os.environ)
    if name == "node-smpp":
        environment["NODE_PATH"] = str(npm_peer(PEERS / "node_smpp"))
        command = ["node", str(PEERS / "node_smpp" / "carrier.js"), str(carrier.port)]
    else:
        source = str(PEERS / "smsgate" / "Carrier.java")
        command = ["java", "-Xmx512m", "-cp", f"{smsgate_jars()}/*", source, name, str(carrier.port)]
    with (
        carrier.output.open("wb") as said,
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [*command, ACCOUNT, SECRET.decode(), str(carrier.listen)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=log,
            cwd=folder,
            env=environment,
        ) as process,
    ):
        carrier.pid = process.pid
        yield carrier
        process.kill()


def text_of(n: int) -> str:
    if n % 5 == 0:
        return f"[Bank] notice {n}: " + "the branch is closed today. " * (n % 3 * 5)
    return f"【银行】第{n}条 😀🎉" + ("您好，这是一条长短信。" * (n % 25) if n % 3 == 0 else "") + "👨‍👩‍👧" * (n % 2)


async def play(db: Database, name: str, count: int, folder: Path) -> list[list[str]]:
    with peer(name, folder) as carrier:
        settings: dict[str, Any] = {"kind": name, "links": 3, "answer_wait": 20.0} | CARRIERS[name]
        if name == "sgip":
            settings["listen"] = f"127.0.0.1:{carrier.listen}"
        async with asyncio.timeout(60):
            while not carrier.output.read_bytes():
                await asyncio.sleep(0.1)
        async with sending(db, carrier, **settings) as s:
            s.add(*(outbound(f"s-{n}", [number], text_of(n)) for n, number in enumerate(numbers(count))))
            await s.until(lambda: len(s.done) == count, 600)
            await s.until(lambda: _open(db) == 0, 300, every=0.2)
            parts = _parts(db)

            def said() -> list[list[str]]:
                return [line.split(" ", 2) for line in carrier.output.read_text("utf-8").splitlines()]

            await s.until(lambda: sum(line[0] == "acknowledged" for line in said()) >= parts, every=0.2)
            return said()


def _open(db: Database) -> int:
    with db.read() as connection:
        rows = select(schema.deliveries.c.n).where(schema.deliveries.c.state.not_in(FINAL))
        return len(connection.execute(rows.limit(1)).all())


def _parts(db: Database) -> int:
    with db.read() as connection:
        return len(connection.execute(select(schema.deliveries.c.n)).all())


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "count"),
    [("sgip", 200), *(pytest.param(name, 200, marks=pytest.mark.slow) for name in CARRIERS if name != "sgip")]
    + [pytest.param(name, 10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)]) for name in CARRIERS],
)
def test_every_text_arrives_once_and_every_part_is_settled(
    operational_db: Database, name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())
    said = asyncio.run(play(operational_db, name, count, tmp_path))
    with operational_db.read() as connection:
        rows = connection.execute(select(schema.deliveries)).all()
    prefixed = name in ("sgip", "smpp", "node-smpp")
    texts = Counter((line[1][2:] if prefixed else line[1], line[2]) for line in said if line[0] == "text")
    assert texts == Counter((number, text_of(n)) for n, number in enumerate(numbers(count)))
    assert Counter(line[1][-11:] for line in said if line[0] == "part") == Counter(row.recipient for row in rows)
    assert Counter(line[1] for line in said if line[0] == "acknowledged") == Counter({"0": len(rows)})
    assert len(rows) > count
    for row in rows:
        assert row.state == ("failed" if row.recipient.endswith("7") else "delivered")
        assert row.tries == 1
    print(f"{name}: {count} messages, {len(rows)} parts, each once; {sum(texts.values())} texts equal")
