"""Every kind with a life is read and compared."""

from __future__ import annotations

import pytest

from pipeline.decision.configuration import directory_entries
from pipeline.errors import AntispamError
from pipeline.rules.policies.formats import FORMATS, living, name_of
from pipeline.rules.policies.lifecycle import LivingKind

SHIPPED = {(kind, name): text for kind, name, text in directory_entries(None)} | {
    ("list", "lists.csv"): "list,entity,value,reason,expires\nblocked,recipient,13800000001,asked,\n",
    ("templates", ""): 'port: "10690001"\ntemplates: [{id: code, text: "验证码{code}"}]\n',
}


@pytest.mark.parametrize("kind", LivingKind)
def test_the_shipped_text_of_a_kind_is_read_under_the_name_of_its_entry(kind: LivingKind) -> None:
    form = FORMATS[kind]
    parsed = form.parse(SHIPPED[kind, form.name], form.name)
    assert form.differences(parsed, parsed) == []
    assert living(kind, form.name) is kind
    several = kind in (LivingKind.LIST, LivingKind.TEMPLATES)
    assert living(kind, "another") is (kind if several else None)


def test_models_and_the_lists_of_boss_have_no_life() -> None:
    assert {kind for kind, name in SHIPPED if living(kind, name) is None} == {"model"}
    assert living("list", "white-boss.csv") is None
    with pytest.raises(AntispamError, match="not possible"):
        name_of(LivingKind.LIST, "", "white-boss.csv")
    with pytest.raises(AntispamError, match="a line such as port"):
        name_of(LivingKind.TEMPLATES, "templates: []")


@pytest.mark.parametrize("kind", LivingKind)
def test_a_fault_names_the_file(kind: LivingKind) -> None:
    with pytest.raises(AntispamError, match=r"^mine:|^mine "):
        FORMATS[kind].parse("[1]: }", "mine")
