"""What columns are called, and which of them filter."""

from __future__ import annotations

from dataclasses import fields

from dashboards.language import N_
from pipeline.actions.explore.filters import Filters

NAMES = {
    "port": N_("Port"),
    "enterprise": N_("Enterprise"),
    "kind": N_("Kind"),
    "category": N_("Category"),
    "rule": N_("Deciding rule"),
    "campaign": N_("Campaign"),
    "policy": N_("Version of the policy"),
    "content": N_("Content"),
    "sender": N_("Sender"),
    "link": N_("Link"),
    "number": N_("Number"),
    "carrier": N_("Carrier of the recipient"),
    "region": N_("Region of the recipient"),
}
FILTERED = tuple(name for name in NAMES if name in {field.name for field in fields(Filters)})
LONGEST = 256  # characters of a filter
