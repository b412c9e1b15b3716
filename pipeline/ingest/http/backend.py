"""What the API needs of the rest of the pipeline, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.events import Priority, Submission
from pipeline.rules.ports import Ports


class Send(Protocol):
    """Gives a submission to the broker; the future is True once acknowledged, False once that has failed.

    Called in the event loop, never blocks.
    """

    def __call__(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]: ...  # noqa: D102 - see above


@dataclass(frozen=True, slots=True)
class Lag:
    """Submissions of a lane acknowledged and not decided yet, and seconds until they may be under the limit."""

    behind: int = 0
    seconds: int = 1


@dataclass(frozen=True, slots=True)
class Backend:
    """The functions the API works with; all of them are safe to call from its event loop.

    `digests` finds submissions by id, as (sender, id) -> digest; `status` takes a sender as given and an
    id; `senders` a port and an id. All three raise AntispamError when the database cannot be reached.
    `not_ready` says what is missing before requests can be served, by name.
    """

    ports: Callable[[], Ports | None]
    send: Send
    lag: Callable[[Priority], Lag]
    digests: Callable[[Sequence[str]], Awaitable[Mapping[tuple[str, str], str]]]
    senders: Callable[[str, str], Awaitable[Sequence[str]]]
    status: Callable[[str, str], Awaitable[SubmissionStatus | None]]
    not_ready: Callable[[], Sequence[str]]
    uploads: Path
    clock: Callable[[], float]
