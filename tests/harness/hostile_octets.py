"""What a stranger sends to a listening port: noise, mutated and cut requests, frames of random bodies, in pieces."""

from __future__ import annotations

import socket
from contextlib import suppress
from random import Random
from typing import Any

from pipeline.protocols import cmpp, sgip, smgp, smpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.sgip import SGIP
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.smpp import SMPP

CODECS: dict[str, Any] = {"cmpp": CMPP3, "smpp": SMPP, "smgp": SMGP, "sgip": SGIP}
STAMP = 1121143005
_TIMEOUT = 5.0  # seconds


def login(protocol: str, name: str, secret: str) -> bytes:
    """The first frame of an honest client."""
    if protocol == "cmpp":
        proof = cmpp.authenticator_source(name, secret.encode(), STAMP)
        pdu: Any = cmpp.Connect(sequence=1, source_addr=name, authenticator=proof, version=0x30, timestamp=STAMP)
    elif protocol == "smpp":
        pdu = smpp.BindTransceiver(sequence=1, system_id=name, password=secret)
    elif protocol == "smgp":
        proof = smgp.authenticator_client(name, secret.encode(), STAMP)
        pdu = smgp.Login(sequence=1, client_id=name, authenticator=proof, login_mode=2, timestamp=STAMP, version=0x30)
    else:
        pdu = sgip.Bind(sequence=bytes(12), login_type=1, login_name=name, login_password=secret)
    sent: bytes = CODECS[protocol].encode(pdu)
    return sent


def link_attack(protocol: str, name: str, secret: str, random: Random) -> bytes:
    """Noise, a mutated login, or a login and frames whose bodies or lengths are random."""
    way = random.randrange(4)
    noise = random.randbytes(random.choice((1, 20, 300, 5000)))
    if way == 0:
        return noise
    first = login(protocol, name, secret)
    if way == 1:
        return mutated(first, random) + noise
    commands = sorted(CODECS[protocol].kinds)
    frames = first
    for _ in range(random.randrange(1, 30)):
        body = random.randbytes(random.randrange(200))
        length = len(body) + 8 if way == 2 else random.choice((0, 7, 8, 1 << 31, len(body)))
        frames += length.to_bytes(4, "big") + random.choice(commands).to_bytes(4, "big") + body
    return frames


def http_attack(requests: list[bytes], random: Random) -> bytes:
    """Noise, a request that is mutated or cut, or the head of one before noise."""
    way = random.randrange(4)
    noise = random.randbytes(random.choice((1, 20, 300, 5000)))
    if way == 0:
        return noise
    request = random.choice(requests)
    if way == 1:
        return mutated(request, random) + noise
    head, _, body = request.partition(b"\r\n\r\n")
    if way == 2:
        return request[: random.randrange(1, len(request))]
    length = random.choice((b"%d" % len(noise), b"%d" % (1 << 40), b"-1", b"\xff", b"7, 8"))
    return head + b"\r\nContent-Length: " + length + b"\r\n\r\n" + (noise or body)


def mutated(octets: bytes, random: Random) -> bytes:
    """The octets with some of them changed."""
    changed = bytearray(octets)
    for _ in range(random.randrange(1, 6)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def send(port: int, octets: bytes, random: Random) -> None:
    """Send in random pieces over a connection of its own, reading now and then."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as connection:
        connection.settimeout(0.05)
        while octets:
            piece = random.randrange(1, len(octets) + 1)
            connection.sendall(octets[:piece])
            octets = octets[piece:]
            if random.random() < 0.2:
                with suppress(TimeoutError):
                    connection.recv(65_536)
