"""How far each process has applied the configuration, as its own page says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pipeline.process import pages
from pipeline.store.accounts.roles import Right, User, require

PATIENCE = 1.0  # seconds for a page to answer
AT_ONCE = 16


class Applied(NamedTuple):
    """The epoch that a follower of the configuration has applied; None: its process does not answer."""

    follower: str
    epoch: int | None


def epochs(data_dir: Path, user: User) -> list[Applied]:
    """The followers of all processes that left a note in this data folder, by name.

    A process that does not answer is named by its roles: it starts, or was killed.
    """
    require(user, Right.SEARCH)
    notes = pages.noted(data_dir)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda note: pages.ask(f"{note.address}/ready", PATIENCE), notes))
    found = []
    for note, answer in zip(notes, answers, strict=True):
        if answer is None:
            found.append(Applied(", ".join(note.roles), None))
        else:
            found += [Applied(follower, epoch) for follower, epoch in answer.epochs.items()]
    return sorted(found)
