"""The signal catalogue: every name a rule may use, with its type, meaning and cost.

`antispam policy signals` prints it; the policy is checked against it; screening fills it in.
A counter declared in a policy is a signal too, under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

CHALLENGER_SCORE = "challenger_score"

_EXAMPLES: dict[str, Sequence[Any]] = {
    "int": (0, 1 << 40),
    "double": (-1.0, 1.0),
    "string": ("", "x"),
    "bool": (False, True),
    "list(string)": ([], ["x"]),
}


@dataclass(frozen=True, slots=True)
class Signal:
    """One name.

    `group` says which rules use it: the allow lane skips rules on `volume` and `score` signals.
    `cost` is in µs a submission, measured by `bench engine`, rounded up; 0 means under one.
    """

    name: str
    type: Literal["int", "double", "string", "bool", "list(string)"]
    meaning: str
    on: tuple[Literal["submission", "record"], ...] = ("submission", "record")
    group: Literal["volume", "score", "other"] = "other"
    cost: int = 0

    @property
    def examples(self) -> Sequence[Any]:
        """Values of the signal's type, to try a rule on when it is loaded."""
        return _EXAMPLES[self.type]


_SUBMISSION: tuple[Literal["submission", "record"], ...] = ("submission",)
_RECORD: tuple[Literal["submission", "record"], ...] = ("record",)

CATALOGUE: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal("port_tier", "string", "high, ordinary or trusted; empty for a sender that is no port"),
        Signal("port_limit_5m", "int", "messages this port may send in 5 minutes", _SUBMISSION, "volume"),
        Signal("kind", "string", "one_time_code, notice, commercial or personal"),
        Signal("template_fits", "bool", "the text fits a template registered for the port"),
        Signal("messages", "int", "recipients of the submission; 1 for a record", group="volume"),
        Signal("batch_size", "int", "messages the client declared for the batch, 0 if none", _SUBMISSION, "volume"),
        Signal("round", "int", "holds this submission has come back from", _SUBMISSION),
        Signal("content_length", "int", "code points of the text"),
        Signal("keywords", "int", "dictionary words found, in any view", cost=8),
        Signal("keyword_verdict", "string", "the most severe verdict of the words found, or empty", cost=8),
        Signal("keyword_severity", "int", "the highest severity of the words found, 0 to 100", cost=8),
        Signal("keyword_categories", "list(string)", "categories of the words found", cost=8),
        Signal("techniques", "list(string)", "disguises undone: invisible, full_width, separators, pinyin, …", cost=4),
        Signal("links", "int", "links found, evasive spellings included", cost=5),
        Signal("short_link", "bool", "a link of a shortener, which hides where it goes", cost=5),
        Signal("lookalike_link", "bool", "a link with mixed scripts, punycode, or another's brand", cost=5),
        Signal("contacts", "list(string)", "kinds of contact found: phone, qq, wechat, telegram", cost=2),
        Signal("score", "double", "P(spam) of the text, 0 to 1; -1 without a model", group="score", cost=12),
        Signal(
            "reject_score",
            "double",
            "the model's own threshold for a text of that script: 0.1 % of ham is over it; 2 without a model",
            group="score",
            cost=12,
        ),
        Signal(
            CHALLENGER_SCORE,
            "double",
            "P(spam) by a model on trial, 0 to 1; -1 without one; in shadow rules only",
            group="score",
            cost=12,
        ),
        Signal("label", "string", "spam, ham, or empty without a model", group="score", cost=12),
        Signal("category", "string", "category of a spam text, or empty", group="score", cost=12),
        Signal("campaign_messages", "int", "messages of the text's campaign, 0 if none", group="volume", cost=24),
        Signal("campaign_ports", "int", "ports that campaign came from, 0 if none", group="volume", cost=24),
        Signal("campaign_senders", "int", "senders of it: ports with extension, numbers", group="volume", cost=24),
        Signal("campaign_growth_5m", "int", "messages of that campaign in the last 5 minutes", group="volume", cost=24),
        Signal("record_kind", "string", "MO, AO or MT", _RECORD),
        Signal("late", "bool", "the record came later than the allowed lateness", _RECORD),
    )
}
