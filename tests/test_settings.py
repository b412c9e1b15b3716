"""Settings: from the environment or a .env file, refused with the name of the one at fault."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.settings import Settings


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of the test."""
    for name in [name for name in os.environ if name.startswith("ANTISPAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_start_on_one_machine_and_listen_on_it_only() -> None:
    settings = Settings()
    assert (settings.kafka, settings.web_host, settings.channels) == (None, "127.0.0.1", ("default",))
    assert settings.retention_days >= 153  # five months of at most 31 days, less two days: what the law asks


def test_every_setting_is_described() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_the_environment_stands_before_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("ANTISPAM_PARTITIONS=3\nANTISPAM_WORKER_ID=from-file\n")
    monkeypatch.setenv("ANTISPAM_PARTITIONS", "5")
    assert (Settings().partitions, Settings().worker_id) == (5, "from-file")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_KAFKA", "")
    monkeypatch.setenv("ANTISPAM_PARTITIONS", "")
    assert (Settings().kafka, Settings().partitions) == (None, 8)


def test_lists_and_maps_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNELS", '["cmcc", "unicom"]')
    monkeypatch.setenv("ANTISPAM_RECORD_COLUMNS", '{"sender": "SRC"}')
    assert Settings().channels == ("cmcc", "unicom")
    assert Settings().record_columns == {"sender": "SRC"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partitions", "0"),
        ("partitions", "many"),
        ("partitions", "513"),
        ("replication", "0"),
        ("worker_id", "a b"),
        ("worker_id", "../x"),
        ("worker_id", "x" * 65),
        ("session_timeout", "5"),
        ("web_port", "0"),
        ("web_port", "70000"),
        ("max_content", "1"),
        ("lake_flush", "0"),
        ("retention_days", "0"),
        ("record_zone", "Mars/Olympus"),
        ("record_zone", "../etc"),
        ("record_time_format", "%H:%M"),
        ("record_time_format", "%Q"),
        ("record_time_format", "yesterday"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ANTISPAM_{name.upper()}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert {error["loc"] for error in caught.value.errors()} == {(name,)}


@pytest.mark.parametrize("form", ["%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S", "%d/%m/%y %I:%M %p"])
def test_a_format_with_the_whole_date_is_taken(form: str) -> None:
    assert Settings(record_time_format=form).record_time_format == form


SECRETS = ("privacy", "release", "audit")


@pytest.mark.parametrize("name", SECRETS)
def test_a_key_is_made_once_and_readable_by_its_owner_only(name: str) -> None:
    first, second = Settings(), Settings()
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: getattr(Settings(), f"{name}_secret"), range(16)))
    assert keys == {getattr(first, f"{name}_secret")} == {getattr(second, f"{name}_secret")}
    assert len(keys.pop()) == 32
    files = list(Path("var").iterdir())
    assert [path.name for path in files] == [f"{name}.key"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_the_environment_is_used_and_never_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ANTISPAM_{name.upper()}_KEY", "hush-hush-hush-hush")
    settings = Settings()
    assert getattr(settings, f"{name}_secret") == b"hush-hush-hush-hush"
    assert "hush" not in f"{settings!r} {settings}"
    assert not Path("var").exists()


def test_a_key_that_can_be_guessed_signs_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_RELEASE_KEY", "hush-hush")
    with pytest.raises(ValidationError, match="at least 16"):
        Settings()


def test_a_complaint_code_needs_a_shape() -> None:
    with pytest.raises(ValidationError, match="10086999: a name in complaint_shapes expected"):
        Settings(_env_file=None, complaint_codes={"10086999": "mobile"})
