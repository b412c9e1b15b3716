"""The accounts of ports, described in `accounts.yaml`.

```yaml
"900001":                     # the name with which the port logs in; its secret is in ANTISPAM_LINK_900001_SECRET
  port: "10690001"            # the registered port it sends for, with its extensions
  addresses: [10.1.0.0/16]    # where it may connect from
  links: 2                    # simultaneous connections
  rate: 100                   # parts a second over all links
  window: 16                  # unanswered submissions per link
  sgip_deliver: 10.1.0.5:8801 # where its SGIP takes reports and replies; without it, it gets none over SGIP
  smpp_ascii: false           # true: SMPP's data_coding 0 is ASCII, as some clients send it; else the GSM alphabet
```

An account may use every protocol. The file is read again when it was written; secrets are those of the process. In the
name of the variable, letters are upper case and `-` is `_`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import msgspec

from pipeline.errors import AntispamError
from pipeline.ingest.links.account import Account
from pipeline.text import numbers
from pipeline.text.faults.yaml_text import load

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")  # SMPP's system_id has 15 characters


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: str
    addresses: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    links: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    rate: Annotated[float, msgspec.Meta(gt=0)] = 100.0
    window: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    smpp_ascii: bool = False
    sgip_deliver: Annotated[str, msgspec.Meta(pattern=r"^(.+:[0-9]{1,5})?$")] = ""


class AccountFile:
    """The file as it was read last. `changed` may be called again and again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.accounts = load_accounts(path)
        self._seen = self._state()

    def changed(self) -> dict[str, Account] | None:
        """The accounts, if the file was written since the last call.

        Raises AntispamError for a file that cannot be read, once for each time it was written.
        """
        state = self._state()
        if state == self._seen:
            return None
        self._seen = state
        self.accounts = load_accounts(self._path)
        return self.accounts

    def _state(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def load_accounts(path: Path) -> dict[str, Account]:
    """The accounts of a file by name, with their secrets from the environment. Raises AntispamError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AntispamError(f"{path}: {error}") from None
    return parse_accounts(text, str(path), os.environ)


def parse_accounts(text: str, source: str, environment: Mapping[str, str]) -> dict[str, Account]:
    """As `load_accounts`, from a text. Raises AntispamError naming the account and the fault."""
    raw = load(text, source)
    if not isinstance(raw, dict):
        raise AntispamError(f"{source}: a mapping of accounts expected")
    accounts: dict[str, Account] = {}
    variables: dict[str, str] = {}
    for name, value in raw.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise AntispamError(
                f"{source}: account {name!r}: a name in quotes of up to 15 letters, digits, _ and - expected"
            )
        variable = f"ANTISPAM_LINK_{name.upper().replace('-', '_')}_SECRET"
        if variables.setdefault(variable, name) != name:
            raise AntispamError(f"{source}: accounts {variables[variable]} and {name} would share {variable}")
        try:
            entry = msgspec.convert(value, _Entry)
            addresses = tuple(ip_network(address) for address in entry.addresses)
        except (msgspec.ValidationError, ValueError) as error:
            raise AntispamError(f"{source}: account {name}: {error}") from None
        if int(entry.sgip_deliver.rpartition(":")[2] or 0) > 65_535:
            raise AntispamError(f"{source}: account {name}: sgip_deliver: a port of at most 65535 expected")
        if numbers.service_code(entry.port) != entry.port:
            raise AntispamError(f"{source}: account {name}: port: 3 to 21 digits expected")
        secret = environment.get(variable, "")
        if not secret:
            raise AntispamError(f"{source}: account {name}: {variable} is not set")
        accounts[name] = Account(
            name=name,
            port=entry.port,
            secret=secret.encode(),
            addresses=addresses,
            links=entry.links,
            rate=entry.rate,
            window=entry.window,
            smpp_ascii=entry.smpp_ascii,
            sgip_deliver=entry.sgip_deliver,
        )
    return accounts
