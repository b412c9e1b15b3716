"""Policies, dictionaries and stories meant to end or to occupy the process that reads them: refused, with the place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from pipeline.errors import AntispamError
from pipeline.rules.policies.policy import MAX_CONDITIONS, MAX_RULES, parse_policy

# Parses each kind and text of stdin in a process of its own and says what came of it: a fault that ends the process
# ends that one only. A processor limit, far above what any of these needs, ends one that would go on for minutes.
READER = """
import json, os, resource, sys, traceback
from pipeline.actions.scenario_file import read
from pipeline.actions.senders.channels import parse_channels
from pipeline.errors import AntispamError
from pipeline.rules.words.dictionary import Dictionary
from pipeline.rules.policies.policy import parse_policy
parsers = {"policy": parse_policy, "dictionary": Dictionary.parse, "story": read,
           "channels": lambda text: parse_channels(text, "channels.yaml", ("a",))}

def answer(kind, text):
    try:
        parsers[kind](text)
        return "accepted"
    except AntispamError as error:
        return f"refused {error}"

for line in sys.stdin:
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
            with open(sink, "w") as file:
                json.dump(answer(*json.loads(line)), file)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(sink)
    with open(source) as file:
        said = file.read()
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said]), flush=True)
"""
Told = Callable[[str, str], str]


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Reads a text of a kind and returns what is said; the readers share one import of the pipeline."""
    command = [sys.executable, "-c", READER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:

        def tell(kind: str, text: str) -> str:
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdin.write(json.dumps([kind, text]) + "\n")
            reader.stdin.flush()
            code, said = json.loads(reader.stdout.readline())
            assert code == 0
            return str(json.loads(said))

        yield tell


def rule(when: str, number: int = 0) -> str:
    return (
        f"  - {{id: r{number}, event: submission, description: d, verdict: review,\n     when: {json.dumps(when)}}}\n"
    )


def bomb(open_: str, of: str, close: str) -> str:
    lines = [f"a: &a {open_}x: 1{close}" if open_ == "{" else f"a: &a {open_}x{close}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} {open_}{of}[{','.join(['*' + before] * 9)}]{close}")
    return "\n".join(lines)


CONDITIONS = {
    "brackets": ("(" * 100_000 + "true" + ")" * 100_000, "a condition has up to 2000 characters"),
    "fewer brackets": ("(" * 900 + "true" + ")" * 900, "brackets are nested more than 16 deep"),
    "lists": ("[" * 900, "brackets are nested more than 16 deep"),
    "brackets in no text": ("'(' == kind && " + "(" * 20, "brackets are nested"),
    "20,000 terms": (" || ".join(["links > 1"] * 20_000), "a condition has up to 2000 characters"),
    "a macro": ("contacts.exists(c, c == 'qq')", "'exists' is not allowed here"),
    "a macro behind a comment": ("contacts.all//(\n (links, links == 'qq')", "'all' is not allowed here"),
    "has": ("has(kind.a)", "'has' is not allowed here"),
    "loops in loops": ("[1,2].all(a, [1,2].all(b, a == b))", "'all' is not allowed here"),
    "an expression": ("kind.matches('(a{100}){100}')", "'matches' is not allowed here"),
    "closed too often": ("links > 1)", "')' closes no bracket"),
    "closed otherwise": ("(links > 1]", "']' closes no bracket"),
    "never closed": ("(links > 1", "'(' is never closed"),
    "a raw text": ("r'\\' == kind || ((", "write a text as"),
    "three quotes": ("kind == '''(''' ", "write a text as"),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.long
def test_a_hostile_condition_is_refused_with_a_caret(told: Told, name: str) -> None:
    when, why = CONDITIONS[name]
    said = told("policy", "rules:\n" + rule(when))
    assert said.startswith("refused policy.yaml:3:")
    first, _, caret = said.rstrip("\n").split("\n")[:3]
    assert why in first
    assert caret.strip().startswith("^")
    assert len(said) < 1_000


@pytest.mark.parametrize(
    "when", ["!" * 1_990 + "true", "true" + " || true" * 240, "kind" + ".a" * 900, "-" * 1_990 + "1"]
)
def test_the_longest_condition_ends_no_process(told: Told, when: str) -> None:
    assert told("policy", "rules:\n" + rule(when)).split()[0] in ("accepted", "refused")


def test_a_condition_may_end_in_a_comment_and_brackets_in_one_do_not_count() -> None:
    first, second = rule("messages > 5 // )))"), rule("messages > 6", 1)
    parsed = parse_policy("rules:\n" + first + second)
    assert [r.id for r in parsed.sets["submission"].matching({"messages": 6})[0]] == ["r0"]


def test_a_policy_has_a_bounded_number_of_rules_and_of_conditions() -> None:
    with pytest.raises(AntispamError, match=f"more than {MAX_RULES} rules"):
        parse_policy("rules:\n" + "".join(rule("messages > 5", n) for n in range(MAX_RULES + 1)))
    long = " || ".join(["messages > 5"] * 120)
    with pytest.raises(AntispamError, match=f"all conditions together have up to {MAX_CONDITIONS}"):
        parse_policy("rules:\n" + "".join(rule(long, n) for n in range(MAX_CONDITIONS // len(long) + 1)))


YAMLS = {
    "brackets": ("[" * 100_000, ":1:21: nested more than 20 levels"),
    "braces": ("{a: " * 100_000, ":1:81: nested more than 20 levels"),
    "dashes": ("- " * 100_000, ":1:41: nested more than 20 levels"),
    "a list bomb": (bomb("[", "", "]"), "nested too deeply"),
    "aliases": ("a: &a 1\nb: [" + "*a," * 100_001 + "]", "more than 100000 values"),
    "a merge bomb": (bomb("{", "<<: ", "}"), "nested too deeply"),
    "itself": ("a: &a [*a]", "nested too deeply"),
    "a number to the base of 60": ("a: 1" + ":1" * 200_000, ":1:4: a value without quotes has up to 5000 characters"),
    "digits": ("a: " + "9" * 900_000, ":1:4: a value without quotes"),
    "a tag": ("a: !!python/object/apply:os.system ['true']", ":1:4: tags (!name) are not allowed"),
    "a megabyte": ("#" * 1_000_001, ":1:1: larger than 1000000 characters"),
    "a date that cannot be": ("a: 2026-02-30", ""),
    "a number that cannot be": ("a: 0x_", ""),
    "half a character": ("a: \ud800", "not Unicode text"),
    "a name": ('? "' + "x" * 500_000 + '"\n: 1', "unknown field"),
}


@pytest.mark.parametrize("name", YAMLS)
def test_hostile_yaml_is_refused_as_a_policy(told: Told, name: str) -> None:
    text, why = YAMLS[name]
    said = told("policy", text)
    assert said.startswith("refused policy.yaml")
    assert why in said
    assert len(said) < 2_000


@pytest.mark.parametrize("name", YAMLS)
@pytest.mark.parametrize("kind", ["story", "channels"])
def test_hostile_yaml_is_refused_as_a_story_and_as_channels(told: Told, kind: str, name: str) -> None:
    assert told(kind, YAMLS[name][0]).startswith("refused ")


PATTERNS = {
    "groups": "(" * 99 + "a" + ")*" * 99,
    "classes of letters": r"\p{L}" * 50,
    "a long repetition": "a{1,32000}b",
    "repetitions of repetitions": "(a{1,30}b{1,30}){1,30}",
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_that_takes_minutes_to_compile_is_refused_before(told: Told, name: str) -> None:
    said = told("dictionary", f'word,category,mode\nheroin,drugs,\n"{PATTERNS[name]}",drugs,regex\n')
    assert said.startswith("refused dictionary line 3: character ")


@pytest.mark.parametrize(
    "text",
    [
        "word,category\n" + '"' * 300_000,
        "word,category\n" + "x" * 300_000 + ",drugs",
        "word,category\n" + "," * 300_000,
        "word," * 100_000,
        "word,category,near\nheroin,drugs," + "|" * 100_000 + "a|" * 30_000,
        pytest.param("\r" * 300_000, marks=pytest.mark.long),
    ],
)
def test_a_hostile_dictionary_is_refused_by_line(told: Told, text: str) -> None:
    said = told("dictionary", text)
    assert said.startswith("refused dictionary line ")
    assert len(said) < 500
