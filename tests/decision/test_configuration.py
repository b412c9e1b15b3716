"""Configuration: one parser for the topic and for files; a bad value never replaces a good one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.decision.configuration import (
    SHIPPED,
    Config,
    ConfigEntries,
    default_dictionary,
    default_policy,
    directory_entries,
    load_directory,
)
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.rules.clock.calendar import shipped_calendar, shipped_calendar_text
from pipeline.rules.consents import shard_text
from pipeline.rules.speaker.names import NO_ADDITIONS

LIST = "list,entity,value,reason,expires\n"
OTHER = "title: another\n"


def change(epoch: int, kind: str, name: str, value: str | None = None, **fields: Any) -> ConfigChange:
    return ConfigChange(epoch=epoch, kind=kind, name=name, value=value, **fields)


def port(code: str, **fields: str) -> str:
    more = "".join(f', "{k}": "{v}"' for k, v in fields.items())
    return f'{{"code": "{code}"{more}}}'


def test_nothing_is_known_before_the_first_publication() -> None:
    assert ConfigEntries().config == Config()


def test_changes_of_one_publication_take_effect_together() -> None:
    entries = ConfigEntries()
    before = entries.config
    assert not entries.apply(
        [
            change(3, "policy", "policy.yaml", OTHER),
            change(3, "port", "1069", port("1069")),
            change(3, "list", "ours", LIST + "black,sender,139,x,\n"),
            change(3, "model", "active", SHIPPED),
            change(3, "dictionary", "d", "word,category,verdict\n"),
        ]
    )
    after = entries.config
    assert (before, after.epoch) == (Config(), 3)  # a snapshot never changes
    assert after.policy is not None
    assert after.policy.title == "another"
    assert after.ports is not None
    assert after.ports.find("106988") is not None
    assert after.lists.find("black", "139")
    assert after.model is not None
    assert after.dictionary is not None


def test_consents_come_in_shards_by_the_last_four_digits() -> None:
    entries = ConfigEntries()
    shards = {"0001": ("13800000001", "port/1069"), "0002": ("13800000002", "enterprise/e1")}
    for n, (name, (number, scope)) in enumerate(shards.items(), 1):
        assert not entries.apply([change(n, "consent", name, shard_text([(scope, number, 0, "consent", None)]))])
    consents = entries.config.consents
    assert consents.scopes("1069", "e1") == ("port/1069", "enterprise/e1")
    assert consents.missing(["13800000001", "13800000002", "13800000003"], ["port/1069"], 0) == (
        "13800000002",
        "13800000003",
    )
    entries.apply([change(3, "consent", "0001")])
    assert entries.config.consents.scopes("1069", "e1") == ("enterprise/e1",)
    assert entries.apply([change(4, "consent", "10000", "{}")]) == ["consent/10000: unknown shard"]
    assert "consent/0002: consents: " in entries.apply([change(5, "consent", "0002", "x")])[0]
    assert entries.config.consents.scopes("", "e1") == ("enterprise/e1",)


def test_a_published_calendar_holds_until_it_is_withdrawn() -> None:
    entries = ConfigEntries()
    assert entries.config.calendar is shipped_calendar()
    mine = "zone: Asia/Kathmandu\nyears: {2031: {source: law, holidays: {a: 2031-01-01}}}\n"
    entries.apply([change(1, "calendar", "calendar.yaml", mine)])
    assert entries.config.calendar.years == {2031}
    assert entries.apply([change(2, "calendar", "calendar.yaml", "zone: Nowhere\n")]) != []
    assert entries.config.calendar.years == {2031}
    entries.apply([change(3, "calendar", "calendar.yaml")])
    assert entries.config.calendar is shipped_calendar()


def test_a_challenger_stands_beside_the_model_and_leaves_without_it() -> None:
    entries = ConfigEntries()
    entries.apply([change(1, "model", "active", SHIPPED), change(1, "model", "challenger", SHIPPED)])
    assert entries.config.model is not None
    assert entries.config.challenger is not None
    entries.apply([change(2, "model", "challenger")])
    assert entries.config.model is not None
    assert entries.config.challenger is None


def test_an_entry_is_replaced_and_removed_by_its_name() -> None:
    entries = ConfigEntries()
    entries.apply(
        [
            change(1, "port", "1069", port("1069", name="a")),
            change(1, "port", "1070", port("1070")),
            change(1, "list", "one", LIST + "black,sender,139,x,\n"),
            change(1, "list", "two", LIST + "black,sender,138,x,\n"),
        ]
    )
    entries.apply([change(2, "port", "1069", port("1069", name="b")), change(2, "list", "one")])
    ports = entries.config.ports
    assert ports is not None
    assert {code: p.entry.name for code, p in ports.by_code.items()} == {"1069": "b", "1070": ""}
    assert [bool(entries.config.lists.find("black", value)) for value in ("138", "139")] == [True, False]
    entries.apply([change(3, "port", "1069"), change(3, "port", "1070"), change(3, "policy", "policy.yaml")])
    assert (entries.config.ports, entries.config.policy) == (None, None)  # nothing is released then


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        ("policy", "policy.yaml", "rules: 5\n", "policy/policy.yaml: policy.yaml:1:8: a list expected"),
        ("port", "1069", '{"code": "x"}', "port/1069: port code 'x': 3 to 21 digits expected"),
        ("port", "1069", port("1070"), "port/1069: holds port 1070"),
        ("list", "ours", "nonsense", "list/ours: ours:1: header must be"),
        ("dictionary", "d", "nonsense", "dictionary/d: dictionary line 1"),
        ("model", "active", "/nowhere/at/all", "model/active: "),
        ("colour", "red", "x", "colour/red: unknown kind of configuration"),
    ],
)
def test_a_refused_value_leaves_the_entry_as_it_was(kind: str, name: str, value: str, message: str) -> None:
    entries = ConfigEntries()
    entries.apply(
        [
            change(1, "policy", "policy.yaml", OTHER),
            change(1, "port", "1069", port("1069", name="good")),
            change(1, "list", "ours", LIST + "black,sender,139,x,\n"),
        ]
    )
    good = entries.config
    [fault] = entries.apply([change(2, kind, name, value), change(2, "port", "1071", port("1071"))])
    assert fault.startswith(message)
    assert entries.config.epoch == 2  # every worker refuses it alike
    assert entries.config.policy is good.policy
    assert entries.config.lists.find("black", "139")
    assert entries.config.ports is not None
    assert set(entries.config.ports.by_code) == {"1069", "1071"}  # its neighbours of the publication count
    assert entries.config.ports.by_code["1069"].entry.name == "good"


def test_a_stored_template_that_cannot_be_read_any_more_is_named_and_its_port_works_on() -> None:
    entries = ConfigEntries()
    templates = '[{"id": "old", "text": "验证码@code@"}, {"id": "good", "text": "验证码{code}"}]'
    (fault,) = entries.apply([change(1, "port", "1069", f'{{"code": "1069", "templates": {templates}}}')])
    assert fault.startswith("port/1069: template old: '@code@' at character 4 is not a known placeholder")
    assert entries.config.ports is not None
    port = entries.config.ports.find("1069")
    assert port is not None
    fitting = port.fitting("验证码482913", (), ())
    assert fitting is not None
    assert fitting.id == "good"
    assert port.fitting("验证码@code@", (), ()) is None


def test_a_directory_with_such_a_template_is_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "ports.jsonl").write_text(
        '\n{"code": "1069", "templates": [{"id": "t", "text": "验证码%code%"}]}', encoding="utf-8"
    )
    with pytest.raises(
        AntispamError, match=r"ports\.jsonl:2: template t: '%code%' at character 4 is not a known placeholder"
    ):
        load_directory(tmp_path)


def test_a_large_value_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "abc123").write_text(OTHER, encoding="utf-8")
    entries = ConfigEntries(tmp_path)
    assert not entries.apply([change(1, "policy", "policy.yaml", file="abc123")])
    assert entries.config.policy is not None


@pytest.mark.parametrize("file", ["absent", "../secret", "/etc/passwd", "a/b", "", "．．"])
def test_a_file_name_that_is_no_hash_is_never_opened(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret").write_text(OTHER, encoding="utf-8")
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    entries = ConfigEntries(blobs)
    assert len(entries.apply([change(1, "policy", "policy.yaml", file=file)])) == 1
    assert entries.config.policy is None


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"\xff\xfe")
    assert ConfigEntries(tmp_path).apply([change(1, "policy", "p", file="abc")]) == ["policy/p: file abc: not UTF-8"]


# A directory


def test_what_a_directory_lacks_we_ship_but_never_ports() -> None:
    entries = {kind: value for kind, _, value in directory_entries(None)}
    assert entries == {
        "model": SHIPPED,
        "policy": default_policy(),
        "dictionary": default_dictionary(),
        "calendar": shipped_calendar_text(),
        "brands": NO_ADDITIONS,
    }
    config = load_directory(None)
    assert (config.ports, config.model is not None, config.policy is not None) == (None, True, True)


def test_a_directory_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("\ufeff" + OTHER, encoding="utf-8")
    (tmp_path / "dictionary.csv").write_text("word,category,verdict\n信用卡套现,fraud,reject\n", encoding="utf-8")
    (tmp_path / "ports.jsonl").write_text(port("1069") + "\r\n\n" + port("1070") + "\n", encoding="utf-8")
    (tmp_path / "lists.csv").write_text(LIST + "allow,sender,1069,x,\n", encoding="utf-8")
    config = load_directory(tmp_path)
    assert config.policy is not None
    assert config.policy.title == "another"
    assert config.dictionary is not None
    assert len(config.dictionary.entries) == 1
    assert config.ports is not None
    assert set(config.ports.by_code) == {"1069", "1070"}
    assert config.lists.find("allow", "1069")


def test_a_policy_named_goes_before_the_directorys(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(OTHER, encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text("title: mine\n", encoding="utf-8")
    config = load_directory(tmp_path, mine)
    assert config.policy is not None
    assert config.policy.title == "mine"


def test_an_empty_ports_file_holds_everything(tmp_path: Path) -> None:
    (tmp_path / "ports.jsonl").write_text("\n")
    assert load_directory(tmp_path).ports is None


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("ports.jsonl", f"{port('1069')}\nnonsense\n", "ports.jsonl:2: port entry: "),
        ("ports.jsonl", f"{port('1069')}\n\n{port('1069')}\n", "ports.jsonl:3: 1069 is already on line 1"),
        ("lists.csv", LIST + "black,sender\n", "lists.csv:2: 2 fields; 5 expected"),
        ("policy.yaml", "rules: 5\n", "policy.yaml:1:8: a list expected"),
        ("policy.yaml", b"\xff\xff", "policy.yaml: "),
        ("dictionary.csv", "x\n", "dictionary line 1"),
    ],
)
def test_a_fault_of_a_file_names_file_and_line(tmp_path: Path, file: str, content: str | bytes, message: str) -> None:
    (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(AntispamError) as caught:
        load_directory(tmp_path)
    assert message in str(caught.value)


def test_no_directory_and_no_policy_file_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(AntispamError, match="nowhere: not a directory"):
        load_directory(tmp_path / "nowhere")
    with pytest.raises(AntispamError, match=r"none\.yaml"):
        load_directory(None, tmp_path / "none.yaml")


def test_the_operators_brands_add_to_the_shipped_ones_until_withdrawn() -> None:
    entries = ConfigEntries()
    change = ConfigChange(epoch=1, kind="brands", name="brands.yaml", value="- {name: 青屿银行}\n")
    assert entries.apply([change]) == []
    known = entries.config.brands.of_signature
    assert [brand.name for brand in (known("青屿银行"), known("工行")) if brand] == ["青屿银行", "中国工商银行"]
    (fault,) = entries.apply([ConfigChange(epoch=2, kind="brands", name="brands.yaml", value="- {nam: 甲行}\n")])
    assert "brands.yaml:1" in fault
    assert entries.config.brands.of_signature("青屿银行") is not None
    entries.apply([ConfigChange(epoch=3, kind="brands", name="brands.yaml")])
    assert entries.config.brands.of_signature("青屿银行") is None
