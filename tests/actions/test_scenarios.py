"""Stories an analyst can read and write (`tests/scenarios/*.yaml`) end as told under the shipped policy."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from pipeline.actions.scenarios import Mismatch, ScenarioError, read, run, scenario_files
from pipeline.decision.configuration import Config, default_policy, load_directory
from pipeline.rules.policy import parse_policy
from tests.harness.places import ROOT

SCENARIOS = scenario_files([ROOT / "tests" / "scenarios"])


@cache
def shipped() -> Config:
    return load_directory(None)


def tell(text: str) -> list[Mismatch]:
    return run(read(text), shipped())


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_ends_as_told(path: Path) -> None:
    assert run(read(path.read_text(encoding="utf-8"), path.name), shipped()) == []


@pytest.mark.parametrize(
    ("story", "rule"),
    [
        ("signatures", "signature-missing"),
        ("signatures", "signature-unregistered"),
        ("signatures", "signature-of-another"),
        ("impersonation", "impersonation"),
        ("extensions", "extension-unregistered"),
        ("filings", "signature-not-in-force"),
        ("filings", "signature-not-filed"),
        ("impersonation", "impersonation-trusted"),
    ],
)
def test_the_story_fails_without_its_rule(story: str, rule: str) -> None:
    policy = parse_policy(default_policy().replace(f"- id: {rule}\n", f"- id: {rule}\n    mode: off\n"))
    assert {r.id: r.mode for r in policy.rules}[rule] == "off"
    path = ROOT / "tests" / "scenarios" / f"{story}.yaml"
    assert run(read(path.read_text(encoding="utf-8"), path.name), replace(shipped(), policy=policy)) != []


def test_titles_differ_and_there_are_stories() -> None:
    titles = [read(path.read_text(encoding="utf-8")).scenario.title for path in SCENARIOS]
    assert len(titles) >= 10
    assert len(set(titles)) == len(titles)


STORY = """\
title: one release
given:
  ports: [{code: "10690001"}]
steps:
  - at: "09:00:00"
    submit: {port: "10690001", recipient: "13800000001", content: 您好}
    expect: {verdict: release}
"""


def test_the_story_the_following_mistakes_are_made_in_is_sound() -> None:
    assert tell(STORY) == []


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("title:", "titel:", "titel"),
        ("given:", "givn:", "givn"),
        ("ports:", "prots:", "prots"),
        ("code:", "codes: 1, code:", "codes"),
        ("at:", "att:", "att"),
        ("submit:", "sumbit:", "sumbit"),
        ("recipient:", "recipent:", "recipent"),
        ("expect: {verdict", "expect: {rulez: x, verdict", "rulez"),
        ("verdict: release", "verdict: relase", "relase"),
        ('"09:00:00"', '"9 o\'clock"', "HH:MM:SS"),
        ("    submit:", "    repeat: {count: 2, every: a while}\n    submit:", "a while"),
        ("    submit:", "    repeat: {count: 2, every: 1s, resipient: x}\n    submit:", "resipient"),
        ("    submit:", '    record: {sender: "139", content: x}\n    submit:', "either submit or record"),
        ('recipient: "13800000001", ', "", "one of recipient"),
        ("given:", "given:\n  lists: [{list: grey, value: x}]", "grey"),
        ("given:", "given:\n  lists: [{list: unsubscribed, value: x}]", "port:recipient"),
        ("given:", "given:\n  lists: [{list: black, value: x, expires: soon}]", "expires 'soon'"),
        ("given:", 'given:\n  lists: [{list: black, value: x, expires: "2026-01-01T00:00"}]', "needs a time zone"),
        ("given:", "given:\n  missing: [modle]", "modle"),
        ("steps:", "steps: []\nother:", "other"),
    ],
)
def test_a_mistake_in_a_story_fails_loudly(right: str, wrong: str, message: str) -> None:
    assert right in STORY
    with pytest.raises(ScenarioError, match=re.escape(message)):
        tell(STORY.replace(right, wrong, 1))


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
    with pytest.raises(ScenarioError, match="step 2: time goes backwards"):
        tell(STORY + step.replace("09:00:00", "08:59:59"))


def test_the_story_in_the_guide_ends_as_told() -> None:
    guide = (ROOT / "docs" / "policy-guide.md").read_text(encoding="utf-8")
    (story,) = re.findall(r"```yaml\n(title:.*?)```", guide, re.DOTALL)
    assert tell(story) == []


def test_the_command_says_where_and_what_came_otherwise(tmp_path: Path) -> None:
    """A changed policy against the stories: the line of the step, what was expected and what was got."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(default_policy().replace("hold: 10s", "hold: 20s"), encoding="utf-8")
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories" / "a.yaml").write_text(STORY, encoding="utf-8")
    grace = STORY.replace('code: "10690001"', 'code: "10690001", tier: high').replace("one release", "grace")
    (tmp_path / "stories" / "b.yaml").write_text(grace.replace("verdict: release", "verdict: hold, held: 10s"))
    command = [sys.executable, "-m", "pipeline.cli", "policy", "test", str(tmp_path / "stories")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["ok    one release", "ok    grace"]), done.stderr
    done = subprocess.run([*command, "--policy", str(policy)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "ok    one release",
        "FAIL  grace",
        f"      {tmp_path / 'stories' / 'b.yaml'}:5: event 1-0: held: expected 10000, got 20000",
    ]
    assert done.stderr == "antispam: 1 of 2 scenarios came otherwise\n"
