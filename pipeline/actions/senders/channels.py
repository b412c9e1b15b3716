"""Carrier channels: each is an account at a carrier's gateway, described in `channels.yaml`.

```yaml
default:                    # one of ANTISPAM_CHANNELS
  carrier: China Mobile     # serves this carrier's numbers (by segment); default: all numbers without another channel
  host: 127.0.0.1
  port: 7890
  account: "900001"         # SP id; its password is in ANTISPAM_CHANNEL_DEFAULT_SECRET, never in this file
  links: 2                  # simultaneous connections
  window: 16                # unanswered SUBMITs per link
  rate: 50                  # parts a second per link
  total_rate: 0             # parts a second over all links; 0: as many as the links
  source_prefix: ""         # prefix of the port in the sender number that the recipient sees
  recipient_prefix: ""      # what the carrier wants before a mainland number, such as 86; SGIP always has 86
  service: ""               # Service_Id from the carrier
  answer_wait: 60           # seconds until a SUBMIT counts as unanswered
  tries: 3                  # SUBMITs of one part, including the first
  link_test: 180            # seconds without traffic before a link test
  answers: {9: next}        # what the carrier's refusals mean (`answers.py`), before the protocol's own table
  next: [cmcc-bj-2]         # channels of this file that take over, in order; ports that name their channel stay
  down_after: 30            # seconds without a link until they do
  back_after: 60            # seconds with a link until traffic comes back
  report_wait: 0            # seconds until a message without its report is sent over `next` too; 0: never
```

`kind` is the protocol: cmpp3 (the default), cmpp2, smpp, smgp or sgip. SMPP also has `system_type`, `smpp_ascii`
(coding 0 is ASCII, not the GSM alphabet) and `decimal_receipts` (ids are hex in answers, decimal in receipts). SGIP
needs `node`, our number at the carrier, and `listen`, our address for the carrier's own connection.

The defaults of window, wait, tries and test are from the CMPP specification; 50 parts/s is from DESIGN.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pipeline.actions.senders.answers import Meaning, results
from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.text.faults.yaml_text import load

DEFAULT = "default"
_ACCOUNT = {"cmpp2": 6, "cmpp3": 6, "smgp": 8, "sgip": 16, "smpp": 15}  # most characters
_SGIP_PREFIX = "86"
_MAINLAND = re.compile("1[0-9]{10}")
_ADDRESS = re.compile(r"(?:[^:\s]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")
_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel; see the module. Times are seconds, `rate` is parts a second per link."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    account: Annotated[str, msgspec.Meta(min_length=1)]
    name: str = ""
    kind: Literal["cmpp3", "cmpp2", "smpp", "smgp", "sgip"] = "cmpp3"
    carrier: str | None = None
    links: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    window: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    rate: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    total_rate: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    source_prefix: Annotated[str, msgspec.Meta(pattern="^[0-9]*$", max_length=18)] = ""
    recipient_prefix: Annotated[str, msgspec.Meta(pattern="^[0-9]*$", max_length=5)] = ""
    service: Annotated[str, msgspec.Meta(max_length=10)] = ""
    answer_wait: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    tries: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    link_test: Annotated[float, msgspec.Meta(gt=0)] = 180.0
    answers: dict[int | str, Meaning] = msgspec.field(default_factory=dict)
    next: tuple[str, ...] = ()
    down_after: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    back_after: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    report_wait: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    system_type: Annotated[str, msgspec.Meta(max_length=12)] = ""
    smpp_ascii: bool = False
    decimal_receipts: bool = False
    node: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)] = 0
    listen: str = ""

    def __post_init__(self) -> None:
        most = _ACCOUNT[self.kind]
        if len(self.account) > most:
            raise ValueError(f"account: at most {most} characters in {self.kind}")
        if self.kind == "sgip" and not (self.node and self.listen):
            raise ValueError("sgip needs node, our number at the carrier, and listen, our address for its connection")
        if self.listen and (self.kind != "sgip" or not _ADDRESS.fullmatch(self.listen)):
            raise ValueError("listen: HOST:PORT expected, in a channel of kind sgip")
        if self.report_wait and not self.next:
            raise ValueError("report_wait needs next, the channels to send over again")
        for key in self.answers:
            results(str(key))

    @property
    def longest_source(self) -> int:
        """The most digits of a sender number."""
        return 20 if self.kind == "smpp" else 21

    def carriers_form(self, recipient: str) -> str:
        """A recipient as this carrier wants it: mainland numbers with its prefix."""
        prefix = _SGIP_PREFIX if self.kind == "sgip" else self.recipient_prefix
        return prefix + recipient if prefix and _MAINLAND.fullmatch(recipient) else recipient

    @property
    def secret(self) -> bytes:
        """The account's password, from the environment only. Raises AntispamError if it is not set."""
        variable = f"ANTISPAM_CHANNEL_{self.name.upper().replace('-', '_')}_SECRET"
        value = os.environ.get(variable, "")
        if not value:
            raise AntispamError(f"channel {self.name}: {variable} is not set")
        return value.encode()


def load_channels(settings: Settings) -> dict[str, Channel]:
    """The channels of `settings.channels_file` by name; empty without a file. Raises AntispamError."""
    path = settings.channels_file
    return {} if path is None else parse_channels(_read(path), str(path), settings.channels)


def parse_channels(text: str, source: str, known: tuple[str, ...]) -> dict[str, Channel]:
    """Parse channels from YAML. Raises AntispamError with the place of the fault, also for a name outside `known`."""
    raw = load(text, source)
    if not isinstance(raw, dict):
        raise AntispamError(f"{source}: a mapping of channels expected")
    channels = {}
    served: dict[str, str] = {}
    for name, value in raw.items():
        if name not in known or not _NAME.fullmatch(name):
            raise AntispamError(f"{source}: channel {name!r} is not one of ANTISPAM_CHANNELS ({', '.join(known)})")
        try:
            channel = msgspec.structs.replace(msgspec.convert(value, Channel), name=name)
        except (msgspec.ValidationError, AntispamError) as error:
            raise AntispamError(f"{source}: channel {name}: {error}") from None
        if channel.carrier and served.setdefault(channel.carrier, name) != name:
            raise AntispamError(f"{source}: {channel.carrier} is served by both {served[channel.carrier]} and {name}")
        channels[name] = channel
    for channel in channels.values():
        for other in channel.next:
            if other not in channels or other == channel.name:
                raise AntispamError(
                    f"{source}: channel {channel.name}: next: {other!r} is no other channel of this file"
                )
    return channels


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AntispamError(f"{path}: {error}") from None
