"""SMSGate as a port, over every protocol: it cuts long messages and joins answers and reports in its own way.

Its SMPP puts ASCII where the specification has the GSM alphabet.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from pipeline.run.child import free_port
from tests.harness.links.memory_pipeline import served
from tests.harness.places import ROOT
from tests.harness.servers.smsgate_gateway import smsgate_jars

PORT = "10690001"
SOURCE = ROOT / "tests" / "peers" / "smsgate" / "Port.java"
PROTOCOLS = {"cmpp2": "cmpp", "cmpp3": "cmpp", "smgp": "smgp", "sgip": "sgip", "smpp": "smpp"}
LINKS = 2


def text_of(n: int) -> str:
    if n % 5 == 0:
        return f"[Bank] notice {n}: " + "the branch is closed today. " * (n % 3 * 5)
    return f"【银行】第{n}条 😀🎉" + ("您好，这是一条长短信。" * (n % 25) if n % 3 == 0 else "") + "👨‍👩‍👧" * (n % 2)


@pytest.mark.long
@pytest.mark.parametrize(
    ("protocol", "count"),
    [("cmpp3", 500)] + [pytest.param(protocol, 10_000, marks=pytest.mark.slow) for protocol in PROTOCOLS],
)
def test_every_text_arrives_and_every_part_has_its_report(protocol: str, count: int, tmp_path: Path) -> None:
    jars, kind = smsgate_jars(), PROTOCOLS[protocol]
    lines = "".join(f"{PORT} 138{n:08d} {text_of(n)}\n" for n in range(count))
    listen = free_port()
    with (
        served(kind, smpp_ascii=True, sgip_deliver=f"127.0.0.1:{listen}") as pipeline,
        (tmp_path / "smsgate.log").open("wb") as log,
    ):
        command = ["java", "-Xmx512m", "-cp", f"{jars}/*", str(SOURCE), protocol, str(pipeline.ports[kind])]
        ended = subprocess.run(
            [*command, "900001", "secret", str(LINKS), str(listen)],
            input=lines.encode(),
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=tmp_path,
            timeout=600,
            check=False,
        )
        sent = Counter((s.port, s.recipients[0], s.content) for s in pipeline.sent)
    tail = (tmp_path / "smsgate.log").read_text(errors="replace")[-3000:]
    assert ended.returncode == 0, tail
    said = [line.split(" ") for line in ended.stdout.decode().splitlines()]
    answers = Counter(ident for kind, ident, *_ in said if kind == "answer")
    assert {result for kind, _, *rest in said if kind == "answer" for result in rest} == {"0"}
    assert set(answers.values()) == {1}, "an id twice"
    assert Counter((ident, rest[0]) for kind, ident, *rest in said if kind == "report") == Counter(
        {(ident, "DELIVRD"): 1 for ident in answers}
    )
    assert len(answers) > count
    assert sent == Counter((PORT, f"138{n:08d}", text_of(n)) for n in range(count))
    print(f"{protocol}: {count} messages, {len(answers)} parts, each with its report; all texts equal")
