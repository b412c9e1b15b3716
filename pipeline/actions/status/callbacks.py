"""Callbacks to a port's owner about refusals: their events.

An owner without a callback address gets none and can read the same facts at `GET /v1/submissions/{id}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.actions.status.submission_status import told_decider


def rejection(row: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a rejected submission, from its row of `submissions`; contains no content and no numbers."""
    return {
        "event": "rejected",
        "port": row["port"],
        "id": row["id"],
        "round": row["round"],
        "reasons": row["reasons"],
        "decided_by": told_decider(row["decided_by"]),
        "decided_at": row["decided_at"],
    }
