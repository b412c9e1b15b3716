"""The shipped scenarios, which an analyst can read and write, end as told under the shipped policy."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.actions.scenario_file import read, scenario_files, shipped_scenarios
from pipeline.actions.scenarios import Mismatch, run
from pipeline.cli import app
from pipeline.decision.configuration import Config, default_policy, load_directory
from pipeline.errors import AntispamError
from pipeline.rules.policies.policy import parse_policy
from tests.actions.test_scenario_file import STORY
from tests.harness.places import ROOT

SCENARIOS = scenario_files([shipped_scenarios()])


@cache
def shipped() -> Config:
    return load_directory(None)


def tell(text: str) -> list[Mismatch]:
    return run(read(text), shipped())


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_ends_as_told(path: Path) -> None:
    assert run(read(path.read_text(encoding="utf-8"), path.name), shipped()) == []


@pytest.mark.parametrize(
    ("rule", "story"),
    [
        ("codes-to-recipient-from-all-ports", "codes_from_all_ports"),
        ("recipient-bombed", "recipient_bombed"),
        ("recipient-flooded", "recipient_flooded"),
    ],
)
def test_without_its_rule_the_story_ends_otherwise(rule: str, story: str) -> None:
    policy = default_policy().replace(f"  - id: {rule}\n", f"  - id: {rule}\n    mode: off\n")
    assert policy != default_policy()
    (path,) = [path for path in SCENARIOS if path.stem == story]
    told = read(path.read_text(encoding="utf-8"), path.name)
    assert run(told, replace(shipped(), policy=parse_policy(policy))) != []


def test_titles_differ_and_there_are_stories() -> None:
    titles = [read(path.read_text(encoding="utf-8")).scenario.title for path in SCENARIOS]
    assert len(titles) >= 10
    assert len(set(titles)) == len(titles)


def test_the_story_the_following_mistakes_are_made_in_is_sound() -> None:
    assert tell(STORY) == []


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('"09:00:00"', '"9 o\'clock"', "6:10: '9 o'clock' is not a time"),
        ("    submit:", "    repeat: {count: 2, every: a while}\n    submit:", "7:31: 'a while' is not a duration"),
        ("verdict: release", "verdict: release, held: long", "8:38: 'long' is not a duration"),
        ("content: 您好", "content: 您好, scheduled_at: noon", "7:85: 'noon' is not a time"),
        ('{code: "10690001"}', '{cod: "10690001"}', "4:12: unknown field 'cod'"),
        ('{code: "10690001"}', "{code: x}", "4:11: port code 'x': 3 to 21 digits expected"),
        (
            "given:",
            "given:\n  lists: [{list: unsubscribed, value: x}]",
            "4:11: the list unsubscribed holds port:recipient",
        ),
        ("given:", "given:\n  lists: [{list: black, value: x}]", "4:11: the list black holds one number, not 'x'"),
        ("given:", 'given:\n  lists: [{list: black, value: "139", expires: soon}]', "4:11: expires 'soon'"),
        ("given:", 'given:\n  lists: [{list: black, value: "139", expires: "2026-01-01T00:00"}]', "needs a time zone"),
        ("given:", 'given:\n  consents: [{port: "1069", recipient: x}]', "4:14: recipient 'x' is no number"),
        ("given:", 'given:\n  consents: [{recipient: "13800000001"}]', "4:14: either port or enterprise"),
        (
            "given:",
            'given:\n  consents: [{port: "1069", recipient: "13800000001", until: "2026-13-01"}]',
            "4:14: until '2026-13-01' is not a time such as",
        ),
        ("given:", "given:\n  day: tomorrow", "4:8: 'tomorrow' is not a day"),
        ("given:", "given:\n  policy: 'rulez: []'", "4:3: given.policy:1:1: unknown field 'rulez'"),
        ("given:", "given:\n  calendar: 'zone: Mars'", "4:3: given.calendar:1:7: unknown time zone 'Mars'"),
        ("given:", "given:\n  brands: '- {nam: x}'", "4:3: brands.yaml:1: unknown field 'nam'"),
        ("given:", "given:\n  dictionary: 'word'", "4:3: dictionary line 1"),
    ],
)
def test_what_cannot_be_run_is_pointed_at(right: str, wrong: str, message: str) -> None:
    story = "# a comment in front\n" + STORY
    assert right in story
    with pytest.raises(AntispamError, match=re.escape(message)):
        tell(story.replace(right, wrong, 1))


@pytest.mark.parametrize(
    "expect",
    [
        "verdict: hold",
        "verdict: release, rule: port-unknown",
        "verdict: release, rules: [port-unknown]",
        "verdict: release, values: {port_volume_5m: 2}",
        "verdict: release, values: {port_volume: 1}",
        'verdict: release, exceptions: {"13800000001": recipient-blocked}',
        "verdict: release, alerts: [port-volume]",
        "verdict: release, causes: [cases]",
        "verdict: release, kind: commercial",
        "verdict: release, degraded: true",
        "verdict: release, words: [您好]",
        "verdict: release, held: 10s",
        "verdict: release, shadow: [campaign-across-ports]",
    ],
)
def test_a_story_that_turns_out_otherwise_fails(expect: str) -> None:
    assert len(tell(STORY.replace("verdict: release", expect))) == 1


def test_time_never_goes_backwards_in_a_story() -> None:
    _, _, step = STORY.partition("steps:\n")
    with pytest.raises(AntispamError, match="8:10: time goes backwards"):
        tell(STORY + step.replace("09:00:00", "08:59:59"))


def test_the_story_in_the_guide_ends_as_told() -> None:
    guide = (ROOT / "docs" / "policy-guide.md").read_text(encoding="utf-8")
    (story,) = re.findall(r"```yaml\n(title:.*?)```", guide, re.DOTALL)
    assert tell(story) == []


def test_a_difference_is_told_with_the_line_of_its_field() -> None:
    story = STORY.replace(
        "    expect: {verdict: release}\n",
        "    expect:\n      verdict: release\n      values:\n        port_volume_5m: 2\n      rules: [x]\n",
    )
    assert [(found.line, found.field) for found in tell(story)] == [(11, "rules"), (10, "values port_volume_5m")]


def test_an_operators_own_words_brands_and_consents_are_given() -> None:
    story = """\
title: what an operator has
given:
  ports: [{code: "10690001", kind: commercial, enterprise: shop}]
  brands: "- {name: 青屿银行, kind: bank}"
  dictionary: "word,category,verdict\\n青屿礼券,fraud,reject\\n"
  consents:
    - enterprise: shop
      recipient: "13800000001"
      given_at: "2026-01-01T00:00:00+08:00"
      until: "2026-03-10T10:00:00+08:00"
    - {port: "10690001", recipient: "13800000002", given_at: "2026-01-01T00:00:00+08:00"}
    - {enterprise: shop, recipient: "13800000002", kind: refused, given_at: "2026-01-02T00:00:00+08:00"}
steps:
  - at: "09:00:00"
    submit:
      port: "10690001"
      recipients: ["13800000001", "13800000002"]
      content: "【示例商城】您的会员积分月底到期，请及时查看，拒收请回复R"
    expect: {verdict: release, exceptions: {"13800000002": consent-missing}}
  - at: "10:00:00"
    submit:
      port: "10690001"
      recipient: "13800000001"
      content: "【示例商城】您的会员积分月底到期，请及时查看，拒收请回复R"
    expect: {verdict: release, exceptions: {"13800000001": consent-missing}}
  - at: "10:00:01"
    submit:
      port: "10690001"
      recipient: "13800000001"
      content: "【青屿银行】您的青屿礼券月底到期，请及时查看，拒收请回复R"
    expect: {verdict: reject, rules: [impersonation, keyword-reject]}
"""
    assert tell(story) == []


@pytest.mark.parametrize(("score", "rules"), [(0.9, "[score-review]"), (0.89, "[]")])
def test_a_stated_score_stands_in_place_of_the_models(score: float, rules: str) -> None:
    story = STORY.replace("content: 您好", f"content: 您好, score: {score}, category: fraud")
    verdict = "review" if rules != "[]" else "release"
    assert tell(story.replace("verdict: release", f"verdict: {verdict}, rules: {rules}")) == []


def test_the_command_says_where_and_what_came_otherwise(tmp_path: Path) -> None:
    """A changed policy against the stories, with one that cannot be told in front: it goes on, and sums up."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(default_policy().replace("hold: 10s", "hold: 20s"), encoding="utf-8")
    stories = tmp_path / "stories"
    stories.mkdir()
    (stories / "b.yaml").write_text(STORY, encoding="utf-8")
    grace = STORY.replace('code: "10690001"', 'code: "10690001", tier: high').replace("one release", "grace")
    (stories / "c.yaml").write_text(grace.replace("verdict: release", "verdict: hold,\n      held: 10s"))
    done = CliRunner().invoke(app, ["policy", "test", str(stories)])
    assert done.output.splitlines() == ["ok    one release", "ok    grace", "all 2 scenarios came as told"]
    (stories / "a.yaml").write_text(STORY.replace("verdict: release", "verdict: relase"))
    done = CliRunner().invoke(app, ["policy", "test", str(stories), "--policy", str(policy)])
    assert done.output.splitlines() == [
        "FAIL  cannot be told",
        f"      {stories / 'a.yaml'}:7:23: unknown verdict 'relase'",
        "          7 |     expect: {verdict: relase}",
        "                                    ^~~~~~",
        "        did you mean 'release'?",
        "ok    one release",
        "FAIL  grace",
        f"      {stories / 'c.yaml'}:8: event 1-0: held: expected 10s, got 20s",
    ]
    assert str(done.exception) == "of 3 scenarios 1 came otherwise, 1 cannot be told"


def test_the_shipped_scenarios_are_part_of_the_package() -> None:
    assert shipped_scenarios().is_relative_to(ROOT / "pipeline")
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "**/*.yaml" in data["pipeline"]
