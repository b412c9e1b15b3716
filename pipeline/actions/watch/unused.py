"""What a policy declares or could use, and does not: counters and signals that no rule reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.rules.policies.policy import Policy
from pipeline.rules.signals import CATALOGUE

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Unused:
    """Declared counters that no enabled rule reads, and signals that neither rule nor counter reads."""

    counters: tuple[str, ...]
    signals: tuple[str, ...]


def unused(policy: Policy) -> Unused:
    """Rules with `mode: off` read nothing."""
    read = {name for rule in policy.rules if rule.mode != "off" for name in rule.signals}
    for counter in policy.counters:
        read.update(_NAME.findall(counter.where or ""), [counter.of or ""])
    return Unused(
        tuple(counter.name for counter in policy.counters if counter.name not in read),
        tuple(name for name in CATALOGUE if name not in read),
    )
