from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from pipeline.events import Kind, PortState, Tier
from pipeline.rules.clock.calendar import parse_calendar
from pipeline.sample.config import config_files, noon_calendar, write_config
from pipeline.sample.enterprises import PORTS
from pipeline.sample.stress import stress_ports
from pipeline.sample.wording import BLANKS

FILES = config_files()
REGISTERED = [json.loads(line) for line in FILES["ports.jsonl"].splitlines()]
# Trade marks a reader could take our invented names for.
REAL_NAMES = (
    "招商",
    "工商银行",
    "建设银行",
    "农业银行",
    "中国银行",
    "交通银行",
    "平安",
    "顺丰",
    "圆通",
    "中通",
    "京东",
    "淘宝",
    "天猫",
    "支付宝",
    "腾讯",
    "美团",
    "滴滴",
    "移动",
    "联通",
    "中国电信",
    "万科",
    "恒大",
    "新东方",
    "学而思",
)


def test_every_port_is_registered_in_full() -> None:
    assert 40 <= len(REGISTERED) <= 80
    for port in REGISTERED:
        assert re.fullmatch(r"106\d{5,9}", port["code"])
        assert re.fullmatch(r"ent-\d{3}", port["enterprise"])
        assert port["kind"] in set(Kind)
        assert port["channel"] == "default"
        assert port["volume_5m"] > 0
        assert port["signatures"]


def test_codes_are_unique_and_every_tier_and_state_occurs() -> None:
    assert len({port["code"] for port in REGISTERED}) == len(REGISTERED)
    assert {port["tier"] for port in REGISTERED} == set(Tier)
    assert {port["state"] for port in REGISTERED} == set(PortState)


def test_only_the_branch_shares_a_prefix_with_its_head_office() -> None:
    codes = [port["code"] for port in REGISTERED]
    nested = [(a, b) for a in codes for b in codes if a != b and b.startswith(a)]
    assert nested == [("10690021", "1069002107")]


def test_templates_carry_the_signature_and_known_blanks() -> None:
    for port in REGISTERED:
        for template in port["templates"]:
            assert template["text"].startswith(f"【{port['signatures'][0]}】")
            assert set(re.findall(r"\{(\w+)(?::contact)?\}", template["text"])) <= set(BLANKS)
            assert not set("[]|") & set(template["text"])


def test_no_name_is_a_real_brand() -> None:
    names = "".join(port.name + port.signatures[0] for port in PORTS)
    assert not [real for real in REAL_NAMES if real in names]


def test_lists_name_what_their_entity_is() -> None:
    rows = list(csv.DictReader(FILES["lists.csv"].splitlines()))
    codes = {port["code"] for port in REGISTERED}
    assert list(rows[0]) == ["list", "entity", "value", "reason", "expires"]
    assert {row["list"] for row in rows} == {"black", "allow", "unsubscribed", "blocked"}
    for row in rows:
        port, _, number = row["value"].rpartition(":")
        assert number in codes or re.fullmatch(r"1[3-9]\d{9}", number)
        assert (row["entity"] == "port_recipient") == (port in codes)
    assert any(row["expires"] for row in rows)


def test_the_directory_holds_the_same_text(tmp_path: Path) -> None:
    paths = write_config(tmp_path / "config", 1_760_000_000_000)
    written = {path.name: path.read_text("utf-8") for path in paths}
    assert {name: written.pop(name) for name in FILES} == FILES
    assert set(written) == {"calendar.yaml"}


@pytest.mark.parametrize("hour", range(24))
def test_the_traffic_comes_at_noon_whatever_the_hour(hour: int) -> None:
    at = 1_760_000_000_000 + hour * 3_600_000
    assert parse_calendar(noon_calendar(at)).moment(at).hour == 12


def test_stress_ports_can_be_registered_beside_the_demo() -> None:
    ports = stress_ports(500)
    assert len({port.code for port in (*ports, *PORTS)}) == 500 + len(PORTS)
    assert config_files(ports, ())["ports.jsonl"].count("\n") == 500
    assert config_files(ports, ())["lists.csv"].count("\n") == 1


def test_every_owner_has_a_name_and_a_home() -> None:
    owners = [json.loads(line) for line in FILES["enterprises.jsonl"].splitlines()]
    assert {owner["code"] for owner in owners} == {port["enterprise"] for port in REGISTERED}
    assert all(owner["name"] and owner["province"] and owner["city"] for owner in owners)
    assert len({owner["province"] for owner in owners}) > 3
