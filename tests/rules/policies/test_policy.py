"""The policy: whatever is wrong with one is said when it is loaded, with the caret under the fault."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.configuration import default_policy
from pipeline.errors import AntispamError
from pipeline.events import Tier, Verdict
from pipeline.rules.policies.policy import Policy, known_signals, parse_policy

COUNTERS = """\
counters:
  - name: volume
    event: submission
    key: [port]
    window: 5m
    description: messages of the port
"""


def policy(when: str = "messages > 50", more: str = "", counters: str = COUNTERS) -> str:
    return f"""\
{counters}\
rules:
  - id: one
    event: submission
    description: a rule
    when: {when}
    verdict: review
{more}"""


def fault(text: str) -> str:
    with pytest.raises(AntispamError) as caught:
        parse_policy(text)
    return str(caught.value)


def matching(parsed: Policy, **values: Any) -> tuple[list[str], list[str]]:
    matched, failed = parsed.sets["submission"].matching(values)
    return [rule.id for rule in matched], [rule.id for rule in failed]


def test_the_shipped_policy_is_accepted() -> None:
    shipped = parse_policy(default_policy())
    assert {rule.verdict for rule in shipped.rules} == set(Verdict)
    assert shipped.port_limits_5m == {Tier.HIGH: 2000, Tier.ORDINARY: 20000, Tier.TRUSTED: 200000}
    assert {rule.id: rule.hold_ms for rule in shipped.rules if rule.hold_ms} == {"bulk-grace": 10_000}
    assert {rule.id: rule.hold_until for rule in shipped.rules if rule.hold_until} == {"quiet-hours": time(8, 0)}
    assert all(rule.expires is None for rule in shipped.rules)


def test_the_version_is_of_the_text() -> None:
    assert parse_policy(policy()).version == parse_policy(policy()).version
    assert parse_policy(policy()).version != parse_policy(policy() + "# a note\n").version


def test_an_unknown_signal_is_pointed_at_with_the_nearest_name() -> None:
    assert fault(policy("kind == 'notice' && volumes > 5")) == (
        "policy.yaml:11:31: unknown signal 'volumes'\n"
        "   11 |     when: kind == 'notice' && volumes > 5\n"
        "                                      ^~~~~~~\n"
        "  did you mean 'volume'?"
    )


def test_an_unknown_field_is_pointed_at_by_its_name() -> None:
    assert fault(policy(more="    seveirty: 5\n")) == (
        "policy.yaml:13:5: unknown field 'seveirty'\n"
        "   13 |     seveirty: 5\n"
        "            ^~~~~~~~\n"
        "  did you mean 'severity'?"
    )


def test_a_wrong_type_hidden_behind_an_or_is_found() -> None:
    assert fault(policy('port_tier == "high" || (messages > 5 && volume > "50")')) == (
        "policy.yaml:11:51: wrong types (volume is int): No such overload: "
        "the operation is not defined for the given operand types\n"
        '   11 |     when: port_tier == "high" || (messages > 5 && volume > "50")\n'
        "                                                          ^~~~~~~~~~~~~"
    )


@pytest.mark.parametrize(
    "when",
    [
        'port_tier == "high" && messages > "50"',
        'port_tier == "a" && kind == "b" && label == "c" && category == "d" && score > "x"',
        'messages > 5 && port_tier == "high" && (kind == "notice" || !(score > "x"))',
        'kind == "notice" ? messages > "5" : true',
        '!(kind == "x" && (messages + volume) > keyword_categories)',
        "kind == 'it\\'s && (' && messages > kind",
    ],
)
def test_no_wrong_type_hides_behind_what_decides_before_it(when: str) -> None:
    assert "wrong types (" in fault(policy("|-\n      " + when))


@pytest.mark.parametrize(
    "when",
    [
        'messages > 5 && keyword_categories.size() > 0 && "fraud" in keyword_categories',
        'kind in ["notice", "commercial"] && !template_fits',
        'score >= 0.5 ? messages > 5 : kind.startsWith("no")',
        "volume / messages > 3 || volume % messages == 1",
        "kind == 'a && (b' || kind == \"c || [\"",
        "1 < 2",
    ],
)
def test_sound_conditions_are_accepted(when: str) -> None:
    assert parse_policy(policy("|-\n      " + when)).rules[0].when == when


def test_what_is_not_cel_is_pointed_at() -> None:
    assert fault(policy("messages >> 50")) == (
        "policy.yaml:11:21: not CEL: extraneous input '>'\n"
        "   11 |     when: messages >> 50\n"
        "                            ^"
    )
    assert fault(policy("messages > 5 && 中 > 1")).startswith("policy.yaml:11:27: not CEL: token recognition error")


@pytest.mark.parametrize(
    ("when", "line", "under"),
    [
        ("|\n      messages > 5 &&\n        volumes > 3\n", 13, "volumes"),
        (">-\n      messages > 5 &&\n      volumes > 3\n", 13, "volumes"),
        ("messages > 5 &&\n      volumes > 3", 12, "volumes"),
        ("|\n      messages > 5 &&\n      volume >> 3\n", 13, "> 3"),
        ("'kind == ''notice'' && volumes > 3'", 11, "volumes"),
        ('"kind == \\"notice\\" && volumes > 3"', 11, "volumes"),
    ],
)
def test_the_caret_finds_its_place_in_any_yaml_style(when: str, line: int, under: str) -> None:
    where, shown, caret, *_ = fault(policy(when)).splitlines()
    assert where.startswith(f"policy.yaml:{line}:")
    assert shown[caret.index("^") :].startswith(under)


def test_a_caret_behind_chinese_text_allows_for_its_width() -> None:
    text = policy().replace("a rule", "端口已发 {volume} 条")
    where, shown, caret, hint = fault(text).splitlines()
    assert where == "policy.yaml:10:24: unknown value (not in 'when') 'volume'"
    before = shown[: shown.index("volume")]
    assert caret == " " * (len(before) + 4) + "^~~~~~"  # four characters of two columns each
    assert hint == "  one of messages"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (policy("1 > 2"), "policy.yaml:11:11: can never be true"),
        (policy("messages + 1"), "policy.yaml:11:11: a condition is true or false; this is int"),
        (policy("messages > 5 && volume"), "policy.yaml:11:27: a condition is true or false; this is int"),
        (policy("foo(messages)"), "policy.yaml:11:11: Undefined variable or function: 'foo'"),
        (policy("''"), "policy.yaml:11:12: a CEL condition expected"),
        (policy("17"), "policy.yaml:11:11: a CEL condition expected"),
        (policy("challenger_score > 0.9"), "policy.yaml:11:11: only rules with mode: shadow may read challenger_score"),
        (policy("record_kind == 'MO'"), "policy.yaml:11:11: the signal 'record_kind' cannot be read here"),
        (policy(more=policy(counters="")[len("rules:\n") :]), "policy.yaml:13:9: 'one' is declared twice"),
        (policy(more="    verdict: reject\n"), "policy.yaml:13:5: 'verdict' stands here twice"),
        (policy().replace("review", "rejct"), "policy.yaml:12:14: unknown verdict 'rejct'"),
        (policy().replace("review", "hold"), "policy.yaml:12:14: a rule with verdict hold needs 'hold' (a duration)"),
        (policy(more="    hold: 10s\n"), "policy.yaml:13:11: a rule with verdict hold needs 'hold'"),
        (policy(more="    hold: 10\n").replace("review", "hold"), "policy.yaml:13:11: '10' is not a duration such as"),
        (policy(more="    hold: 0s\n").replace("review", "hold"), "policy.yaml:13:11: '0s' is not a duration such as"),
        (policy(more="    severity: 101\n"), "policy.yaml:13:15: severity is a number from 0 to 100"),
        (policy(more="    severity: yes\n"), "policy.yaml:13:15: severity is a number from 0 to 100"),
        (policy(more="    mode: on\n"), "policy.yaml:13:11: unknown mode 'True'"),
        (policy(more="    alert: loud\n"), "policy.yaml:13:12: unknown alert 'loud'"),
        (policy(more="    expires: soon\n"), "policy.yaml:13:14: 'soon' is not an ISO 8601 time"),
        (policy(more="    expires: 2026-08-01\n"), "policy.yaml:13:14: '2026-08-01' needs a time of day and a zone"),
        (policy(more="    expires: 2026-08-01T10:00:00\n"), "policy.yaml:13:14: '2026-08-01 10:00:00' needs a time"),
        (policy(more="    expires: 2026-13-45\n"), "policy.yaml:13:14: '2026-13-45' is not a valid date"),
        (policy(more="   bad: indent\n"), "policy.yaml:13:4: did not find expected"),
        (policy(more="    id: \x01\n"), "policy.yaml:13:9: character U+0001 is not allowed"),
        (policy(more="    [a]: b\n"), "policy.yaml:13:5: a field's name expected"),
        (policy().replace("    description: a rule\n", ""), "policy.yaml:8:5: 'description' is missing or empty"),
        (policy().replace("[port]", "[port, sendr]"), "policy.yaml:4:17: unknown key of a submission counter 'sendr'"),
        (policy().replace("[port]", "phone"), "policy.yaml:4:10: unknown key of a submission counter 'phone'"),
        (policy(counters=COUNTERS + "    aggregate: count\n"), "policy.yaml:7:16: unknown aggregate 'count'"),
        (policy(counters=COUNTERS + "    aggregate: distinct\n"), "policy.yaml:2:5: unknown of 'None'"),
        (policy(counters=COUNTERS + "    aggregate: sum\n    of: kind\n"), "policy.yaml:8:9: unknown of 'kind'"),
        (
            policy(counters=COUNTERS + "    of: recipient\n"),
            "policy.yaml:7:9: only the aggregates sum and distinct",
        ),
        (
            policy(counters=COUNTERS + "    up_to: 9\n"),
            "policy.yaml:7:12: only the aggregates distinct, sequence and cuts",
        ),
        (policy(counters=COUNTERS + "    aggregate: sequence\n    up_to: 4\n"), "policy.yaml:8:12: up_to is a number"),
        (policy(counters=COUNTERS + "    zone: Asia/Tokyo\n"), "policy.yaml:7:11: only the windows hour and day have"),
        (policy(counters=COUNTERS.replace("5m", "day") + "    zone: Peking\n"), "policy.yaml:7:11: 'Peking' is not a"),
        (policy().replace("5m", "500ms"), "policy.yaml:5:13: a window lasts from 1s to 24h"),
        (policy().replace("5m", "2d"), "policy.yaml:5:13: a window lasts from 1s to 24h"),
        (policy().replace("5m", "five minutes"), "policy.yaml:5:13: 'five minutes' is not a duration"),
        (policy().replace("name: volume", "name: score"), "policy.yaml:2:11: 'score' is already the name of a signal"),
        (policy().replace("name: volume", "name: V"), "policy.yaml:2:11: a counter's name is 3 to 41 of"),
        (
            policy(counters=COUNTERS + "    where: links > 5\n"),
            "policy.yaml:7:12: the signal 'links' cannot be read here",
        ),
        (policy(counters=COUNTERS + COUNTERS[10:]), "policy.yaml:7:11: 'volume' is declared twice"),
        (policy(counters="port_limits_5m: {high: 0}\n"), "policy.yaml:1:24: the limit is messages in 5 minutes"),
        (policy(counters="port_limits_5m: {high: yes}\n"), "policy.yaml:1:24: the limit is messages in 5 minutes"),
        (policy(counters="port_limits_5m: {gold: 5}\n"), "policy.yaml:1:18: unknown field 'gold'"),
        ("rules: 5\n", "policy.yaml:1:8: a list expected"),
        ("rules: [5]\n", "policy.yaml:1:9: a mapping expected"),
        ("", "policy.yaml: a mapping with 'counters' and 'rules' expected"),
        ("title: \ud800", "policy.yaml: not Unicode text"),
    ],
)
def test_each_kind_of_fault_is_pointed_at(text: str, expected: str) -> None:
    found = fault(text)
    assert found.startswith(expected)
    where, *rest = found.splitlines()
    if rest:
        line, column = (int(number) for number in where.split(":")[1:3])
        assert rest[0].endswith(text.split("\n")[line - 1])
        assert rest[1].index("^") >= 8 + column - 1


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
    bomb += "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
    bomb += "d: [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
    assert fault(bomb) == "policy.yaml: more than 100000 values"


@given(st.text(max_size=60), st.integers(0, 400))
def test_a_policy_damaged_anywhere_is_accepted_or_refused(noise: str, at: int) -> None:
    text = policy()
    refusal = None
    try:
        parse_policy(text[:at] + noise + text[at:])
    except AntispamError as error:
        refusal = str(error)
    assert refusal is None or refusal.startswith("policy.yaml")


TWO = policy(
    "100 / messages > 3",
    """\
  - id: two
    event: submission
    description: another
    when: volume > 10
    verdict: reject
""",
)


def test_a_rule_that_cannot_be_evaluated_is_named_and_the_others_apply() -> None:
    parsed = parse_policy(TWO)
    assert matching(parsed, messages=0, volume=11) == (["two"], ["one"])
    assert matching(parsed, messages=1, volume=11) == (["one", "two"], [])


@pytest.mark.parametrize("when", ["volume * 4611686018427387904 > 1", "messages == [1][volume]", "int(kind) > volume"])
def test_whatever_an_evaluation_raises_costs_its_own_rule_only(when: str) -> None:
    parsed = parse_policy(TWO.replace("100 / messages > 3", when))
    assert matching(parsed, volume=1000, messages=1, kind="notice") == (["two"], ["one"])


def test_a_counter_whose_condition_fails_costs_itself_only() -> None:
    other = COUNTERS[10:].replace("volume", "batches") + "    where: 100 / batch_size > 3\n"
    rules = parse_policy(policy(counters=COUNTERS + other)).sets["submission"]
    counted, failed = rules.counted({"batch_size": 0})
    assert ([c.counter.name for c in counted], [c.counter.name for c in failed]) == (["volume"], ["batches"])
    assert [c.counter.name for c in rules.counted({"batch_size": 1})[0]] == ["volume", "batches"]


def test_a_rule_that_is_off_is_checked_but_not_asked() -> None:
    parsed = parse_policy(policy(more="    mode: off\n"))
    assert (parsed.rules[0].mode, matching(parsed, messages=99)) == ("off", ([], []))
    assert "unknown signal" in fault(policy("foo > 1", more="    mode: off\n"))


def test_the_message_names_the_values_that_were_seen() -> None:
    rule = parse_policy(policy().replace("a rule", "已发 {messages} 条")).rules[0]
    assert rule.message({"messages": 51}) == "已发 51 条"
    assert rule.message({"messages": 0.98765432}) == "已发 0.988 条"  # a score, not a number to be masked
    assert rule.message({"messages": ["loan", "fraud"]}) == "已发 loan, fraud 条"


def test_rules_on_volume_or_score_are_the_ones_the_allow_lane_skips() -> None:
    skippable = {rule.id for rule in parse_policy(default_policy()).rules if rule.skippable}
    assert skippable >= {"port-volume", "bulk-declared", "bulk-same-content", "score-review", "sender-volume"}
    assert not {id_ for id_ in skippable if id_.startswith("keyword")}


def test_a_declared_counter_is_a_signal_of_its_own_event_only() -> None:
    counters = parse_policy(policy()).counters
    assert known_signals("submission", counters)["volume"].group == "volume"
    assert "volume" not in known_signals("record", counters)


HOLDS = """\
rules:
  - id: one
    event: submission
    description: a rule
    when: messages > 0
    verdict: hold
"""


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ('    hold_until: "8:00"\n', "policy.yaml:7:18: a local time in quotes expected"),
        ('    hold_until: "24:00"\n', "policy.yaml:7:18: a local time in quotes expected"),
        ("    hold_until: 21:30\n", "policy.yaml:7:17: a local time in quotes expected"),
        ("    hold_untill: '08:00'\n", "did you mean 'hold_until'?"),
        ("", "policy.yaml:6:14: a rule with verdict hold needs 'hold' (a duration) or 'hold_until'"),
        ('    hold: 10s\n    hold_until: "08:00"\n', "policy.yaml:8:18: a rule with verdict hold needs"),
    ],
)
def test_a_hold_needs_a_length_or_a_local_time(field: str, found: str) -> None:
    assert found in fault(HOLDS + field)


def test_a_hold_until_a_local_time() -> None:
    (rule,) = parse_policy(HOLDS + "    hold_until: '07:30'\n").rules
    assert (rule.hold_until, rule.hold_ms) == (time(7, 30), None)


EXCEPT = """\
rules:
  - id: one
    event: submission
    description: a rule
    when: without_consent > 0
    verdict: reject
    recipients: without_consent
"""


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("recipients: without_consent", "recipients: messages", "policy.yaml:7:17: the name of a signal in 'when'"),
        ("recipients: without_consent", "recipients: 5", "policy.yaml:7:17: the name of a signal in 'when'"),
        ("when: without_consent > 0", "when: messages > 0", "policy.yaml:7:17: the name of a signal in 'when'"),
        (
            "verdict: reject",
            "verdict: review",
            "policy.yaml:6:14: a rule with 'recipients' must have",
        ),
    ],
)
def test_a_rule_on_recipients_names_a_signal_that_counts_them(old: str, new: str, found: str) -> None:
    assert parse_policy(EXCEPT).rules[0].recipients == "without_consent"
    assert found in fault(EXCEPT.replace(old, new))
