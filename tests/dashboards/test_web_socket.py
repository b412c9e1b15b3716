"""A client that breaks the rules of the WebSocket costs itself only."""

from __future__ import annotations

import asyncio
import logging

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from dashboards.web_socket import Socket

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
WRONG = b"\xff\xff\xff\xff"  # a frame of an opcode that does not exist


def test_a_wrong_frame_before_the_answer_to_the_handshake_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []

    async def attack() -> bytes:
        asked = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append((await receive())["type"])
            asked.set()
            seen.append((await receive())["type"])

        config = uvicorn.Config(app, ws=Socket, http="h11", lifespan="off", log_config=None, port=0)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(30):
            writer.write(HANDSHAKE)
            await asked.wait()
            writer.write(WRONG)
            answer = await reader.read()
        writer.close()
        server.should_exit = True
        await serving
        return answer

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(attack()) == b""
    assert seen == ["websocket.connect", "websocket.disconnect"]
    assert "Traceback" not in caplog.text
