"""Every word is in both languages, and says the same things in the same places."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from dashboards import language
from dashboards.words import WORDS, clock, span
from pipeline.actions.console.search import UNDECIDED
from pipeline.events import AlertLevel, Category, Kind, PortState, Tier, Verdict
from pipeline.rules.lists import ENTITIES
from pipeline.rules.policies.lifecycle import State
from pipeline.store.accounts.roles import SCOPES, Role

CODE = Path(language.__file__).parent


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    with (language.CATALOGUES / "zh" / "LC_MESSAGES" / "console.po").open("rb") as source:
        return read_po(source, "zh")


@pytest.fixture(scope="module")
def used() -> set[str]:
    found = extract_from_dir(str(CODE), method_map=[("**.py", "python")], keywords={"_": None, "N_": None})
    return {str(message) for _, _, message, _, _ in found}


@pytest.mark.long
def test_every_text_is_translated_and_none_is_left_over(chinese: Catalog, used: set[str]) -> None:
    translated = {str(m.id) for m in chinese if m.id and m.string}
    assert used - translated == set()
    assert translated - used == set()


def test_each_text_stands_once_with_one_translation() -> None:
    """The reader of catalogues takes the last of several and says nothing."""
    lines = (language.CATALOGUES / "zh" / "LC_MESSAGES" / "console.po").read_text(encoding="utf-8").splitlines()
    words = [line.split(" ", 1)[0] for line in lines if line.startswith(("msgid ", "msgstr "))]
    assert words == ["msgid", "msgstr"] * (len(words) // 2)
    texts = [line for line in lines if line.startswith("msgid ") and line != 'msgid ""']  # long ones begin so
    assert len(texts) == len(set(texts))


def test_placeholders_and_marks_agree(chinese: Catalog) -> None:
    for message in chinese:
        if message.id:
            places = [sorted(re.findall(r"\{\w*\}|\*\*", str(text))) for text in (message.id, message.string)]
            assert places[0] == places[1], message.id


def test_no_text_hides_from_extraction() -> None:
    """A call inside an f-string is not found by gettext's tools."""
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                literal = [
                    call
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id == "_"
                    and call.args
                    and isinstance(call.args[0], ast.Constant)
                ]
                assert not literal, f"{path.name}:{node.lineno}"


def test_every_value_that_is_shown_has_a_word() -> None:
    for values in (Verdict, Category, Kind, Tier, PortState, AlertLevel, Role, State, ENTITIES, SCOPES, (UNDECIDED,)):
        assert {str(value) for value in values} <= WORDS.keys()


@pytest.mark.parametrize(
    ("cookie", "accepted", "chosen"),
    [
        ("zh", "en", "zh"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr, en;q=0.5", "en"),
        (None, None, "en"),
        ("xx", "fr", "en"),
        (None, "," * 10_000, "en"),
    ],
)
def test_the_language_of_a_browser(cookie: str | None, accepted: str | None, chosen: str) -> None:
    assert language.preferred(cookie, accepted) == chosen


def test_times_and_lengths_have_their_units() -> None:
    zh, en = language.text("zh"), language.text("en")
    assert clock("Asia/Shanghai", 0) == "1970-01-01 08:00:00"
    assert [span(en, ms) for ms in (None, 0, 999, 45_000, 600_000, 8_000_000, 300_000_000)] == [
        "–",
        "0 ms",
        "999 ms",
        "45 s",
        "10 min",
        "2 h",
        "3 d",
    ]
    assert span(zh, 600_000) == "10 分"
