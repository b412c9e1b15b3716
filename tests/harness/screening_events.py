"""Ports, policies, submissions and records for tests of screening."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from pipeline.decision.configuration import Config, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import (
    Decision,
    Record,
    RecordKind,
    Submission,
)
from pipeline.models.classifier import Classified, Classifier
from pipeline.models.features import Links
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.lists import ListEntry, Lists
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.rules.words.dictionary import Dictionary
from pipeline.text.normal import Normals

NOW = 1_760_000_000_000
CALM = "【示例银行】您尾号1234的账户收入500.00元"

POLICY = """\
port_limits_5m: {high: 5, ordinary: 10, trusted: 1000}
counters:
  - {name: volume, event: submission, key: [port], window: 5m, description: messages of the port}
  - {name: sent, event: record, key: [sender], window: 5m, where: record_kind == "MO", description: by a number}
rules:
  - {id: volume, event: submission, description: "已发 {volume} 条", when: volume > port_limit_5m,
     verdict: reject, severity: 60, alert: warning}
  - {id: pause, event: submission, description: wait, when: 'kind == "commercial" && round < 2',
     verdict: hold, hold: 10s, severity: 20}
  - {id: longer, event: submission, description: wait longer, when: 'kind == "commercial" && messages == 2',
     verdict: hold, hold: 30s, severity: 10}
  - {id: score, event: submission, description: spam, when: score > 0.9, verdict: review}
  - {id: word-review, event: submission, description: a word, when: keyword_verdict == "review", verdict: review}
  - {id: word-reject, event: submission, description: a word, when: keyword_verdict == "reject", verdict: reject}
  - {id: word-black, event: submission, description: a word, when: keyword_verdict == "blacklist",
     verdict: blacklist, severity: 90, alert: severe}
  - {id: watched, event: submission, description: shadow, when: messages > 0, verdict: blacklist, mode: shadow}
  - {id: gone, event: submission, description: expired, when: messages > 0, verdict: blacklist,
     expires: "2025-01-01T00:00:00+08:00"}
  - {id: not-asked, event: submission, description: not asked, when: messages > 0, verdict: blacklist, mode: off}
  - {id: many, event: record, description: "已发 {sent} 条", when: sent > 2, verdict: blacklist, alert: severe}
  - {id: belated, event: record, description: late, when: late, verdict: review}
"""
WORDS = "word,category,verdict\n需审词,other,review\n拒发词,fraud,reject\n禁发词,gambling,blacklist\n"


class Opinion:
    """A classifier that gives texts with 垃圾 the score 0.99, and fails on texts with 炸."""

    version = "opinion"

    def classify(self, texts: Sequence[str], normals: Normals | None = None, links: Links = None) -> list[Classified]:
        if any("炸" in text for text in texts):
            raise FloatingPointError("planted")
        honest = _shipped_model().classify(texts, normals, links)
        return [
            msgspec.structs.replace(c, score=0.99 if "垃圾" in text else 0.1)
            for c, text in zip(honest, texts, strict=True)
        ]


@cache
def _shipped_model() -> Classifier:
    return Classifier.load()


@cache
def shipped() -> Config:
    return load_directory(None)


def port(code: str = "10690001", **fields: Any) -> Port:
    return Port(PortEntry(code=code, **fields))


def config(*ports: Port, lists: Sequence[ListEntry] = (), **parts: Any) -> Config:
    given: dict[str, Any] = {
        "epoch": 7,
        "policy": parse_policy(POLICY),
        "ports": Ports(ports or (port(),)),
        "lists": Lists(lists),
        "dictionary": Dictionary.parse(WORDS),
        "model": Opinion(),
    }
    return Config(**given | parts)


def submission(content: str = CALM, at: int = NOW, **fields: Any) -> Submission:
    given: dict[str, Any] = {"id": "s-1", "port": "10690001", "recipients": ("13800000001",)}
    return Submission(**given | fields, content=content, accepted_at=at)


def record(at: int = NOW, **fields: Any) -> Record:
    given: dict[str, Any] = {
        "id": "r-1",
        "kind": RecordKind.MO,
        "sender": "13900000009",
        "recipient": "13800000001",
        "content": "在吗",
        "ingested_at": at,
    }
    return Record(**given | fields, submitted_at=at)


def outcome(event: Submission | Record, known: Config, state: MemoryCounters | None = None) -> Screened:
    [found] = screen([event], state or MemoryCounters(), known, NOW + 5)
    assert isinstance(found, Screened)
    return found


def decide(event: Submission | Record, known: Config, state: MemoryCounters | None = None) -> Decision:
    return outcome(event, known, state).decision


def why(decision: Decision) -> tuple[str, list[str]]:
    return decision.verdict.value, [reason.rule for reason in decision.reasons]


RECIPIENTS = ("13800000001", "13800000002", "13800000003")
AWAY = [
    ListEntry("unsubscribed", "10690001:13800000001", "退订"),
    ListEntry("unsubscribed", "10690002:13800000002", "退订"),
    ListEntry("blocked", "13800000003", "本人要求"),
]
