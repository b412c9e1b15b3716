"""cmppy as a port over CMPP 3.0: long messages and emoji, text by text and id by id. It asks for no reports."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.links.memory_pipeline import served
from tests.harness.peers.pip_peer import pip_peer

PORT, WINDOW = "10690001", 16
UNITS = 66  # cmppy takes fewer than 70 characters, and a header takes three


def text_of(n: int) -> str:
    return f"【银行】第{n}条 😀🎉" + ("您好，这是一条长短信。" * (n % 25) if n % 3 == 0 else "") + "👨‍👩‍👧" * (n % 2)


def contents(text: str, reference: int) -> Iterator[tuple[str, int]]:
    """The contents of the parts as cmppy takes them, and whether they begin with a header: characters in UCS2."""
    pieces, units = [""], 0
    for character in text:
        width = len(character.encode("utf-16-be")) // 2
        if units + width > UNITS:
            pieces, units = [*pieces, ""], 0
        pieces[-1] += character
        units += width
    for number, piece in enumerate(pieces, 1):
        header = "".join(map(chr, (0x0500, 0x0300 | reference, len(pieces) << 8 | number)))
        yield (header + piece, 1) if len(pieces) > 1 else (piece, 0)


@pytest.mark.long
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_every_text_arrives_and_every_part_has_its_own_id(count: int) -> None:
    requests, responses = (pip_peer("cmppy", "0.3", f"cmppy.{name}") for name in ("request", "response"))
    ids: list[int] = []
    parts = waiting = 0
    with (
        served("cmpp") as pipeline,
        socket.create_connection(("127.0.0.1", pipeline.ports["cmpp"]), timeout=60) as connection,
        connection.makefile("rb") as stream,
    ):

        def answer() -> Any:
            head = stream.read(4)
            return responses.parse_response(head + stream.read(int.from_bytes(head, "big") - 4))

        def accepted() -> None:
            found = answer()
            assert found.result == 0
            ids.append(int(found.msg_id))

        connection.sendall(requests.ConnectReq("900001", "secret").message)
        assert answer().status == 0
        for n in range(count):
            for number, (content, headed) in enumerate(contents(text_of(n), n & 0xFF), 1):
                request = requests.SubmitReq(
                    "900001",
                    content,
                    src_id=PORT,
                    dest_terminal_id=[f"138{n:08d}"],
                    tp_udhi=headed,
                    pk_number=number,
                )
                connection.sendall(request.message)
                parts, waiting = parts + 1, waiting + 1
                if waiting == WINDOW:
                    accepted()
                    waiting -= 1
        for _ in range(waiting):
            accepted()
        connection.sendall(requests.TerminateReq().message)
        answer()
        sent = Counter((s.port, s.recipients[0], s.content) for s in pipeline.sent)
    assert len(set(ids)) == len(ids) == parts > count
    assert sent == Counter((PORT, f"138{n:08d}", text_of(n)) for n in range(count))
    print(f"cmppy: {count} messages, {parts} parts, each with its own id; all texts equal")
