"""What the projector of cases knows of campaigns, so that a port's texts of one campaign wait in one case.

It follows the topic `campaigns` in the thread that projects the members: a member is placed by the campaigns that are
known, and when another becomes known, the cases that are already open are merged before the next member is placed.
The known campaigns take up to 60 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time

import structlog

from pipeline.actions.review.merging import merge_campaigns
from pipeline.durations import MINUTE_MS
from pipeline.events import Campaign
from pipeline.settings import Settings
from pipeline.store.migrate import open_database
from pipeline.stream.campaign_stage import CampaignFollower

_CLOCKS_APART_MS = MINUTE_MS  # a case may open so long before its campaign began, by the clock of another machine
_log = structlog.get_logger()


class CampaignCases:
    """Merges the open cases of a campaign when it becomes known to this process."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time) -> None:
        """Reads the topic `campaigns` to its end. Raises AntispamError when broker or database do not answer."""
        self._db = open_database(settings)
        self._clock = clock
        self._since: int | None = None  # when the first campaign began that cases have not been compared with
        self._follower = CampaignFollower(settings, "projector", self._learned)
        self._follower.catch_up()
        self.known = self._follower.known

    def step(self) -> None:
        """Take in what became known, and merge. Raises AntispamError when the database refuses."""
        self._follower.poll()
        if self._since is None:
            return
        now = int(self._clock() * 1000)
        merged = merge_campaigns(self._db, now, self.known, self._since - _CLOCKS_APART_MS)
        self._since = None
        if merged:
            _log.info("cases_merged", cases=merged)

    def close(self) -> None:
        """Close both connections."""
        self._follower.close()
        self._db.close()

    def _learned(self, campaign: Campaign) -> None:
        self._since = min(campaign.first_seen, campaign.first_seen if self._since is None else self._since)
