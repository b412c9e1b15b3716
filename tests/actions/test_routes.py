"""Each recipient goes over the channel of his carrier, unless the port has a channel of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.routes import Routes, load_routes
from pipeline.actions.senders.channels import parse_channels
from pipeline.errors import AntispamError
from pipeline.rules.numbering.segments import Segments, shipped_segments
from pipeline.settings import Settings

SEGMENTS = Segments(shipped_segments())
ROUTES = Routes(("default", "unicom", "telecom"), {"China Unicom": "unicom", "China Telecom": "telecom"}, SEGMENTS)
MOBILE, UNICOM, TELECOM, ABROAD = "13800138000", "13000000000", "18900000000", "442071838750"


def test_recipients_are_split_by_carrier() -> None:
    assert ROUTES.split("default", (MOBILE, UNICOM, TELECOM, ABROAD, UNICOM[:-1] + "1")) == {
        "default": (MOBILE, ABROAD),
        "unicom": (UNICOM, UNICOM[:-1] + "1"),
        "telecom": (TELECOM,),
    }


def test_a_ports_own_channel_wins() -> None:
    assert ROUTES.split("telecom", (MOBILE, UNICOM)) == {"telecom": (MOBILE, UNICOM)}


def test_one_channel_takes_everything() -> None:
    assert Routes(("default",), {}, SEGMENTS).split("default", (MOBILE, UNICOM)) == {"default": (MOBILE, UNICOM)}


def test_an_unknown_channel_is_an_error() -> None:
    with pytest.raises(AntispamError, match="channel 'moon' is not one"):
        ROUTES.split("moon", (MOBILE,))


@given(st.lists(st.from_regex(r"1[0-9]{10}", fullmatch=True), unique=True))
def test_nobody_is_lost_or_doubled_and_order_is_kept(numbers: list[str]) -> None:
    parts = ROUTES.split("default", tuple(numbers))
    assert sorted(n for part in parts.values() for n in part) == sorted(numbers)
    for part in parts.values():
        assert list(part) == [n for n in numbers if n in set(part)]


def test_settings_name_channels_and_moved_numbers(tmp_path: Path) -> None:
    channels, ported = tmp_path / "channels.yaml", tmp_path / "ported.csv"
    channels.write_text("unicom: {carrier: China Unicom, host: 127.0.0.1, port: 7890, account: '900001'}")
    ported.write_text(f"number,carrier\n{MOBILE},China Unicom\n")
    settings = Settings(channels=("default", "unicom"), channels_file=channels, portability=ported)
    assert load_routes(settings).split("default", (MOBILE, TELECOM)) == {"unicom": (MOBILE,), "default": (TELECOM,)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("moon: {}", "'moon' is not one of ANTISPAM_CHANNELS"),
        ("a: {host: h, port: 1}", "channel a: .*account"),
        ("a: {host: h, port: 70000, account: x}", r"channel a: .*65535.*port"),
        ("a: {host: h, port: 1, account: x, password: y}", "unknown field `password`"),
        ("a: {host: h, port: 1, account: x, carrier: C}\nb: {host: h, port: 1, account: x, carrier: C}", "both a"),
        ("[", "expected"),
        ("7", "a mapping of channels"),
    ],
)
def test_a_bad_channels_file_says_what_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(AntispamError, match=fault):
        parse_channels(text, "channels.yaml", ("a", "b"))


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = parse_channels("a-b: {host: h, port: 1, account: x}", "c", ("a-b",))["a-b"]
    monkeypatch.delenv("ANTISPAM_CHANNEL_A_B_SECRET", raising=False)
    with pytest.raises(AntispamError, match="ANTISPAM_CHANNEL_A_B_SECRET is not set"):
        _ = channel.secret
    monkeypatch.setenv("ANTISPAM_CHANNEL_A_B_SECRET", "s")
    assert channel.secret == b"s"
