"""The file of accounts is read whole or refused with the account and the fault."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from pipeline.errors import AntispamError
from pipeline.ingest.links.account_file import AccountFile, load_accounts, parse_accounts

SECRETS = {"ANTISPAM_LINK_900001_SECRET": "one", "ANTISPAM_LINK_A_B_SECRET": "two"}
ENTRY = '{port: "10690001", addresses: [10.1.0.0/16]}'


def test_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "accounts.yaml"
    file.write_text('"900001": {port: "10690001", addresses: [10.1.0.0/16, "::1"], links: 2, rate: 50, window: 32}')
    monkeypatch.setenv("ANTISPAM_LINK_900001_SECRET", "one")
    account = load_accounts(file)["900001"]
    assert (account.port, account.secret, account.links, account.rate, account.window) == (
        "10690001",
        b"one",
        2,
        50,
        32,
    )
    assert account.addresses == (ip_network("10.1.0.0/16"), ip_network("::1/128"))
    assert parse_accounts(f'"900001": {ENTRY}', "a.yaml", SECRETS)["900001"].window == 16


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[]", "a mapping of accounts"),
        (f"900001: {ENTRY}", "a name in quotes"),
        (f'"900 001": {ENTRY}', "a name in quotes"),
        (f'"900002": {ENTRY}', "ANTISPAM_LINK_900002_SECRET is not set"),
        (f"a-b: {ENTRY}\na_b: {ENTRY}", "would share ANTISPAM_LINK_A_B_SECRET"),
        ('"900001": {port: "10690001", addresses: [10.1.0.1/16]}', "account 900001: .*host bits"),
        ('"900001": {port: "10690001", addresses: []}', "account 900001: "),
        ('"900001": {port: "8610690001", addresses: ["::/0"]}', "port: 3 to 21 digits"),
        ('"900001": {port: "10690001", addresses: ["::/0"], password: x}', "unknown field"),
    ],
)
def test_faults_are_named(text: str, cause: str) -> None:
    with pytest.raises(AntispamError, match=cause) as refused:
        parse_accounts(text, "a.yaml", SECRETS)
    assert str(refused.value).startswith("a.yaml: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AntispamError, match="No such file"):
        load_accounts(tmp_path / "accounts.yaml")


def test_a_file_that_was_written_is_read_again_and_a_faulty_one_is_refused_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTISPAM_LINK_900001_SECRET", "one")
    path = tmp_path / "accounts.yaml"
    path.write_text(f'"900001": {ENTRY}')
    file = AccountFile(path)
    assert file.changed() is None
    path.write_text('"900001": {port: "10690001", addresses: [10.2.0.0/16], links: 3}')
    changed = file.changed()
    assert changed is not None
    assert changed["900001"].links == 3
    path.write_text('"900001": {port: "10690001"}')
    with pytest.raises(AntispamError, match="addresses"):
        file.changed()
    assert file.changed() is None
    assert file.accounts["900001"].links == 3
