"""Channels to the carriers, as the parts of a time say: what became of them, how fast, by segment, by province; errors.

Every figure is limited to the user's scope and counts parts whose state changed in the time. Times are epoch ms.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from pipeline.actions.senders.part import DeliveryState
from pipeline.rules.numbering.regions import region_of
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require, sender_in_scope
from pipeline.store.database import Database

SEGMENT = 3  # digits of a number that name its segment
CODE = 7  # digits of a number that name its region
CODES = 3  # most frequent failures told of a group
ERRORS = 20  # kinds of errors shown
SAMPLE = 2_000  # newest reports of a channel from which the times are taken
_rows = schema.deliveries
_ANSWERED = (DeliveryState.SUBMITTED, DeliveryState.DELIVERED, DeliveryState.FAILED)
_UNSENT = (DeliveryState.EXPIRED, DeliveryState.STOPPED)
_BAD = (DeliveryState.FAILED, DeliveryState.REFUSED)
_REST = "0000"  # after the code, a number of the region
_DOUBT = (DeliveryState.SUBMITTING, DeliveryState.MAYBE_SENT)


@dataclass(frozen=True)
class Funnel:
    """Parts by how far they came: `total` were begun, `accepted` of them by the carrier, `reported` of those."""

    total: int
    accepted: int
    reported: int
    delivered: int
    refused: int
    unsent: int  # expired or stopped before their SUBMIT
    doubtful: int  # under way, or without an answer

    @property
    def success(self) -> float | None:
        """The share of reported parts that were delivered; None without reports."""
        return self.delivered / self.reported if self.reported else None

    @property
    def reports(self) -> float | None:
        """The share of accepted parts with a final report; None if none was accepted."""
        return self.reported / self.accepted if self.accepted else None


@dataclass(frozen=True)
class Group:
    """The parts to the numbers of one segment or region, and what was said most often of those that failed."""

    funnel: Funnel
    failures: tuple[tuple[str, int], ...]  # the carrier's code, and parts


@dataclass(frozen=True)
class ChannelFigures:
    """One channel. `again`: SUBMITs beyond the first of a part. Times are ms from the first SUBMIT to the report."""

    name: str
    funnel: Funnel
    again: int
    report_p50_ms: float | None
    report_p95_ms: float | None
    segments: dict[str, Group]  # by the first digits of the recipient
    regions: dict[str | None, Group]  # by the recipient's province; None: numbers without one


@dataclass(frozen=True)
class CarrierError:
    """How often a carrier has said this of parts, and when last."""

    channel: str
    state: DeliveryState
    status: str
    parts: int
    last_at: int


def figures(db: Database, user: User, since: int) -> tuple[list[ChannelFigures], list[CarrierError]]:
    """The channels by name, and the errors, the most frequent first. Raises Forbidden."""
    require(user, Right.SEE_TRAFFIC)
    mine = and_(_rows.c.changed_at > since, sender_in_scope(user, _rows.c.port))
    with db.read() as connection:
        code = func.substr(_rows.c.recipient, 1, CODE)
        again = case((_rows.c.tries > 1, _rows.c.tries - 1), else_=0)
        said = case((_rows.c.state.in_(_BAD), _rows.c.status), else_="")
        kinds = (_rows.c.channel, code.label("code"), _rows.c.state, said.label("said"))
        query = select(*kinds, func.count().label("parts"), func.sum(again).label("again"))
        segments: dict[str, dict[str, _Counts]] = {}
        regions: dict[str, dict[str | None, _Counts]] = {}
        repeated: Counter[str] = Counter()
        for row in connection.execute(query.where(mine).group_by(*kinds)):
            region = region_of(row.code + _REST)
            for counts in (
                segments.setdefault(row.channel, {}).setdefault(row.code[:SEGMENT], _Counts()),
                regions.setdefault(row.channel, {}).setdefault(region, _Counts()),
            ):
                counts.states[row.state] += row.parts
                if row.state in _BAD:
                    counts.said[row.said] += row.parts
            repeated[row.channel] += int(row.again)
        channels = []
        for name, of_segments in sorted(segments.items()):
            half, most = _times(connection, name, mine)
            channels.append(
                ChannelFigures(
                    name,
                    _funnel(sum((counts.states for counts in of_segments.values()), Counter())),
                    repeated[name],
                    half,
                    most,
                    {digits: _group(counts) for digits, counts in sorted(of_segments.items())},
                    {region: _group(counts) for region, counts in sorted(regions[name].items(), key=_most_first)},
                )
            )
        return channels, _errors(connection, mine)


@dataclass
class _Counts:
    """Parts by state, and those that failed by what was said of them."""

    states: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)


def _most_first(item: tuple[str | None, _Counts]) -> tuple[int, str]:
    region, counts = item
    return -counts.states.total(), region or ""


def _group(counts: _Counts) -> Group:
    said = sorted(counts.said.items(), key=lambda item: (-item[1], item[0]))
    return Group(_funnel(counts.states), tuple(said[:CODES]))


def _funnel(states: Counter[str]) -> Funnel:
    delivered, failed = states[DeliveryState.DELIVERED], states[DeliveryState.FAILED]
    return Funnel(
        total=states.total(),
        accepted=sum(states[state] for state in _ANSWERED),
        reported=delivered + failed,
        delivered=delivered,
        refused=states[DeliveryState.REFUSED],
        unsent=sum(states[state] for state in _UNSENT),
        doubtful=sum(states[state] for state in _DOUBT),
    )


def _times(connection: Connection, channel: str, mine: ColumnElement[bool]) -> tuple[float | None, float | None]:
    """Median and 95th percentile of the time to the report, of the newest reports."""
    reported = _rows.c.state.in_((DeliveryState.DELIVERED, DeliveryState.FAILED))
    query = select(_rows.c.changed_at - _rows.c.submitted_at)
    query = query.where(mine, reported, _rows.c.channel == channel, _rows.c.submitted_at.is_not(None))
    times = sorted(connection.scalars(query.order_by(_rows.c.changed_at.desc()).limit(SAMPLE)))
    if not times:
        return None, None
    return float(times[len(times) // 2]), float(times[min(len(times) - 1, len(times) * 95 // 100)])


def _errors(connection: Connection, mine: ColumnElement[bool]) -> list[CarrierError]:
    bad = _rows.c.state.in_(_BAD)
    parts = func.count()
    query = select(_rows.c.channel, _rows.c.state, _rows.c.status, parts, func.max(_rows.c.changed_at))
    rows = connection.execute(
        query.where(mine, bad)
        .group_by(_rows.c.channel, _rows.c.state, _rows.c.status)
        .order_by(parts.desc(), _rows.c.channel, _rows.c.status)
        .limit(ERRORS)
    )
    return [CarrierError(channel, DeliveryState(state), status, n, at) for channel, state, status, n, at in rows]
