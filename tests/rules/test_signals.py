"""The signal catalogue: one declaration makes a name that policies may use and that screening reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.decision.facts import facts_of
from pipeline.decision.screening import Failure, screen
from pipeline.events import Kind, Record, Submission, Tier
from pipeline.rules.clock.calendar import shipped_calendar
from pipeline.rules.consents import Consents
from pipeline.rules.context import Context
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import KINDS, known_signals, parse_policy
from pipeline.rules.signals import CATALOGUE, Signal
from pipeline.rules.speaker.names import shipped_names
from tests.harness.screening_events import NOW, config, decide, port, record, submission

TYPES = {"int": int, "double": float, "string": str, "bool": bool, "list(string)": list}
TEXTS = ("小区周四上午停水", "需审词，见 https://bit.ly/a1，加微信abc12345")
SHOUTS = Signal("shouts", "int", "exclamation marks", lambda c: c.event.content.count("！"), early=True)
POLICY = """\
port_limits_5m: {high: 5, ordinary: 5, trusted: 5}
counters:
  - {name: loud, event: submission, key: [port], window: 5m, where: shouts > 1, description: loud messages}
rules:
  - {id: shouting, event: submission, description: "{shouts} marks, {loud} times", when: shouts > 1 && loud > 0,
     verdict: review}
"""


def _context(event: Submission | Record) -> Context:
    facts, _ = facts_of([event.content], config(), None, NOW)
    known = facts[event.content]
    moment = shipped_calendar().moment(NOW)
    limits = dict.fromkeys(Tier, 5)
    return Context(
        event,
        0,
        known,
        port(),
        None,
        Kind.NOTICE,
        known.hits,
        limits,
        moment,
        moment,
        shipped_names(),
        Consents(),
        None,
    )


@pytest.mark.parametrize("content", TEXTS)
@pytest.mark.parametrize(
    ("on", "signal"),
    [(on, s) for on in KINDS for s in CATALOGUE.values() if on in s.on],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_every_signal_is_read_as_the_type_it_declares(on: str, signal: Signal, content: str) -> None:
    event = submission(content) if on == "submission" else record(content=content)
    assert type(signal.read(_context(event))) is TYPES[signal.type]


@pytest.mark.parametrize("content", TEXTS)
@pytest.mark.parametrize("signal", [s for s in CATALOGUE.values() if s.of_pair], ids=lambda s: s.name)
def test_what_is_asked_once_for_a_sender_and_a_text_sees_no_more_of_an_event(signal: Signal, content: str) -> None:
    for event in (submission(content), record(content=content)):
        known = _context(event)
        sender = {"port": event.port} if isinstance(event, Submission) else {"sender": event.sender}
        shared: Any = SimpleNamespace(**sender, content=content)
        if ("submission" if isinstance(event, Submission) else "record") in signal.on:
            seen: Any = replace(known, event=shared, moment=None, counted=None, counted_each=None)
            assert signal.read(seen) == signal.read(known)


def test_one_declaration_adds_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, SHOUTS.name, SHOUTS)
    using = config(policy=parse_policy(POLICY))
    (reason,) = decide(submission("快来！！！"), using).reasons
    assert (reason.values, reason.message) == ({"shouts": 3, "loud": 1}, "3 marks, 1 times")
    assert decide(submission("快来！"), using).reasons == ()
    assert known_signals("record", ())["shouts"].meaning == "exclamation marks"


def test_only_signals_that_the_policy_reads_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(context: Context) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setitem(CATALOGUE, "broken", Signal("broken", "int", "never read", broken))
    assert decide(submission(), config()).reasons == ()
    rule = "rules: [{id: r, event: submission, description: d, when: broken > 1, verdict: review}]"
    asks = config(policy=parse_policy(rule))
    (failure,) = screen([submission()], MemoryCounters(), asks, NOW)
    assert isinstance(failure, Failure)
