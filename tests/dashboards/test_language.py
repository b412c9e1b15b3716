"""Every word is in both languages, and says the same things in the same places."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import pipeline
from dashboards import language
from dashboards.words import WORDS, clock, fault, span
from pipeline.actions.console.search import UNDECIDED
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel, Category, Kind, PortState, Tier, Verdict
from pipeline.rules.lists import ENTITIES, check_lists
from pipeline.rules.policies.lifecycle import State
from pipeline.store.accounts.roles import SCOPES, Forbidden, Right, Role

CODE = Path(language.__file__).parent
ERRORS_PO = language.CATALOGUES / "zh" / "LC_MESSAGES" / "errors.po"
ON_PAGES = (
    "actions/",
    "store/",
    "rules/conduct/port_lifecycle.py",
    "rules/expiry.py",
    "rules/lists.py",
    "rules/policies/lifecycle.py",
    "rules/snoozes.py",
)
ERRORS = ("AntispamError", "Forbidden", "UnavailableError")
NOT_ON_PAGES = (  # files of settings and of others, backups, the senders' own work: their errors go to logs and shells
    "actions/alerts/feeds.py",
    "actions/complaints/shapes.py",
    "actions/orders/answers.py",
    "actions/orders/number_lines.py",
    "actions/orders/white_list.py",
    "actions/portability.py",
    "actions/scenario",
    "actions/senders/answers.py",
    "actions/senders/channels.py",
    "actions/senders/dialects/",
    "actions/senders/job.py",
    "actions/senders/links/",
    "actions/senders/role.py",
    "actions/status/",
    "store/audit_heads.py",
    "store/backup.py",
    "store/migrate.py",
    "store/migrations/",
    "store/registry/import_configuration.py",
)


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


def test_every_refusal_of_a_service_is_translated_and_none_is_left_over(chinese: Catalog) -> None:
    """An error of a service has a plain text with slots; an f-string could be shown in English only."""
    texts: set[str] = set()
    for path in sorted(Path(pipeline.__file__).parent.glob("*/**/*.py")):
        module = path.relative_to(Path(pipeline.__file__).parent).as_posix()
        if not module.startswith(ON_PAGES) or module.startswith(NOT_ON_PAGES):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ERRORS and call.args:
                said = call.args[0]
                assert not isinstance(said, ast.JoinedStr), f"{module}:{said.lineno}: write slots and values"
                if isinstance(said, ast.Constant):
                    texts.add(str(said.value))
                elif isinstance(said, ast.Name) and said.id in constants:
                    texts.add(str(constants[said.id]))
    with ERRORS_PO.open("rb") as source:
        translated = {str(m.id): str(m.string) for m in read_po(source, "zh") if m.id and m.string}
    assert texts - translated.keys() == set()
    assert translated.keys() - texts == set()
    assert not translated.keys() & {str(m.id) for m in chinese if m.id}
    for english, words in translated.items():
        assert slots_of(english) == slots_of(words), english


def slots_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_what_a_service_refuses_is_said_in_the_readers_language() -> None:
    error = AntispamError("case {case}: already decided by {decided_by}", case="c{1}", decided_by="ben")
    assert str(error) == "case c{1}: already decided by ben"
    assert fault(language.text("en"), error) == str(error)
    assert fault(language.text("zh"), error) == "案件 c{1}：ben 已作出裁决"
    forbidden = Forbidden("{person}: the role {role} does not allow {right}", person="eve", role=Role.VIEWER, right="x")
    assert fault(language.text("zh"), forbidden) == "eve：角色“查看员”没有权限 x"
    outer = AntispamError("line {line}: {error}", line=7, error=AntispamError("unknown port {code}", code="1069"))
    assert fault(language.text("zh"), outer) == "第 7 行：没有端口 1069"
    assert fault(language.text("zh"), AntispamError("a fault of {a file}")) == "a fault of {a file}"
    with pytest.raises(AntispamError) as bad_line:
        check_lists("list,entity,value,reason,expires\nblack,sender,,,\n")
    assert str(bad_line.value) == "lists.csv:2: column value: bad value '': one number expected"
    assert fault(language.text("zh"), bad_line.value) == "lists.csv:2：value 列：'' 无效，应为一个号码"
    assert fault(language.text("zh"), AntispamError()) == ""


def test_each_text_stands_once_with_one_translation() -> None:
    """The reader of catalogues takes the last of several and says nothing."""
    lines = [
        line
        for path in (language.CATALOGUES / "zh" / "LC_MESSAGES").glob("*.po")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
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
    for values in (
        Verdict,
        Category,
        Kind,
        Tier,
        PortState,
        AlertLevel,
        Role,
        Right,
        State,
        ENTITIES,
        SCOPES,
        (UNDECIDED,),
    ):
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
