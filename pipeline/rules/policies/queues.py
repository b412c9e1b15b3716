"""Queues: the named heaps into which a policy sorts the cases that people review.

A policy declares queues in order, each with a condition on a case. A case is in the first queue whose condition holds;
one that no condition takes is in the queue UNNAMED. A queue only sorts: it changes no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.rules.conditions.condition import Typed
from pipeline.rules.conditions.conditions import Rows
from pipeline.rules.messages import Templates

UNNAMED = ""  # the queue of the cases that no condition takes
MAX_QUEUES = 50


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the conditions of queues read. `score` is -1 without a model, `category` empty without one."""

    rule: str
    category: str
    score: float
    port: str
    messages: int
    express: bool
    of_campaign: bool


CASE_SIGNALS = {
    "rule": Typed("string"),
    "category": Typed("string"),
    "score": Typed("double"),
    "port": Typed("string"),
    "messages": Typed("int"),
    "express": Typed("bool"),
    "of_campaign": Typed("bool"),
}


@dataclass(frozen=True, slots=True)
class Queue:
    """A declared queue. `descriptions` are its title by language."""

    name: str
    descriptions: Templates
    when: str


class Queues:
    """The queues of one policy, in order, with their conditions compiled."""

    def __init__(self, queues: Sequence[Queue] = ()) -> None:
        self.queues = tuple(queues)
        self._when = Rows([queue.when for queue in queues])

    def queue_of(self, case: CaseFacts) -> str:
        """The name of the queue of a case; a condition whose evaluation fails does not hold."""
        if not self.queues:
            return UNNAMED
        held, _ = self._when.answer({name: getattr(case, name) for name in CASE_SIGNALS})
        return self.queues[min(held)].name if held else UNNAMED


NO_QUEUES = Queues()
