"""May this port send now: every state, with and without an entry of the black list."""

from __future__ import annotations

import pytest

from pipeline.decision.standing import may_send
from pipeline.events import PortState
from pipeline.rules.built_in import BuiltInRule

CASES = [
    # state, on the black list, the rule that forbids it
    (PortState.OPEN, False, None),
    (PortState.OPEN, True, BuiltInRule.BLACK_LISTED),
    (PortState.SUSPENDED, False, BuiltInRule.PORT_SUSPENDED),
    (PortState.SUSPENDED, True, BuiltInRule.PORT_SUSPENDED),
    (PortState.TERMINATED, False, BuiltInRule.PORT_TERMINATED),
    (PortState.TERMINATED, True, BuiltInRule.PORT_TERMINATED),
    (None, False, BuiltInRule.PORT_UNKNOWN),
    (None, True, BuiltInRule.PORT_UNKNOWN),
]


@pytest.mark.parametrize(("state", "black_listed", "rule"), CASES)
def test_a_port_may_send_unless_its_state_or_the_black_list_forbids_it(
    state: PortState | None, black_listed: bool, rule: BuiltInRule | None
) -> None:
    assert may_send(state, black_listed=black_listed) is rule


def test_the_table_has_every_state() -> None:
    assert {state for state, _, _ in CASES} == {None, *PortState}
