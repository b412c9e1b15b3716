"""A counter or signal that no enabled rule reads is named."""

from __future__ import annotations

from pipeline.actions.watch.unused import unused
from pipeline.rules.policies.policy import parse_policy

POLICY = """\
counters:
  - {name: used, event: submission, key: [port], window: 5m, where: messages > 0, description: read by a rule}
  - {name: idle, event: submission, key: [port], window: 5m, description: read by nobody}
  - {name: asleep, event: submission, key: [port], window: 5m, description: read by a rule that is off}
rules:
  - {id: a, event: submission, description: a, when: used > 1 && batch_size > 2, verdict: review}
  - {id: b, event: submission, description: b, when: asleep > 1 && links > 1, verdict: review, mode: off}
  - {id: c, event: submission, description: c, when: score > 0.9, verdict: review, mode: shadow}
"""


def test_what_nobody_reads() -> None:
    found = unused(parse_policy(POLICY))
    assert found.counters == ("idle", "asleep")
    assert not {"messages", "batch_size", "score"} & set(found.signals)
    assert {"links", "local_hour"} <= set(found.signals)
