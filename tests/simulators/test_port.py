"""The simulated port and our servers for ports: what it sends, in pieces and repeatedly, is taken once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from pipeline.actions.senders.channels import Channel
from pipeline.run.child import free_port
from pipeline.simulators.port import Behaviour, Port
from tests.harness.links.memory_pipeline import served

SENDER = "10690001"
KINDS = {"cmpp2": "cmpp", "cmpp3": "cmpp", "smgp": "smgp", "sgip": "sgip", "smpp": "smpp"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.long
def test_every_text_arrives_and_every_part_is_reported(kind: str) -> None:
    listen = f"127.0.0.1:{free_port()}" if kind == "sgip" else ""
    own: dict[str, Any] = {"listen": listen, "node": 3_029_999_999} if listen else {}
    with served(KINDS[kind], **({"sgip_deliver": listen} if listen else {})) as pipeline:
        channel = Channel(
            host="127.0.0.1",
            port=pipeline.ports[KINDS[kind]],
            account="900001",
            kind=kind,  # type: ignore[arg-type]
            links=2,
            **own,
        )
        port = Port(channel, b"secret", SENDER, Behaviour(messages=40, rate=1e6, split=0.3, again=0.2, seed=3))
        said = asyncio.run(port.run())
        sent = Counter((s.recipients[0], s.content) for s in pipeline.sent)
    assert said["answers"] == {"0": said["parts"]}
    assert said["reports"] == {"DELIVRD": said["parts"]}
    assert said["without_report"] == said["unknown_reports"] == 0
    assert said["sent_again"] > 0
    assert sent == Counter(port.texts)


@pytest.mark.long
def test_a_port_that_loses_its_links_goes_on() -> None:
    with served("cmpp") as pipeline:
        channel = Channel(host="127.0.0.1", port=pipeline.ports["cmpp"], account="900001", links=2)
        behaviour = Behaviour(messages=60, rate=1e6, disconnect=0.05, shuffle=True, wait=1.0, seed=4)
        said = asyncio.run(Port(channel, b"secret", SENDER, behaviour).run())
    assert said["disconnects"] > 0
    assert sum(said["answers"].values()) + said["lost_answers"] == said["parts"]
    assert said["answers"]["0"] > said["parts"] / 2


def test_a_wrong_secret_ends_the_port() -> None:
    with served("smpp") as pipeline:
        channel = Channel(host="127.0.0.1", port=pipeline.ports["smpp"], account="900001", kind="smpp")
        with pytest.raises(Exception, match="login refused: 14"):
            asyncio.run(Port(channel, b"wrong", SENDER, Behaviour(messages=1)).run())
