"""Addresses and sources are refused at start, with what is wrong and never the secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.file_exchange import BlacklistTarget, RecordSource, address
from pipeline.settings import Settings


def test_address_is_taken_apart() -> None:
    found = address("sftp://reader@smsc.example/out/a%20b/*.csv.gz")
    assert (found.host, found.port, found.user) == ("smsc.example", 22, "reader")
    assert (found.folder, found.pattern) == ("/out/a b", "*.csv.gz")


@pytest.mark.parametrize(
    "url",
    [
        "http://u@h/a",
        "ftp://h/a",
        "ftp://u:geheim@h/a",
        "ftp://u@h",
        "ftp://u@h/out/",
        "ftp://u@h/a?b",
        "file://h/a",
        "file:a",
        "ftp://u@h/a%0d%0aDELE%20b",
        "ftp://u@h:99999/a",
    ],
)
def test_bad_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        address(url)
    assert "geheim" not in str(caught.value)


def test_names_of_sources_differ() -> None:
    sources = [{"name": name, "url": "file:///a/*"} for name in ("a-b", "A_B")]
    with pytest.raises(ValidationError, match="name of its own"):
        Settings.model_validate({"record_sources": sources})


def test_names_differ_among_all_kinds_of_sources() -> None:
    place = {"name": "acme", "url": "file:///a/*"}
    boss = {"party": "boss", "orders": {"name": "in", "url": "file:///b/*"}, "answers": place}
    kinds = {"record_sources": [place], "submission_sources": [place | {"port": "10690001"}], "order_exchanges": [boss]}
    for left_out in kinds:
        with pytest.raises(ValidationError, match="name of its own"):
            Settings.model_validate({kind: sources for kind, sources in kinds.items() if kind != left_out})


@pytest.mark.parametrize(
    "fault",
    [{"port": "x"}, {"after": "keep"}, {"rejected_to": "a/b"}, {"moved_to": ".."}, {"columns": {"id": "ID"}}],
)
def test_bad_folder_of_an_enterprise_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(
            {"submission_sources": [{"name": "a", "port": "10690001", "url": "file:///a/*", **fault}]}
        )


@pytest.mark.parametrize(
    "fault",
    [{"columns": {"nobody": "x"}}, {"time_format": "%H"}, {"moved_to": "../x"}, {"unknown": 1}, {"name": "a/b"}],
)
def test_bad_source_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"record_sources": [{"name": "a", "url": "file:///a/*", **fault}]})


def test_black_list_is_one_file() -> None:
    with pytest.raises(ValidationError, match="one file name"):
        BlacklistTarget(name="a", url="file:///a/*.csv")


def test_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_SOURCE_SMSC_1_SECRET", "geheim")
    source = RecordSource(name="smsc-1", url="file:///a/*")
    assert source.secret == "geheim"
    assert "geheim" not in repr(source)
