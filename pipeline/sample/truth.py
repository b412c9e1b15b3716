"""A sample and its truth: the label of its text, and the verdicts that would be right.

Without the truth, a demo shows only that verdicts were given, not whether they were right.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pipeline.events import Category, Label, Verdict

What = Literal["submission", "record", "complaint"]

RELEASE, HOLD, REVIEW, REJECT, BLACKLIST = Verdict
HAM, SPAM = Label.HAM, Label.SPAM


class Truth(NamedTuple):
    """The truth of a sample.

    `label` and `category` describe the text alone: a flood of honest texts is still ham. `expected` are the right
    verdicts under the default policy and the demo's configuration, within review hours and before a port is suspended
    for its conduct. It is empty for complaints, which get no verdict. `exceptions` are the recipients that must get
    another verdict than the others. `evasion` names the bend of a spam text, or is empty.
    """

    story: str
    label: Label
    expected: tuple[Verdict, ...]
    category: Category | None = None
    exceptions: tuple[tuple[str, Verdict], ...] = ()
    evasion: str = ""


class Sample(NamedTuple):
    """A submission, a record or a complaint at time `at` (epoch milliseconds).

    `body` has its `id` and the other fields of its format, with times in epoch milliseconds.
    """

    at: int
    what: What
    body: dict[str, Any]
    truth: Truth
