"""How many complaints of a month warn the owner of a port, suspend it, or terminate it (DESIGN §9)."""

from __future__ import annotations

from typing import Literal

WARN = 10  # its owner is told above this number of complaints a month, before the port is suspended; our own choice
SUSPEND = 15
TERMINATE = 50


def action_for(month: int, since_resumed: int) -> Literal["warn", "suspend", "terminate"] | None:
    """What happens to a port: it is terminated for all complaints of a month, suspended for those since it was resumed.

    `month` and `since_resumed` are numbers of complaints; the second are those of the month, too.
    """
    if month > TERMINATE:
        return "terminate"
    if since_resumed > SUSPEND:
        return "suspend"
    return "warn" if since_resumed > WARN else None
