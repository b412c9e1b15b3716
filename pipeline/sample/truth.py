"""A sample and the truth beside it: what it is, and which verdicts would be right.

Without the truth a demo shows only that verdicts were given, not whether they were good ones.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pipeline.events import Category, Label, Verdict

What = Literal["submission", "record", "complaint"]

RELEASE, HOLD, REVIEW, REJECT, BLACKLIST = Verdict
HAM, SPAM = Label.HAM, Label.SPAM


class Truth(NamedTuple):
    """What a sample is.

    `label` and `category` are of the text alone: a flood of honest texts is still ham.
    `expected` are the verdicts that would be right under the default policy and the demo's
    configuration, within review hours and before any port was suspended for its conduct; empty for
    complaints, which get no verdict. `exceptions` are the recipients that must get another verdict
    than the rest. `evasion` names the way a spam text was bent, or is empty.
    """

    story: str
    label: Label
    expected: tuple[Verdict, ...]
    category: Category | None = None
    exceptions: tuple[tuple[str, Verdict], ...] = ()
    evasion: str = ""


class Sample(NamedTuple):
    """One thing that happens at `at` (epoch milliseconds): a submission, a record or a complaint.

    `body` has the fields of the format of its kind, times in epoch milliseconds, and its own `id`.
    """

    at: int
    what: What
    body: dict[str, Any]
    truth: Truth
