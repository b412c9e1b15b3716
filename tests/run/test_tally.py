"""What `up` counts: each decision once, whatever else is on the topic, in bounded memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pipeline.events import Verdict
from pipeline.run import tally
from pipeline.run.tally import Tally
from tests.harness.processes.workers import settings_for


def decision(ident: str) -> bytes:
    return msgspec.json.encode(
        {
            "id": ident,
            "round": 0,
            "verdict": "release",
            "source": "submission",
            "messages": 2,
            "accepted_at": 1,
            "decided_at": 3,
            "port": "1069",
        }
    )


def polled(counted: Tally, *values: bytes) -> int:
    records: list[Any] = [SimpleNamespace(value=lambda v=v: v, error=lambda: None) for v in values]
    counted._consumer.close()
    counted._consumer = SimpleNamespace(consume=lambda *_: records, close=lambda: None)  # type: ignore[assignment]
    return counted.poll(0)


def test_a_repeated_decision_counts_once_and_what_is_none_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "REMEMBERED", 2)
    counted = Tally(settings_for("127.0.0.1:1", tmp_path))
    assert polled(counted, decision("a"), b"{", b"\xff", b"[" * 100_000, decision("b"), decision("a")) == 2
    assert (counted.submissions[Verdict.RELEASE], counted.messages[Verdict.RELEASE], counted.repeated) == (2, 4, 1)
    assert polled(counted, decision("c"), decision("c")) == 1
    assert (counted.total, counted.repeated, len(counted._ids)) == (3, 2, 2)
    counted.close()
