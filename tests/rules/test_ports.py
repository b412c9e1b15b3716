"""The port registry: an extension belongs to its port, and a faulty entry says what is wrong."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.events import Kind, PortState, Submission, Tier
from pipeline.rules.ports import Port, PortEntry, Ports, TemplateEntry, parse_port
from pipeline.text.numbers import service_code

# Codes as events have them: without the prefix 86 of older registrations.
digits = st.text("0123456789", min_size=3, max_size=8).filter(lambda code: service_code(code) == code)


def ports(*codes: str) -> Ports:
    return Ports(Port(PortEntry(code=code)) for code in codes)


def code_of(registry: Ports, sender: str) -> str | None:
    port = registry.find(sender)
    return None if port is None else port.code


def test_the_longest_code_that_prefixes_the_sender_is_its_port() -> None:
    registry = ports("1069", "106900", "10690001")
    assert code_of(registry, "10690001") == "10690001"
    assert code_of(registry, "1069000188") == "10690001"
    assert code_of(registry, "10690002") == "106900"
    assert code_of(registry, "10691") == "1069"
    assert code_of(registry, "1069") == "1069"


@pytest.mark.parametrize("sender", ["", "106", "2069", "13800000001", "x1069"])
def test_a_sender_of_no_port_has_none_and_keys_by_itself(sender: str) -> None:
    assert ports("1069").find(sender) is None
    assert ports("1069").key(sender) == sender


@pytest.mark.parametrize(
    ("sender", "takes"), [("10690001", True), ("1069000101", True), ("10690001788", True), ("1069000188", False)]
)
def test_a_port_takes_extensions_that_begin_as_registered(sender: str, takes: bool) -> None:
    assert Port(PortEntry(code="10690001", extensions=("01", "7"))).takes_extension(sender) is takes
    assert Port(PortEntry(code="10690001")).takes_extension(sender)


def test_a_port_is_on_probation_to_the_end_of_its_last_day() -> None:
    port = Port(PortEntry(code="10690001", probation_until="2026-12-31"))
    assert port.on_probation(date(2026, 12, 31))
    assert not port.on_probation(date(2027, 1, 1))
    assert not Port(PortEntry(code="10690001")).on_probation(date(2026, 12, 31))


@pytest.mark.parametrize("text", ["2026-13-01", "20261231", "2026-W10-2", "soon", "2026-12-31T00:00"])
def test_the_end_of_a_probation_is_a_day(text: str) -> None:
    with pytest.raises(AntispamError, match=r"probation_until .*: a day such as 2026-12-31 expected"):
        Port(PortEntry(code="10690001", probation_until=text))


def test_a_signature_is_owned_by_the_enterprises_that_registered_it() -> None:
    registry = Ports(
        Port(PortEntry(code=code, enterprise=enterprise, signatures=("【示 例】",)))
        for code, enterprise in (("10690001", "e-1"), ("10690002", "e-1"), ("10690003", "e-2"), ("10690004", ""))
    )
    assert set(registry.owners("示例")) == {"e-1", "e-2", "10690004"}
    assert not registry.owners("别人")
    assert not Ports([]).owners("示例")


@given(st.sets(digits, max_size=12), digits)
def test_found_like_trying_every_code(codes: set[str], sender: str) -> None:
    fitting = sorted((code for code in codes if sender.startswith(code)), key=len)
    assert code_of(ports(*codes), sender) == (fitting[-1] if fitting else None)


@given(digits, st.text("0123456789", max_size=6))
def test_an_extension_keeps_the_key_of_its_port(code: str, extension: str) -> None:
    assert ports(code).key(code + extension) == code


def test_an_entry_says_everything_with_sensible_defaults() -> None:
    port = parse_port('{"code": "10690001"}')
    assert (port.tier, port.state, port.kind, port.channel) == (Tier.ORDINARY, PortState.OPEN, Kind.NOTICE, "default")
    assert port.entry.volume_5m is None


def test_the_first_template_that_fits_names_the_kind() -> None:
    port = parse_port(
        '{"code": "1069", "templates": [{"id": "a", "text": "余额{x}元"},'
        '{"id": "b", "text": "验证码{x}", "kind": "one_time_code"}, {"id": "c", "text": "验证{x}"}]}'
    )
    fitting = port.fitting("验证码123", (), ())
    assert fitting is not None
    assert (fitting.id, fitting.kind) == ("b", Kind.ONE_TIME_CODE)
    assert port.fitting("你好", (), ()) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "port entry: Input data was truncated"),
        ("[]", "port entry: Expected `object`, got `array`"),
        ("{}", "the field 'code' is missing"),
        ('{"code": "10"}', "port code '10': 3 to 21 digits expected"),
        ('{"code": "١٢٣٤"}', "3 to 21 digits expected"),
        ('{"code": "1069", "tier": "gold"}', r"port entry: tier: unknown tier 'gold'; one of high, ordinary, trusted"),
        ('{"code": "1069", "volume_5m": "x"}', r"port entry: volume_5m: Expected `int \| null`, got `str`"),
        ('{"code": "1069", "templates": [{"id": "t", "text": "{a}"}]}', "template t: nothing but placeholders"),
    ],
)
def test_a_faulty_entry_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(AntispamError, match=message):
        parse_port(text)


def test_a_template_of_a_port_that_does_not_sign_fits_with_the_inserted_signature() -> None:
    entry = PortEntry(
        code="10690001", signatures=("银行",), carrier_signs=True, templates=(TemplateEntry("t", "验证码{code}"),)
    )
    port = Port(entry)
    for text in ("验证码123456", "【银行】验证码123456"):
        assert port.fitting(port.signed(text), (), ()) is not None
    assert Port(msgspec.structs.replace(entry, carrier_signs=False)).fitting("【银行】验证码123456", (), ()) is None


def test_a_push_stays_as_it_is() -> None:
    ports = Ports([Port(PortEntry(code="10690001", signatures=("银行",), carrier_signs=True))])
    sent = Submission(id="s", port="1069000105", recipients=("13800000001",), content="恭喜", accepted_at=1)
    assert ports.signed(sent).content == "【银行】恭喜"
    push = msgspec.structs.replace(sent, push=b"\1")
    assert ports.signed(push) is push
