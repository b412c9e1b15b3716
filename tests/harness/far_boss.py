"""BOSS, the HLR and another network as folders see them: they take files by name, and answer in files of their own.

It is written from the layout that the settings describe, without the pipeline's code.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any


class FarParty:
    """One party. `taken` are its orders by id, in the order of files; `files` the bytes of each file by name."""

    def __init__(self, folder: Path, party: str, words: dict[str, str]) -> None:
        self.party = party
        self.inbox, self.outbox = folder / f"{party}-in", folder / f"{party}-out"
        for each in (self.inbox, self.outbox):
            each.mkdir(parents=True)
        self._words = words
        self.files: dict[str, bytes] = {}
        self.orders: list[dict[str, str]] = []
        self.sent: Counter[str] = Counter()
        self._answered = 0

    def settings(self, **fields: Any) -> dict[str, Any]:
        """Its entry of ANTISPAM_ORDER_EXCHANGES."""
        name = self.party.lower().replace(" ", "-")
        return {
            "party": self.party,
            "orders": {
                "name": f"{name}-in",
                "url": f"file://{self.inbox}/orders-*.csv".replace(" ", "%20"),
                "columns": {
                    "order": "工单号",
                    "number": "号码",
                    "kind": "动作",
                    "try": "次数",
                    "reason": "原因",
                    "volume": "条数",
                    "at": "时间",
                    "sample": "样例",
                },
                "encoding": "gbk",
            },
            "answers": {
                "name": f"{name}-out",
                "url": f"file://{self.outbox}/answer-*.csv".replace(" ", "%20"),
                "quiet": 0,
                "columns": {"order": "工单号", "number": "号码", "answer": "结果", "reason": "说明"},
                "words": self._words,
            },
            "every": 0.05,
            "wait": 3600,
        } | fields

    def take(self) -> list[dict[str, str]]:
        """The orders of the files that came since."""
        fresh = []
        for path in sorted(self.inbox.glob("orders-*.csv")):
            if path.name in self.files:
                assert path.read_bytes() == self.files[path.name], "a file changed under its name"
                continue
            self.files[path.name] = path.read_bytes()
            fresh += list(csv.DictReader(io.StringIO(self.files[path.name].decode("gbk"))))
        self.orders += fresh
        self.sent.update(order["工单号"] for order in fresh)
        return fresh

    def answer(self, orders: list[dict[str, str]], word: Callable[[dict[str, str]], str], reason: str = "") -> Path:
        """Put a file with an answer to each of these orders into the outbox, whole."""
        lines = ["工单号,号码,结果,说明"]
        lines += [f"{order['工单号']},{order['号码']},{word(order)},{reason}" for order in orders]
        return self.write("\n".join(lines) + "\n")

    def write(self, text: str) -> Path:
        """Put any file into the outbox, whole."""
        self._answered += 1
        path = self.outbox / f"answer-{self._answered:05d}.csv"
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(text.encode("gbk"))
        part.rename(path)
        return path


BOSS_WORDS = {"增加": "add", "删除": "remove"}
HLR_WORDS = {"成功": "done", "失败": "failed"}
NETWORK_WORDS = {"已收到": "acknowledged"}
