"""The templates of one port as a file (YAML), and the differences between two such files in words.

    port: "10690001"
    templates:
      - {id: code, kind: one_time_code, text: "验证码{code}，{minutes}分钟内有效"}

The file holds all templates of the port: a template that it does not have is no longer registered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import yaml

from pipeline.errors import AntispamError
from pipeline.rules.messages import Templates as Sentence
from pipeline.rules.policies.difference import Line, from_to
from pipeline.rules.policy_file import PolicyFile
from pipeline.rules.ports import TemplateEntry
from pipeline.rules.templates import Template
from pipeline.text.faults.form_faults import form_fault
from pipeline.text.numbers import service_code

LONGEST_ID = 128  # characters
_PORT = re.compile(r"^port: *[\"']?(\d{3,21})[\"']? *(?:#.*)?$", re.MULTILINE)
_FIELDS: Mapping[str, Sentence] = {"kind": {"zh": "类别", "en": "kind"}, "text": {"zh": "文字", "en": "text"}}


class _Template(TemplateEntry, frozen=True, forbid_unknown_fields=True):
    """A template as people write it."""


class PortTemplates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The registered templates of a port."""

    port: str
    templates: tuple[_Template, ...]

    @property
    def entries(self) -> tuple[TemplateEntry, ...]:
        """The templates as a port's entry has them."""
        return tuple(TemplateEntry(each.id, each.text, each.kind) for each in self.templates)


def port_of(text: str) -> str:
    """The port that a file names, also a file with faults. Raises AntispamError if it names none."""
    found = _PORT.search(text)
    if found is None:
        raise AntispamError('templates: a line such as port: "10690001" expected')
    return service_code(found[1]) or found[1]


def parse_templates(text: str, source: str = "templates.yaml") -> PortTemplates:
    """The templates of a file. Raises PolicyError that points at the first fault."""
    file = PolicyFile(text, source)
    try:
        told = msgspec.convert(file.data, PortTemplates)
    except msgspec.ValidationError as error:
        fault = form_fault(error, PortTemplates)
        if fault.word:
            of_name = fault.what == "field"
            what = "field" if of_name else "kind"
            raise file.unknown(fault.place, what, fault.word, list(fault.known), of_name=of_name) from None
        raise file.fault(fault.place, fault.message) from None
    seen: set[str] = set()
    for n, each in enumerate(told.templates):
        if not each.id or len(each.id) > LONGEST_ID or "\0" in each.id:
            raise file.fault(("templates", n, "id"), f"1 to {LONGEST_ID} characters, none of them NUL, expected")
        if each.id in seen:
            raise file.fault(("templates", n, "id"), f"{each.id!r} stands here twice")
        seen.add(each.id)
        try:
            Template.parse(each.id, each.text, each.kind)
        except AntispamError as error:
            raise file.fault(("templates", n, "text"), str(error)) from None
    return told


def templates_text(port: str, templates: Sequence[TemplateEntry]) -> str:
    """The file of these templates."""
    listed = [{"id": each.id, "kind": each.kind.value, "text": each.text} for each in templates]
    told = {"port": port, "templates": listed}
    return yaml.safe_dump(told, allow_unicode=True, sort_keys=False, width=1_000_000)


def templates_differences(before: PortTemplates, after: PortTemplates) -> list[Line]:
    """What is different in `after`, a sentence a difference; empty if only the layout or the order differs."""
    old, new = ({each.id: each for each in told.templates} for told in (before, after))
    counts = [len(new.keys() - old.keys()), len(old.keys() - new.keys())]
    counts.append(sum(old[name] != new[name] for name in old.keys() & new.keys()))
    if not any(counts):
        return []
    told = {
        "zh": "端口 {}：新增 {} 个模板，删除 {} 个，改动 {} 个",
        "en": "port {}: {} templates added, {} removed, {} changed",
    }
    first = {language: form.format(after.port, *counts) for language, form in told.items()}
    return [first, *_lines(old, new)]


def _lines(old: Mapping[str, _Template], new: Mapping[str, _Template]) -> Iterator[Line]:
    for name, each in new.items():
        before = old.get(name)
        if before is None:
            told = f"{each.kind}, {each.text}"
            yield {"zh": f"新增模板 {name}：{told}", "en": f"new template {name}: {told}"}
            continue
        for field, label in _FIELDS.items():
            was, now = getattr(before, field), getattr(each, field)
            if was != now:
                line = from_to(label, was, now)
                yield {"zh": f"模板 {name}：{line['zh']}", "en": f"template {name}: {line['en']}"}
    for name in old:
        if name not in new:
            yield {"zh": f"删除模板 {name}", "en": f"template {name} removed"}
