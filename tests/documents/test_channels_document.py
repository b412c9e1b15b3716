"""docs/channels.md shows every field of a channel, and its example is read."""

from __future__ import annotations

import re

import msgspec

from pipeline.actions.senders.channels import Channel, parse_channels
from tests.harness.places import ROOT

TEXT = (ROOT / "docs" / "channels.md").read_text()


def test_the_example_is_a_file_of_channels() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    channels = parse_channels(example, "docs/channels.md", ("default", "cmcc-bj-1"))
    assert channels["cmcc-bj-1"].carrier == "China Mobile"


def test_every_field_has_its_row_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", TEXT, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.name for field in msgspec.structs.fields(Channel)} - {"name"}
