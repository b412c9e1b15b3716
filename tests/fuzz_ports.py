"""Random octets at the listening ports of all link protocols: no crash, no hang, no growth, no accepted message.

Not part of the suite. Connections send noise, a mutated login, or a login followed by frames of random bodies, in
random pieces. At the end an honest client of each protocol logs in:

    python -m tests.fuzz_ports SECONDS
"""

from __future__ import annotations

import socket
import sys
from collections import Counter
from contextlib import suppress
from random import Random
from time import monotonic
from typing import Any

import psutil

from pipeline.protocols import cmpp, sgip, smgp, smpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.sgip import SGIP
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.smpp import SMPP
from tests.harness.links.memory_pipeline import served

CODECS: dict[str, Any] = {"cmpp": CMPP3, "smpp": SMPP, "smgp": SMGP, "sgip": SGIP}
NAME, SECRET, STAMP = "900001", b"secret", 1121143005
MOST_GROWTH = 100 << 20  # octets
LONGEST = 3.0  # seconds an honest login may take


def login(protocol: str) -> bytes:
    if protocol == "cmpp":
        proof = cmpp.authenticator_source(NAME, SECRET, STAMP)
        pdu: Any = cmpp.Connect(sequence=1, source_addr=NAME, authenticator=proof, version=0x30, timestamp=STAMP)
    elif protocol == "smpp":
        pdu = smpp.BindTransceiver(sequence=1, system_id=NAME, password=SECRET.decode())
    elif protocol == "smgp":
        proof = smgp.authenticator_client(NAME, SECRET, STAMP)
        pdu = smgp.Login(sequence=1, client_id=NAME, authenticator=proof, login_mode=2, timestamp=STAMP, version=0x30)
    else:
        pdu = sgip.Bind(sequence=bytes(12), login_type=1, login_name=NAME, login_password=SECRET.decode())
    sent: bytes = CODECS[protocol].encode(pdu)
    return sent


def attack(protocol: str, random: Random) -> bytes:
    """What one connection sends."""
    way = random.randrange(4)
    noise = random.randbytes(random.choice((1, 20, 300, 5000)))
    if way == 0:
        return noise
    first = bytearray(login(protocol))
    if way == 1:
        for _ in range(random.randrange(1, 6)):
            first[random.randrange(len(first))] = random.randrange(256)
        return bytes(first) + noise
    commands = sorted(CODECS[protocol].kinds)
    frames = bytes(first)
    for _ in range(random.randrange(1, 30)):
        body = random.randbytes(random.randrange(200))
        length = len(body) + 8 if way == 2 else random.choice((0, 7, 8, 1 << 31, len(body)))
        frames += length.to_bytes(4, "big") + random.choice(commands).to_bytes(4, "big") + body
    return frames


def send(port: int, data: bytes, random: Random) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.settimeout(0.05)
        while data:
            piece = random.randrange(1, len(data) + 1)
            connection.sendall(data[:piece])
            data = data[piece:]
            if random.random() < 0.2:
                with suppress(TimeoutError):
                    connection.recv(65_536)


def main(seconds: float) -> None:
    random, sent, process = Random(1), Counter[str](), psutil.Process()
    with served(*CODECS) as pipeline:
        for protocol in CODECS:
            send(pipeline.ports[protocol], attack(protocol, random), random)
        before, end = process.memory_info().rss, monotonic() + seconds
        while monotonic() < end:
            protocol = random.choice(sorted(CODECS))
            send(pipeline.ports[protocol], attack(protocol, random), random)
            sent[protocol] += 1
        growth = process.memory_info().rss - before
        for protocol in CODECS:
            begun = monotonic()
            with socket.create_connection(("127.0.0.1", pipeline.ports[protocol]), timeout=30) as connection:
                connection.sendall(login(protocol))
                assert connection.recv(4), f"{protocol}: an honest login has no answer"
            assert monotonic() - begun < LONGEST, f"{protocol}: an honest login waits"
        assert not pipeline.sent, "a random message was accepted"
        assert not pipeline.parts, "a random part was accepted"
    assert growth < MOST_GROWTH, f"memory grew by {growth} octets"
    print(f"connections: {dict(sent)}; memory grew by {growth >> 20} MiB; nothing was accepted")


if __name__ == "__main__":
    main(float(sys.argv[1]))
