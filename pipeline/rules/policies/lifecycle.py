"""The life of a version of the policy: its states, the deeds of people that change them, and the second person.

A version is written as a draft, checked, tried in shadow and on a share of the traffic, put in force, and archived when
another takes its place. A version that was never in force is withdrawn instead. Versions of the dictionary, the
calendar, the brands, of each list file and of the templates of each port have the same life without a trial: nothing
evaluates two of them beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pipeline.errors import AntispamError


class LivingKind(StrEnum):
    """The kinds of configuration whose versions have this life."""

    POLICY = "policy"
    DICTIONARY = "dictionary"
    CALENDAR = "calendar"
    BRANDS = "brands"
    LIST = "list"  # of each list file
    TEMPLATES = "templates"  # of each port


class State(StrEnum):
    """The state of a version. In shadow and on a share, workers evaluate it beside the one in force."""

    DRAFT = "draft"
    CHECKED = "checked"
    SHADOW = "shadow"
    SHARE = "share"
    IN_FORCE = "in_force"
    ARCHIVED = "archived"
    WITHDRAWN = "withdrawn"


class Deed(StrEnum):
    """What changes the state of a version."""

    DRAFT = "draft"
    SUBMIT = "submit"
    SHADOW = "shadow"
    SHARE = "share"
    APPROVE = "approve"  # put in force
    ROLLBACK = "rollback"  # put in force again
    PUBLISH = "publish"  # put in force from a shell, by one person
    REPLACE = "replace"  # another version is put in force, or none
    WITHDRAW = "withdraw"


class Approval(StrEnum):
    """Who puts a version in force or lets it decide a share of the traffic."""

    ONE = "one"  # anyone with the right, the author too
    TWO = "two"  # another person than the author; `publish` from a shell is allowed
    STRICT = "strict"  # another person than the author; `publish` is refused


TRIAL = (State.SHADOW, State.SHARE)
NEW = None  # the state of a text that was never seen
# A missing pair is refused.
TRANSITIONS: Mapping[tuple[State | None, Deed], State] = {
    (NEW, Deed.DRAFT): State.DRAFT,
    (State.WITHDRAWN, Deed.DRAFT): State.DRAFT,
    (State.DRAFT, Deed.SUBMIT): State.CHECKED,
    (State.CHECKED, Deed.SHADOW): State.SHADOW,
    (State.SHARE, Deed.SHADOW): State.SHADOW,
    (State.CHECKED, Deed.SHARE): State.SHARE,
    (State.SHADOW, Deed.SHARE): State.SHARE,
    (State.SHARE, Deed.SHARE): State.SHARE,
    (State.CHECKED, Deed.APPROVE): State.IN_FORCE,
    (State.SHADOW, Deed.APPROVE): State.IN_FORCE,
    (State.SHARE, Deed.APPROVE): State.IN_FORCE,
    (State.ARCHIVED, Deed.ROLLBACK): State.IN_FORCE,
    (State.IN_FORCE, Deed.REPLACE): State.ARCHIVED,
    (State.DRAFT, Deed.WITHDRAW): State.WITHDRAWN,
    (State.CHECKED, Deed.WITHDRAW): State.WITHDRAWN,
    (State.SHADOW, Deed.WITHDRAW): State.WITHDRAWN,
    (State.SHARE, Deed.WITHDRAW): State.WITHDRAWN,
} | {(state, Deed.PUBLISH): State.IN_FORCE for state in (NEW, *State) if state is not State.IN_FORCE}


def deeds(state: State | None) -> list[Deed]:
    """The deeds that are possible in this state."""
    return [deed for deed in Deed if (state, deed) in TRANSITIONS]


def after(state: State | None, deed: Deed) -> State:
    """The state after a deed. Raises AntispamError if the deed is not possible in this state."""
    found = TRANSITIONS.get((state, deed))
    if found is None:
        raise AntispamError(
            "a version that is {state}: {deed} is not possible; {possible} expected",
            state=state or "new",
            deed=deed,
            possible=", ".join(sorted({before or "new" for before, done in TRANSITIONS if done is deed})),
        )
    return found


def may_approve(approval: Approval, author: str, approver: str) -> bool:
    """Whether this person may let the author's version decide traffic."""
    return approval is Approval.ONE or approver != author
