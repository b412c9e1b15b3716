"""Ports on SMPP that others wrote, node-smpp and gosmpp: long messages, emoji and reports, text by text, id by id."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.harness.links.memory_pipeline import served
from tests.harness.peers.go_peer import go_peer
from tests.harness.peers.npm_peer import npm_peer
from tests.harness.places import ROOT

PORT = "10690001"
PEERS = ROOT / "tests" / "peers"


def text_of(n: int) -> str:
    return f"【银行】第{n}条 😀🎉" + ("您好，这是一条长短信。" * (n % 25) if n % 3 == 0 else "") + "👨‍👩‍👧" * (n % 2)


def command_of(name: str) -> tuple[list[str], dict[str, str]]:
    if name == "node-smpp":
        home = PEERS / "node_smpp"
        return ["node", str(home / "port.js")], {"NODE_PATH": str(npm_peer(home))}
    return [str(go_peer(PEERS / "gosmpp"))], {}


@pytest.mark.long
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["node-smpp", "gosmpp"])
def test_every_text_arrives_and_every_part_has_its_report(name: str, count: int, tmp_path: Path) -> None:
    command, environment = command_of(name)
    lines = "".join(f"{PORT} 138{n:08d} {text_of(n)}\n" for n in range(count))
    with served("smpp") as pipeline, (tmp_path / "log").open("wb") as log:
        ended = subprocess.run(
            [*command, str(pipeline.ports["smpp"]), "900001", "secret"],
            input=lines.encode(),
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment},
            cwd=tmp_path,
            timeout=600,
            check=False,
        )
        sent = Counter((s.port, s.recipients[0], s.content) for s in pipeline.sent)
    assert ended.returncode == 0, (tmp_path / "log").read_text(errors="replace")[-3000:]
    said = [line.split(" ") for line in ended.stdout.decode().splitlines()]
    answers = Counter(ident for kind, ident, _ in said if kind == "answer")
    assert {status for kind, _, status in said if kind == "answer"} == {"0"}
    assert set(answers.values()) == {1}, "an id twice"
    assert Counter((ident, state) for kind, ident, state in said if kind == "report") == Counter(
        {(ident, "DELIVRD"): 1 for ident in answers}
    )
    assert len(answers) > count
    assert pipeline.accepted == len(answers)
    assert sent == Counter((PORT, f"138{n:08d}", text_of(n)) for n in range(count))
    print(f"{name}: {count} messages, {len(answers)} parts, each with its report; all texts equal")
