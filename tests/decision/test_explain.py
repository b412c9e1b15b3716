"""One text is explained with what every part of the pipeline sees in it."""

import json
import math
from dataclasses import replace

from pipeline.decision.explain import explain
from tests.harness.command import command
from tests.harness.screening_events import NOW, shipped

TEXT = "【示例银行】代*开發票，见 www.nhs.uk/a 和 bit.ly/b1，加微信abc12345，回T退订"


def test_a_text_is_explained_by_its_parts() -> None:
    seen = explain(TEXT, shipped(), NOW)
    assert seen["signatures"] == ["示例银行"]
    assert {"separators", "traditional"} <= set(seen["techniques"])
    assert [(link["domain"], link["own"], link["short"]) for link in seen["links"]] == [
        ("www.nhs.uk", True, False),
        ("bit.ly", False, True),
    ]
    assert seen["contacts"] == [{"kind": "wechat", "text": "微信abc12345"}]
    assert [(hit["word"], hit["text"]) for hit in seen["words"]][-1:] == [("代开发票", "代*开發票")]
    assert seen["unsubscribe"] == ("T",)
    assert 1 / (1 + math.exp(-seen["log_odds"])) - seen["score"] < 0.001
    weights = [abs(part["log_odds"]) for part in seen["parts"]]
    assert weights == sorted(weights, reverse=True)


def test_the_command_prints_it_as_json() -> None:
    printed = json.loads(command("explain", TEXT).stdout)
    assert printed["signatures"] == ["示例银行"]


def test_without_a_model_there_is_no_score() -> None:
    seen = explain(TEXT, replace(shipped(), model=None), NOW)
    assert seen["score"] is None
    assert "parts" not in seen
