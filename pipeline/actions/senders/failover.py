"""Which channel takes a message that its own channel cannot send.

The channels of a message are its home, whose topic it came from, and the `next` of its home, in order. The first one
that is on and has a link takes it, except those that have refused it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.job import Message


class Taker(Protocol):
    """An agent as others see it."""

    channel: Channel
    next: tuple[str, ...]  # who takes over from it, in order

    @property
    def takes(self) -> bool:
        """Whether messages of other channels may come."""

    def adopt(self, message: Message) -> None:
        """Take a message whose parts are those of this channel."""


class Failover:
    """The agents of one process by channel; the caller adds them to `agents`."""

    def __init__(self, agents: Mapping[str, Taker]) -> None:
        self.agents = agents

    def target(self, message: Message, now_at: str) -> Taker | None:
        """Who takes a message that is at the channel `now_at`; None if nobody can at the moment."""
        home = message.job.channel
        at_home = self.agents.get(home.name)
        for name in (home.name, *(home.next if at_home is None else at_home.next)):
            agent = self.agents.get(name)
            if agent is not None and name != now_at and name not in message.not_over and agent.takes:
                return agent
        return None
