"""Reports of finished backtests, for the console."""

from __future__ import annotations

from pipeline.lake.backtest import reports
from pipeline.lake.backtest.reports import Report
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Forbidden, Right, User, require


def finished(settings: Settings, user: User) -> list[Report]:
    """All reports, the newest first.

    Raises Forbidden without the right to search, and for a user with a scope: a report counts over all ports.
    """
    require(user, Right.SEARCH)
    if user.scope:
        raise Forbidden("backtests concern all ports; your scope does not allow this")
    return reports.all_reports(settings)
