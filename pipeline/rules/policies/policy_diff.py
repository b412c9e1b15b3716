"""The differences between two policies in words, for people who approve them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from pipeline.durations import SECOND_MS
from pipeline.rules.counting.counters import Counter
from pipeline.rules.messages import Templates
from pipeline.rules.policies.daily_cap import DailyCap
from pipeline.rules.policies.difference import Line, from_to
from pipeline.rules.policies.policy import Policy, Rule
from pipeline.rules.policies.queues import Queue

_NUMBER = re.compile(r"(?<![\w.\"])\d+(?:\.\d+)?(?![\w.\"])")
_COMPARED = re.compile(r"(\w+)\s*(?:[<>]=?|[=!]=)\s*$")
_MODES = {
    "enforce": {"zh": "现在执行", "en": "now enforced"},
    "shadow": {"zh": "现在只记录，不影响结论", "en": "now in shadow, without effect"},
    "off": {"zh": "现在停用", "en": "now off"},
}
_FIELDS: Mapping[str, Templates] = {
    "on": {"zh": "事件", "en": "event"},
    "when": {"zh": "条件", "en": "condition"},
    "verdict": {"zh": "结论", "en": "verdict"},
    "severity": {"zh": "严重度", "en": "severity"},
    "expires": {"zh": "到期", "en": "expiry"},
    "hold_ms": {"zh": "等待时长", "en": "length of the hold"},
    "hold_until": {"zh": "等到", "en": "end of the hold"},
    "daily_cap": {"zh": "每日上限", "en": "daily cap"},
    "alert": {"zh": "告警", "en": "alert"},
    "warn_owner": {"zh": "预先告知端口使用者", "en": "warning to the owner"},
    "recipients": {"zh": "只拒收件人", "en": "recipients refused alone"},
    "descriptions": {"zh": "说明文字", "en": "description"},
    "key": {"zh": "键", "en": "key"},
    "where": {"zh": "条件", "en": "condition"},
    "window_ms": {"zh": "窗口", "en": "window"},
    "zone": {"zh": "时区", "en": "zone"},
    "aggregate": {"zh": "聚合", "en": "aggregate"},
    "of": {"zh": "对象", "en": "of"},
    "up_to": {"zh": "精确到", "en": "exact up to"},
    "description": {"zh": "说明文字", "en": "description"},
}
_DERIVED = {"id", "name", "mode", "signals", "skippable", "spans"}  # or told otherwise


def differences(before: Policy, after: Policy) -> list[Line]:
    """What is different in `after`, a sentence a difference; empty if only the spelling of the file differs."""
    return [
        *_things("规则", "rule", {r.id: r for r in before.rules}, {r.id: r for r in after.rules}),
        *_things("计数", "counter", {c.name: c for c in before.counters}, {c.name: c for c in after.counters}),
        *_queues(before, after),
        *_reset(before, after),
        *_whole(before, after),
    ]


def _things(zh: str, en: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Line]:
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in old:
            thing = new[name]
            mode = _MODES[thing.mode] if isinstance(thing, Rule) else None
            yield {
                "zh": f"新增{zh} {name}" + (f"：{mode['zh']}" if mode else ""),
                "en": f"new {en} {name}" + (f": {mode['en']}" if mode else ""),
            }
        elif name not in new:
            yield {"zh": f"删除{zh} {name}", "en": f"{en} {name} removed"}
        else:
            for line in _changed(old[name], new[name]):
                yield {"zh": f"{zh} {name}：{line['zh']}", "en": f"{en} {name}: {line['en']}"}


def _changed(old: Rule | Counter | Queue, new: Rule | Counter | Queue) -> Iterator[Line]:
    if isinstance(old, Rule) and isinstance(new, Rule) and old.mode != new.mode:
        yield _MODES[new.mode]
    for name in (field.name for field in fields(new) if field.init):
        if name in _DERIVED or getattr(old, name) == getattr(new, name):
            continue
        label = _FIELDS.get(name, {"zh": name, "en": name})
        was, now = getattr(old, name), getattr(new, name)
        if name in ("when", "where") and was and now:
            yield from _conditions(label, was, now)
        elif name in ("descriptions", "description"):
            yield {"zh": f"{label['zh']}有改动", "en": f"{label['en']} changed"}
        elif _written(name, was) != _written(name, now):  # the counter of a daily cap has the condition in it
            yield from_to(label, _written(name, was), _written(name, now))


def _conditions(label: Templates, old: str, new: str) -> Iterator[Line]:
    """Only the numbers, if nothing else differs, each with the signal that it is compared with; or the whole."""
    if _NUMBER.sub("#", _plain(old)) != _NUMBER.sub("#", _plain(new)):
        yield from_to(label, _plain(old), _plain(new))
        return
    for was, now in zip(_NUMBER.finditer(_plain(old)), _NUMBER.finditer(_plain(new)), strict=True):
        if was[0] != now[0]:
            compared = _COMPARED.search(now.string[: now.start()])
            threshold = {"zh": "阈值", "en": "threshold"}
            if compared is not None:
                threshold = {language: f"{word} {compared[1]}" for language, word in threshold.items()}
            yield from_to(threshold, was[0], now[0])


def _reset(before: Policy, after: Policy) -> Iterator[Line]:
    known = {counter.name: counter.identity for counter in before.counters}
    for counter in after.counters:
        if known.get(counter.name, counter.identity) != counter.identity:
            yield {
                "zh": f"计数 {counter.name} 从零重新开始",
                "en": f"counter {counter.name} begins at zero",
            }


def _queues(before: Policy, after: Policy) -> Iterator[Line]:
    old = {queue.name: queue for queue in before.queues.queues}
    new = {queue.name: queue for queue in after.queues.queues}
    yield from _things("队列", "queue", old, new)
    was, now = ([name for name in names if name in old and name in new] for names in (old, new))
    if was != now:  # the first queue that fits takes a case
        yield from_to({"zh": "队列的顺序", "en": "order of queues"}, ", ".join(was), ", ".join(now))


def _whole(before: Policy, after: Policy) -> Iterator[Line]:
    if before.title != after.title:
        yield from_to({"zh": "标题", "en": "title"}, before.title or "–", after.title or "–")
    for tier in after.port_limits_5m:
        was, now = before.port_limits_5m.get(tier), after.port_limits_5m[tier]
        if was != now:
            label = {"zh": f"{tier} 级端口 5 分钟上限", "en": f"5-minute limit of {tier} ports"}
            yield from_to(label, str(was), str(now))
    if before.outside_review_hours != after.outside_review_hours:
        label = {"zh": "审核时间外需人工审核的群发", "en": "bulk that needs a person outside review hours"}
        yield from_to(label, before.outside_review_hours, after.outside_review_hours)
    if before.campaign_from != after.campaign_from:
        old, new = before.campaign_from, after.campaign_from
        yield from_to(
            {"zh": "群发的最小规模（条数/发送方）", "en": "least size of a campaign (messages/senders)"},
            f"{old.messages}/{old.senders}",
            f"{new.messages}/{new.senders}",
        )


def _plain(condition: str) -> str:
    return " ".join(condition.split())


def _written(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, DailyCap):
        return str(value.most)
    if name in ("window_ms", "hold_ms"):
        return f"{value // SECOND_MS} s"
    if name == "expires":
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="minutes")
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | frozenset) else str(value)
