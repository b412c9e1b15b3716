"""Carrier channels: one account at a carrier's gateway each, as `channels.yaml` describes them.

```yaml
default:                    # one of ANTISPAM_CHANNELS
  carrier: China Mobile     # whose numbers it serves (number segments); left out: those no other channel serves
  host: 127.0.0.1
  port: 7890
  account: "900001"         # SP id; its password is in ANTISPAM_CHANNEL_DEFAULT_SECRET, never here
  links: 2                  # connections at once
  window: 16                # unanswered SUBMITs a link
  rate: 50                  # parts a second and link
  source_prefix: ""         # put before the port in the number the recipient sees
  service: ""               # Service_Id the carrier gave
  answer_wait: 60           # seconds until a SUBMIT counts as unanswered
  tries: 3                  # SUBMITs of one part, the first included
  link_test: 180            # seconds of silence before a link is tested
```

Defaults are those of the CMPP specification (window, wait, tries, test) and DESIGN's 50 parts/s.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.text.yaml_text import load

DEFAULT = "default"
_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One channel; see the module. Times are seconds, `rate` is parts a second and link."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=6)]
    name: str = ""
    kind: Literal["cmpp3"] = "cmpp3"
    carrier: str | None = None
    links: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    window: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    rate: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    source_prefix: Annotated[str, msgspec.Meta(pattern="^[0-9]*$", max_length=18)] = ""
    service: Annotated[str, msgspec.Meta(max_length=10)] = ""
    answer_wait: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    tries: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    link_test: Annotated[float, msgspec.Meta(gt=0)] = 180.0

    @property
    def secret(self) -> bytes:
        """The account's password, from the environment only. Raises AntispamError when it is not set."""
        variable = f"ANTISPAM_CHANNEL_{self.name.upper().replace('-', '_')}_SECRET"
        value = os.environ.get(variable, "")
        if not value:
            raise AntispamError(f"channel {self.name}: {variable} is not set")
        return value.encode()


def load_channels(settings: Settings) -> dict[str, Channel]:
    """The channels of `settings.channels_file` by name; none without a file. Raises AntispamError."""
    path = settings.channels_file
    return {} if path is None else parse_channels(_read(path), str(path), settings.channels)


def parse_channels(text: str, source: str, known: tuple[str, ...]) -> dict[str, Channel]:
    """Channels from YAML; their names are among `known`. Raises AntispamError saying where and what."""
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
        except msgspec.ValidationError as error:
            raise AntispamError(f"{source}: channel {name}: {error}") from None
        if channel.carrier and served.setdefault(channel.carrier, name) != name:
            raise AntispamError(f"{source}: {channel.carrier} is served by both {served[channel.carrier]} and {name}")
        channels[name] = channel
    return channels


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AntispamError(f"{path}: {error}") from None
