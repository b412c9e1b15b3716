"""Declares how orders about numbers reach BOSS, HLR and other networks, and how these answer.

The declarations are settings without secrets. Passwords of folders come from the environment, as
`ANTISPAM_SOURCE_<NAME>_SECRET`, and keys of posts as `ANTISPAM_EXCHANGE_<PARTY>_SECRET`.
"""

from __future__ import annotations

import os
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.file_exchange import Delimiter, Endpoint, Ordinal, RecordSource, address

ORDER_FIELDS = ("order", "number", "kind", "try", "rule", "reason", "volume", "at", "sample")
ORDER_KINDS = ("suspect", "clear", "off", "on", "alert")  # OrderKind of actions/orders/order.py
ANSWER_FIELDS = ("order", "number", "answer", "reason")
ANSWERS = ("add", "remove", "done", "failed", "acknowledged")  # Answer of the same
BOSS, HLR = "boss", "hlr"


class OrderFile(Endpoint):
    """The files in which orders go out. Each has a name of its own, which stays when it is written again."""

    columns: dict[str, str] = Field(
        {"order": "order", "number": "number", "kind": "action"},
        description=f"Columns in order: our field ({', '.join(ORDER_FIELDS)}) and the far side's name for it.",
    )
    words: dict[str, str] = Field({}, description=f"Far side's words for our kinds ({', '.join(ORDER_KINDS)}).")
    header: bool = Field(True, description="Whether the first line names the columns.")
    delimiter: Delimiter = ","
    encoding: Literal["utf-8", "gbk"] = "utf-8"

    @field_validator("url")
    @classmethod
    def _one_star(cls, url: str) -> str:
        pattern = address(url).pattern
        if pattern.count("*") != 1 or re.search(r"[?\[]", pattern):
            raise ValueError("a file name with one * expected, which stands for time and number of the file")
        return url

    @field_validator("columns")
    @classmethod
    def _order_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        if "number" not in columns or set(columns) - set(ORDER_FIELDS):
            raise ValueError(f"columns of {', '.join(ORDER_FIELDS)} expected, number among them")
        return columns

    @field_validator("words")
    @classmethod
    def _order_words(cls, words: dict[str, str]) -> dict[str, str]:
        if set(words) - set(ORDER_KINDS):
            raise ValueError(f"words for {', '.join(ORDER_KINDS)} expected")
        return words


class AnswerSource(RecordSource):
    """A folder into which the far side puts the answers to orders."""

    words: dict[str, str] = Field({}, description=f"Our word ({', '.join(ANSWERS)}) for each of the far side's.")

    @field_validator("words")
    @classmethod
    def _answer_words(cls, words: dict[str, str]) -> dict[str, str]:
        if set(words.values()) - set(ANSWERS):
            raise ValueError(f"words for {', '.join(ANSWERS)} expected")
        return words

    @field_validator("columns")
    @classmethod
    def _answer_columns(cls, columns: dict[str, str | Ordinal] | None) -> dict[str, str | Ordinal] | None:
        if columns is not None and not {"number", "answer"} <= set(columns) <= set(ANSWER_FIELDS):
            raise ValueError(f"columns of {', '.join(ANSWER_FIELDS)} expected, number and answer among them")
        return columns


class NumberSource(RecordSource):
    """A folder with files of one number a line."""

    @field_validator("columns")
    @classmethod
    def _number_column(cls, columns: dict[str, str | Ordinal] | None) -> dict[str, str | Ordinal] | None:
        if columns is not None and set(columns) != {"number"}:
            raise ValueError("the column of number expected")
        return columns


class OrderExchange(BaseModel):
    """How orders reach one party and how it answers: BOSS, the HLR, or another network by its carrier's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    party: str = Field(min_length=1, max_length=32, description="boss, hlr, or a carrier as in the number segments.")
    orders: OrderFile | None = Field(None, description="Where the files with orders go.")
    webhook: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+$",
        max_length=500,
        description="Where orders are posted instead, signed with ANTISPAM_EXCHANGE_<PARTY>_SECRET; 2xx acknowledges.",
    )
    answers: AnswerSource | None = Field(None, description="Where the answers lie.")
    standing: NumberSource | None = Field(None, description="Where the daily list of all stopped numbers lies.")
    white: NumberSource | None = Field(None, description="Where the white list of numbers that are never stopped lies.")
    every: float = Field(60.0, gt=0, description="Seconds between two files with orders, and two looks for answers.")
    wait: float = Field(86_400.0, gt=0, description="Seconds that one try waits for its answer.")
    tries: int = Field(3, ge=1, le=20, description="How often an order is sent without an answer.")
    samples: bool = Field(
        False, description="Whether orders carry a text of the number, masked, as the parties agreed."
    )

    @model_validator(mode="after")
    def _one_way_out(self) -> OrderExchange:
        if (self.orders is None) == (self.webhook is None):
            raise ValueError("either orders or webhook expected")
        if self.webhook is not None and self.party in (BOSS, HLR):
            raise ValueError("webhook: only for another network; BOSS and HLR answer in files")
        return self

    @property
    def sources(self) -> tuple[RecordSource, ...]:
        """The folders that it reads."""
        return tuple(source for source in (self.answers, self.standing, self.white) if source is not None)

    @property
    def webhook_secret(self) -> str | None:
        """The key that signs posts, from the environment; None if it is not set."""
        return os.environ.get(f"ANTISPAM_EXCHANGE_{re.sub('[^A-Z0-9]', '_', self.party.upper())}_SECRET")
