"""The sentences of rules, in the language of their reader.

A reason and an alert have a rule's id and values. The rule has one template in each language; the sentence is the
template with the values in its slots. Records carry the sentence in the DEFAULT language too, for callbacks, the lake
and the command line.

`{name}` is a slot. Square brackets mark a part that is left out when one of its values is empty, 0 or false:
`垃圾概率 {score}[，含 {links} 个链接]`. A sentence never contains the text of a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pipeline.rules.built_in import BuiltInRule

LANGUAGES = ("zh", "en")
DEFAULT = "zh"

Templates = Mapping[str, str]  # by language

_SLOT = re.compile(r"\{(\w+)\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*\{\w+\}[^\[\]]*)\]")

BUILT_IN: Mapping[BuiltInRule, Templates] = {
    rule: {"zh": zh, "en": en}
    for rule, zh, en in (
        (BuiltInRule.NO_POLICY, "没有生效的策略，暂不放行", "No policy is in force, so nothing is released"),
        (
            BuiltInRule.NO_PORT_REGISTRY,
            "没有端口登记表，暂不放行",
            "No port registry is loaded, so nothing is released",
        ),
        (BuiltInRule.PORT_UNKNOWN, "端口未登记或已注销", "The port is not registered"),
        (BuiltInRule.PORT_SUSPENDED, "端口已暂停", "The port is suspended"),
        (BuiltInRule.PORT_TERMINATED, "端口已终止", "The port is terminated"),
        (BuiltInRule.BLACK_LISTED, "黑名单[：{entry}]", "The sender is on the black list[: {entry}]"),
        (
            BuiltInRule.REVIEW_CLOSED,
            "需人工审核，审核时间已过，未发送[；{opens} 开始审核]",
            "It needs a reviewer, and review hours are over; it was not sent[; they begin at {opens}]",
        ),
        (BuiltInRule.RECIPIENT_UNSUBSCRIBED, "接收人已退订", "The recipient has unsubscribed"),
        (BuiltInRule.RECIPIENT_BLOCKED, "接收人在屏蔽名单", "The recipient is on the blocked list"),
        (
            BuiltInRule.RECIPIENT_NOT_REGISTERED,
            "接收人不在端口的登记名单",
            "The recipient is not on the port's registered list",
        ),
        (BuiltInRule.SCHEDULED, "未到预定发送时间", "The scheduled time has not come"),
        (BuiltInRule.EXPIRED, "有效期已过，未发送", "Its validity period passed before it was sent"),
        (
            BuiltInRule.UNMET,
            "等待端口登记或策略超过期限，未发送",
            "The registration or policy that it waited for did not arrive in time",
        ),
        (BuiltInRule.REVIEWED, "人工审核[：{refusal}]", "A reviewer decided[: {refusal}]"),
        (BuiltInRule.UNREVIEWED, "保存期限内无人审核，未发送", "Nobody reviewed it within its retention time"),
        (BuiltInRule.CHANNEL_UNKNOWN, "端口的通道不存在", "The port's channel does not exist"),
        (
            BuiltInRule.COMPLAINTS,
            "投诉过多[：30 天内 {count} 次，超过 {limit} 次即处置]",
            "Too many complaints[: {count} in 30 days; more than {limit} have consequences]",
        ),
        (
            BuiltInRule.REFUSED_BULK,
            "被拒的批量任务过多[：{count} 个，超过 {limit} 个即暂停]",
            "Too many refused bulk tasks[: {count}; more than {limit} suspend the port]",
        ),
        (
            BuiltInRule.CASE_OVERDUE,
            "待审案件 {case} 超过 {minutes} 分钟未审，共 {messages} 条",
            "Case {case} has waited for more than {minutes} review minutes; it has {messages} messages",
        ),
        (
            BuiltInRule.DAILY_CAP,
            "规则 {rule} 今日已生效 {cap} 次，达到上限，零点前不再生效",
            "Rule {rule} has decided {cap} times today and does not count until midnight",
        ),
        (
            BuiltInRule.RULE_RATE,
            "规则 {rule} 一小时命中率 {rate}，往常同一时段 {usual}",
            "Rule {rule} matched {rate} of the decisions of an hour; {usual} at this hour of earlier days",
        ),
        (
            BuiltInRule.RULE_RATE_ENDED,
            "规则 {rule} 命中率恢复正常[：{rate}，往常 {usual}]",
            "The hit rate of rule {rule} is usual again[: {rate}, usually {usual}]",
        ),
        (
            BuiltInRule.ORDERS_GIVEN_UP,
            "{party} 对 {orders} 个号码指令多次未答复，需人工处理",
            "{party} did not answer {orders} orders about numbers; a person must decide",
        ),
        (
            BuiltInRule.NUMBERS_DIFFER,
            "{party} 的停发清单与本系统不一致：少 {missing} 个号码（已重新下达），多 {extra} 个号码",
            "The stopped numbers of {party} are not ours: {missing} are missing (ordered again), {extra} are more",
        ),
        (
            BuiltInRule.RELEASE_WITHOUT_PROOF,
            "一条记录没有放行凭证，未发送，已转入死信",
            "A record without proof of its release was not sent; it is a dead letter",
        ),
        (
            BuiltInRule.MUCH_COMPLAINED,
            "端口 {minutes} 分钟内被投诉 {value} 次，界限 {limit}",
            "In {minutes} minutes, {value} complaints about the port; the limit is {limit}",
        ),
        (
            BuiltInRule.MUCH_REFUSED,
            "端口 {minutes} 分钟内 {value} % 的短信被拒，界限 {limit} %",
            "In {minutes} minutes, {value} % of the port's messages were refused; the limit is {limit} %",
        ),
        (
            BuiltInRule.OVER_STRICT,
            "{minutes} 分钟内该类短信有 {value} % 的模型评分达到拒绝线，界限 {limit} %",
            "In {minutes} minutes, {value} % of the messages of this kind were over the model's strict threshold; the "
            "limit is {limit} %",
        ),
        (
            BuiltInRule.VOLUME,
            "端口 {minutes} 分钟内提交 {value} 条短信，界限 {limit}",
            "In {minutes} minutes, {value} messages of the port; the limit is {limit}",
        ),
        (
            BuiltInRule.TRAFFIC,
            "全部端口 {minutes} 分钟内提交 {value} 条短信，界限 {limit}",
            "In {minutes} minutes, {value} messages of all ports; the limit is {limit}",
        ),
        (
            BuiltInRule.DEGRADED,
            "{minutes} 分钟内 {value} % 的判定缺少一个部件，界限 {limit} %",
            "In {minutes} minutes, {value} % of the decisions lacked a part; the limit is {limit} %",
        ),
        (
            BuiltInRule.DEAD_LETTERS,
            "{minutes} 分钟内新增死信 {value} 条，界限 {limit}",
            "In {minutes} minutes, {value} dead letters; the limit is {limit}",
        ),
        (
            BuiltInRule.UNDELIVERED,
            "通道 {minutes} 分钟内 {value} % 的短信分段未送达，界限 {limit} %",
            "In {minutes} minutes, {value} % of the channel's parts were not delivered; the limit is {limit} %",
        ),
        (
            BuiltInRule.CASES_WAITING,
            "{value} 个案件等待审核，界限 {limit}",
            "{value} cases wait for review; the limit is {limit}",
        ),
        (
            BuiltInRule.PORTS_SUSPENDED,
            "{minutes} 分钟内暂停端口 {value} 个，界限 {limit}",
            "In {minutes} minutes, {value} ports were suspended; the limit is {limit}",
        ),
        (
            BuiltInRule.UNPUBLISHED,
            "{value} 项变更尚未发布到 Kafka，界限 {limit}",
            "{value} changes wait to be published to Kafka; the limit is {limit}",
        ),
        (
            BuiltInRule.ANSWERS_DUE,
            "{value} 件投诉须在 2 天内答复，界限 {limit}",
            "{value} complaints must be answered within 2 days; the limit is {limit}",
        ),
        (
            BuiltInRule.ANSWERS_OVERDUE,
            "{value} 件投诉的答复已逾期，界限 {limit}",
            "The answers to {value} complaints are overdue; the limit is {limit}",
        ),
    )
}


def filled(template: str, values: Mapping[str, Any]) -> str:
    """The template with these values. A slot without a value stays as it is."""
    if "[" in template:
        template = _OPTIONAL.sub(
            lambda part: part[1] if all(values.get(name) for name in slots(part[1])) else "", template
        )
    literal, *rest = _split(template)
    return literal + "".join(
        [_written(values.get(name, f"{{{name}}}")) + text for name, text in zip(rest[::2], rest[1::2], strict=True)]
    )


@lru_cache(4096)
def _split(template: str) -> tuple[str, ...]:
    """Literal text and names of slots by turns, text first and last."""
    return tuple(_SLOT.split(template))


def slots(template: str) -> Sequence[str]:
    """The names of the template's slots, in order."""
    return _split(template)[1::2]


def built_in(rule: BuiltInRule, values: Mapping[str, Any] = {}, language: str = DEFAULT) -> str:
    """The sentence of a built-in rule."""
    return filled(BUILT_IN[rule][language], values)


def _written(value: Any) -> str:
    """A value for display: a probability with three decimals, a list by its members, a dash for an empty value."""
    if isinstance(value, float):
        return f"{value:.3f}"
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or "–"
