"""The differences between two lists of brands in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.rules.messages import Templates
from pipeline.rules.policies.difference import Line, from_to
from pipeline.text.brands import Brand

_FIELDS: Mapping[str, Templates] = {
    "kind": {"zh": "类别", "en": "kind"},
    "group": {"zh": "集团", "en": "group"},
}
_NAMES: Mapping[str, Templates] = {
    "aliases": {"zh": "别名", "en": "alias"},
    "branches": {"zh": "分支", "en": "branch"},
    "unless": {"zh": "排除词", "en": "longer word"},
    "hosts": {"zh": "主机标签", "en": "host"},
    "domains": {"zh": "域名", "en": "domain"},
    "enterprises": {"zh": "企业", "en": "enterprise"},
}


def brands_differences(before: Sequence[Brand], after: Sequence[Brand]) -> list[Line]:
    """What is different in `after`, a sentence a difference; empty if only the spelling of the file differs."""
    old, new = ({brand.name: brand for brand in brands} for brands in (before, after))
    lines: list[Line] = []
    for name, brand in new.items():
        if name not in old:
            lines.append({"zh": f"新增品牌 {name}（{brand.kind}）", "en": f"new brand {name} ({brand.kind})"})
        changes = _changed(old.get(name, Brand(name=name, kind=brand.kind)), brand)
        lines += [{"zh": f"品牌 {name}：{line['zh']}", "en": f"brand {name}: {line['en']}"} for line in changes]
    return lines + [{"zh": f"删除品牌 {name}", "en": f"brand {name} removed"} for name in old if name not in new]


def _changed(old: Brand, new: Brand) -> Iterator[Line]:
    for field, label in _FIELDS.items():
        was, now = getattr(old, field), getattr(new, field)
        if was != now:
            yield from_to(label, was or "–", now or "–")
    for field, label in _NAMES.items():
        was, now = getattr(old, field), getattr(new, field)
        for name in now:
            if name not in was:
                yield {"zh": f"新增{label['zh']} {name}", "en": f"new {label['en']} {name}"}
        for name in was:
            if name not in now:
                yield {"zh": f"删除{label['zh']} {name}", "en": f"{label['en']} {name} removed"}
