"""How many complaints of a month suspend or terminate a port (DESIGN §9)."""

from __future__ import annotations

from typing import Literal

SUSPEND = 15  # suspended above this number of complaints a month
TERMINATE = 50


def action_for(month: int, since_resumed: int) -> Literal["suspend", "terminate"] | None:
    """What happens to a port: it is terminated for all complaints of a month, suspended for those since it was resumed.

    `month` and `since_resumed` are numbers of complaints; the second are those of the month, too.
    """
    if month > TERMINATE:
        return "terminate"
    return "suspend" if since_resumed > SUSPEND else None
