"""Whether a port may send now: asked when a submission is screened, before a case is released, and before a SUBMIT."""

from __future__ import annotations

from pipeline.events import PortState
from pipeline.rules.built_in import BuiltInRule

_FORBIDS = {
    None: BuiltInRule.PORT_UNKNOWN,
    PortState.SUSPENDED: BuiltInRule.PORT_SUSPENDED,
    PortState.TERMINATED: BuiltInRule.PORT_TERMINATED,
}


def may_send(state: PortState | None, *, black_listed: bool = False) -> BuiltInRule | None:
    """The rule that forbids a port of this state to send; None when it may. A `state` of None: not registered.

    The state comes first: a suspended port on the black list is `port-suspended`. Only screening knows the black
    list. What it let through is sent even if the sender is listed later, unless its port is suspended too.
    """
    if state is PortState.OPEN:
        return BuiltInRule.BLACK_LISTED if black_listed else None
    return _FORBIDS[state]
