"""The consequences of a decision: the records that carry it out.

All returned records are written in the transaction of the decision, so a release without its outbound record, or a
case without its decision, cannot exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline import topics
from pipeline.actions.alerts.recurring import recurring_alert
from pipeline.actions.release import by_channel
from pipeline.actions.routes import Routes
from pipeline.decision.screening import Screened
from pipeline.events import (
    AlertAbout,
    CaseMember,
    Decision,
    Event,
    Hold,
    ListAction,
    Outbound,
    PortAction,
    Reason,
    Record,
    Submission,
    Verdict,
)
from pipeline.lake.privacy import mask_text

SAMPLE = 200  # characters of a text that another network may see


def consequences(
    event: Submission | Record,
    screened: Screened,
    routes: Routes,
    pseudonym: Callable[[str], str],
    release_secret: bytes,
) -> Iterator[tuple[str, str, Event]]:
    """(topic, key, record) for each consequence of a decision.

    `pseudonym` turns a number into its keyed hash, because alerts leave the pipeline and numbers must not. A release
    gives one outbound record for each channel, signed with `release_secret`. Raises AntispamError if the deployment
    does not have the port's channel.
    """
    decision = screened.decision
    if isinstance(event, Submission):
        yield from _submission(event, screened, routes, release_secret)
        subject, about = decision.port, AlertAbout.PORT
    else:
        if decision.verdict is Verdict.BLACKLIST and screened.port is not None:
            yield _of_port("suspend", decision, decision.reasons[0])
        elif decision.verdict is Verdict.BLACKLIST:
            yield (
                topics.LIST_ACTIONS.name,
                event.sender,
                ListAction(
                    list="black",
                    entity="sender",
                    value=event.sender,
                    rule=decision.reasons[0].rule,
                    evidence=decision.id,
                    at=decision.decided_at,
                    reason=decision.reasons[0].message,
                    values=decision.reasons[0].values,
                    sample=mask_text(event.content[:SAMPLE]),
                ),
            )
        subject = decision.port or pseudonym(event.sender)
        about = AlertAbout.PORT if decision.port else AlertAbout.SENDER
    for alert in screened.alerts:
        at = decision.accepted_at
        told = recurring_alert(alert.level, alert.rule, subject, alert.message, alert.values, at, about, alert.part)
        yield topics.ALERTS.name, subject, told


def _submission(
    event: Submission, screened: Screened, routes: Routes, release_secret: bytes
) -> Iterator[tuple[str, str, Event]]:
    decision, port = screened.decision, screened.port
    recipients = event.recipients
    if decision.exceptions:
        excepted = {exception.recipient for exception in decision.exceptions}
        recipients = tuple(r for r in recipients if r not in excepted)
    channel = port.channel if port else ""
    if decision.verdict is Verdict.RELEASE:
        release = Outbound(submission=event, recipients=recipients, round=event.round, decided_at=decision.decided_at)
        yield from by_channel(release, decision.port, channel, routes, release_secret)
    elif decision.verdict is Verdict.HOLD:
        hold = Hold(submission=event, rule=decision.reasons[0].rule, due_at=decision.hold_until, epoch=decision.epoch)
        yield topics.HOLDS.name, event.id, hold
    elif decision.verdict is Verdict.REVIEW:
        routes.check(channel)
        member = CaseMember(
            submission=event,
            port=decision.port,
            fingerprint=decision.fingerprint,
            rule=decision.reasons[0].rule,
            decided_at=decision.decided_at,
            score=decision.score,
            category=decision.category,
            channel=channel,
            recipients=recipients if decision.exceptions else None,
            campaign=decision.campaign,
        )
        yield topics.CASES.name, event.id, member
    elif decision.verdict is Verdict.BLACKLIST:
        yield _of_port("suspend", decision, decision.reasons[0])
        return
    for reason in screened.warned if port else ():
        yield _of_port("warn", decision, reason)


def _of_port(deed: str, decision: Decision, reason: Reason) -> tuple[str, str, Event]:
    """A suspension or a warning, with its evidence. A port is never put on the black list."""
    action = PortAction(
        port=decision.port,
        action=deed,
        rule=reason.rule,
        evidence=decision.id,
        at=decision.decided_at,
        reason=reason.message,
        values=reason.values,
    )
    return topics.PORT_ACTIONS.name, decision.port, action
