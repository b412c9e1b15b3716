"""Episodes: the incidents in a day of traffic. Each is a short run of samples with one story.

An episode always has the same number of samples and occurs once in every stretch of traffic. So a demo of a few
thousand samples contains every episode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pipeline.durations import MINUTE_MS
from pipeline.sample import conduct, content, standing
from pipeline.sample.campaigns import CAMPAIGNS
from pipeline.sample.drafts import Draft, Stage
from pipeline.sample.enterprises import BLACK_PORT, SHUT
from pipeline.sample.lists import ALLOWED_SENDER, BLACK_SENDERS, EXPIRED_SENDERS
from pipeline.sample.truth import BLACKLIST, HOLD, REJECT, RELEASE


@dataclass(frozen=True, slots=True)
class Episode:
    """A story of `count` samples within at most `span` milliseconds."""

    story: str
    count: int
    span: int
    make: Callable[[int, Stage], list[Draft]]


_UNKNOWN = ("1069870011", "106599990002", "10659988")  # codes that are not registered
_SIZES = {"fraud": 20, "phishing": 16, "gambling": 24, "fake-invoice": 24, "weapons": 6, "drugs": 6}


def _campaigns() -> list[Episode]:
    told = []
    for c in CAMPAIGNS:
        told.append(Episode(c.name, _SIZES.get(c.name, 12), 5 * MINUTE_MS, partial(content.campaign, c)))
        by_person = partial(content.campaign_by_person, c)
        told.append(Episode(f"{c.name}-by-person", 10, 5 * MINUTE_MS, by_person))
    return told


def _named(make: Callable[..., list[Draft]], story: str, count: int, span: int, *how: object) -> Episode:
    return Episode(story, count, span, partial(make, story, *how))


def _content() -> list[Episode]:
    return [
        Episode("probing", 9, 2 * MINUTE_MS, content.probing),
        _named(content.signature, "signature-missing", 4, MINUTE_MS),
        _named(content.signature, "signature-foreign", 4, MINUTE_MS),
        Episode("no-unsubscribe", 5, MINUTE_MS, content.no_unsubscribe),
        Episode("unasked", 12, 5 * MINUTE_MS, content.unasked),
        Episode("complaint", 24, 5 * MINUTE_MS, content.complaints),
    ]


def _conduct() -> list[Episode]:
    return [
        Episode("burst-alert", 30, 3 * MINUTE_MS, conduct.burst_alert),
        Episode("burst-listed", 70, 4 * MINUTE_MS, conduct.burst_listed),
        Episode("sequence", 40, 4 * MINUTE_MS, conduct.sequence),
        Episode("greetings", 15, 3 * MINUTE_MS, conduct.greetings),
        Episode("over-volume", 150, 3 * MINUTE_MS, conduct.over_volume),
        Episode("one-by-one", 60, 8_000, conduct.one_by_one),  # within the grace of 10 s
        Episode("declared-batch", 5, MINUTE_MS, conduct.declared_batch),
        Episode("bulk", 3, MINUTE_MS, conduct.bulk),
        Episode("bulk-allowed", 4, MINUTE_MS, conduct.bulk_allowed),
        Episode("bombing", 40, 2 * MINUTE_MS, conduct.bombing),
    ]


def _standing() -> list[Episode]:
    port, number = standing.from_port, standing.by_number
    return [
        _named(port, "unknown-port", 6, MINUTE_MS, _UNKNOWN, HOLD),
        _named(port, "shut-port", 6, MINUTE_MS, SHUT, REJECT),
        _named(port, "black-port", 3, MINUTE_MS, (BLACK_PORT,), REJECT),
        _named(number, "black-sender", 8, MINUTE_MS, BLACK_SENDERS, (REJECT, BLACKLIST)),
        _named(number, "expired-entry", 2, MINUTE_MS, EXPIRED_SENDERS, (RELEASE,)),
        _named(number, "allowed-sender", 60, 4 * MINUTE_MS, (ALLOWED_SENDER,), (RELEASE,)),
        Episode("unsubscribed", 6, MINUTE_MS, standing.unsubscribed),
        Episode("unsubscribed-notice", 4, MINUTE_MS, standing.unsubscribed_notice),
        Episode("blocked", 4, MINUTE_MS, standing.blocked),
    ]


EPISODES: tuple[Episode, ...] = (*_campaigns(), *_content(), *_conduct(), *_standing())
SIZE = sum(episode.count for episode in EPISODES)  # samples of all episodes together
