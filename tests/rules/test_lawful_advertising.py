"""Advertising in order passes; when one fact is missing, the reason names it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.decision.configuration import Config
from pipeline.decision.screening import Screened, screen
from pipeline.events import Decision, Kind, Submission, Tier, Verdict
from pipeline.rules.consents import Consents, enterprise_scope, parse_shard, shard_of, shard_text
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.ports import Port, PortEntry, Ports
from tests.harness.screening_events import shipped
from tests.rules.lawful_advertising import ADVERTISEMENTS, SHOPS

NOON = 1_773_115_200_000  # 2026-03-10 12:00 in Shanghai
PERSON = "13800000001"
CODES = {name: f"1069{n:04d}" for n, (name, _) in enumerate(SHOPS)}
Edit = Callable[[str], str]


def config(consents: Consents | None = None, **fields: Any) -> Config:
    entries = [
        PortEntry(
            **{
                "code": CODES[name],
                "name": name,
                "enterprise": name,
                "kind": Kind.COMMERCIAL,
                "tier": Tier.ORDINARY,
                "signatures": (name,),
            }
            | fields
        )
        for name, _ in SHOPS
    ]
    scopes = [enterprise_scope(name) for name, _ in SHOPS]
    shard = parse_shard(shard_text((scope, PERSON, 0, "consent", None) for scope in scopes))
    kept = Consents().replaced({shard_of(PERSON): shard}) if consents is None else consents
    return replace(shipped(), ports=Ports(map(Port, entries)), consents=kept)


def decisions(using: Config, edit: Edit = str, recipient: str = PERSON) -> list[Decision]:
    """The decisions on all advertisements, each as the first message of a batch of 5,000."""
    batch = [
        Submission(
            id=str(n),
            port=CODES[name],
            recipients=(recipient,),
            content=edit(text),
            accepted_at=NOON + n * 60_000,
            batch_size=5000,
        )
        for n, (name, text) in enumerate(ADVERTISEMENTS)
    ]
    outcomes = screen(batch, MemoryCounters(), using, NOON)
    return [outcome.decision for outcome in outcomes if isinstance(outcome, Screened)]


def test_at_most_five_in_a_hundred_in_order_are_asked_of_a_person() -> None:
    found = Counter(decision.verdict for decision in decisions(config()))
    assert found.total() == 200
    assert found[Verdict.RELEASE] >= 190


def _without_end(text: str) -> str:
    return text[: max(text.rfind("，"), text.rfind("。"))]


@pytest.mark.parametrize(
    ("using", "edit", "rule"),
    [
        (config(), _without_end, "unsubscribe-missing"),
        (config(unsubscribe=("Q",)), str, "unsubscribe-missing"),
        (config(), lambda text: text.partition("】")[2], "signature-missing"),
        (config(signatures=("别家",)), str, "signature-unregistered"),
        (config(consents=Consents()), str, "consent-not-recorded"),
        (config(tier=Tier.HIGH), str, "bulk-declared"),
    ],
    ids=["no way out", "a false way out", "no signature", "another's signature", "no consent", "under review"],
)
def test_what_is_missing_is_named(using: Config, edit: Edit, rule: str) -> None:
    for decision in decisions(using, edit):
        assert decision.verdict is Verdict.REVIEW
        assert rule in [reason.rule for reason in decision.reasons]


def test_a_recipient_without_consent_is_left_out_by_name() -> None:
    for decision in decisions(config(), recipient="13800000002"):
        assert [(e.recipient, e.rule) for e in decision.exceptions] == [("13800000002", "consent-missing")]
