"""Whether a port may send now: checked at screening, before the release of a case, and before a SUBMIT."""

from __future__ import annotations

from pipeline.events import PortState
from pipeline.rules.built_in import BuiltInRule

_FORBIDS = {
    None: BuiltInRule.PORT_UNKNOWN,
    PortState.SUSPENDED: BuiltInRule.PORT_SUSPENDED,
    PortState.TERMINATED: BuiltInRule.PORT_TERMINATED,
}


def may_send(state: PortState | None, *, black_listed: bool = False) -> BuiltInRule | None:
    """The rule that forbids sending to a port in this state, or None if it may send. `state` is None if unregistered.

    The state comes first: a suspended port on the black list is `port-suspended`. Only screening reads the black
    list. A message that passed screening is sent even if its sender is listed later, unless the port is suspended too.
    """
    if state is PortState.OPEN:
        return BuiltInRule.BLACK_LISTED if black_listed else None
    return _FORBIDS[state]
