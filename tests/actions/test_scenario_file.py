"""The form of a scenario: a mistake is pointed at, with the nearest valid name."""

from __future__ import annotations

import re

import pytest

from pipeline.actions.scenario_file import read
from pipeline.errors import AntispamError

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
    assert read(STORY).scenario.title == "one release"


@pytest.mark.parametrize(
    ("right", "wrong", "message", "possible"),
    [
        ("title:", "titel:", "1:1: unknown field 'titel'", "'title'"),
        ("given:", "givn:", "2:1: unknown field 'givn'", "'given'"),
        ("ports:", "prots:", "3:3: unknown field 'prots'", "'ports'"),
        ("at:", "att:", "5:5: unknown field 'att'", "'at'"),
        ("submit:", "sumbit:", "6:5: unknown field 'sumbit'", "'submit'"),
        ("recipient:", "recipent:", "6:32: unknown field 'recipent'", "'recipient'"),
        ("expect: {verdict", "expect: {rulez: x, verdict", "7:14: unknown field 'rulez'", "'rule'"),
        ("verdict: release", "verdict: relase", "7:23: unknown verdict 'relase'", "'release'"),
        ('"09:00:00"', "10:00:00", "5:9: Expected `str`, got `int`", ""),
        ("    submit:", "    repeat: {count: 2, every: 1s, resipient: x}\n    submit:", "6:35: unknown", "'recipient'"),
        ("    submit:", "    repeat: {every: 1s}\n    submit:", "6:13: the field 'count' is missing", ""),
        ("    expect: {verdict: release}", "", "5:5: the field 'expect' is missing", ""),
        ("    submit:", '    record: {sender: "139", content: x}\n    submit:', "5:5: either submit or record", ""),
        ('recipient: "13800000001", ', "", "6:5: one of recipient, recipients and messages", ""),
        ("given:", "given:\n  lists: [{list: grey, value: x}]", "3:18: unknown list 'grey'", "registered, unsub"),
        ("given:", "given:\n  missing: [modle]", "3:13: unknown missing 'modle'", "'model'"),
        ("given:", "given:\n  consents: [{kind: refusal}]", "3:21: unknown kind 'refusal'", "'refused'"),
        ("given:", "given:\n  snoozes: [{rulle: x}]", "3:14: unknown field 'rulle'", "'rule'"),
        ("given:", "given:\n  complaints: [{prot: x}]", "3:17: unknown field 'prot'", "'port'"),
        ("given:", "given:\n  enterprises: [{code: a, parnt: b}]", "3:27: unknown field 'parnt'", "'parent'"),
        ("steps:", "steps: []\nother:", "5:1: unknown field 'other'", "given, steps, title"),
        ("title: one", "title: {a: 1} # one", "1:8: Expected `str`, got `object`", ""),
        (STORY, "[]", "1:1: Expected `object`, got `array`", ""),
        (STORY, "title: x\nsteps: []\n", "2:8: at least one step expected", ""),
        ("verdict: release", "verdict: release, verdict: hold", "7:32: 'verdict' stands here twice", ""),
    ],
)
def test_a_mistake_is_pointed_at(right: str, wrong: str, message: str, possible: str) -> None:
    assert right in STORY
    with pytest.raises(AntispamError, match=re.escape(f"story.yaml:{message}")) as refused:
        read(STORY.replace(right, wrong, 1), "story.yaml")
    assert possible in str(refused.value)
    assert "^" in str(refused.value)
