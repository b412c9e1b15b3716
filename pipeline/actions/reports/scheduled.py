"""The reports that are due: each is written once, after its period. A missed one is not made up for later."""

from __future__ import annotations

from pipeline.actions.reports.definition import reports
from pipeline.actions.reports.facts import newest_decision
from pipeline.actions.reports.period import last_complete
from pipeline.actions.reports.report import folder, make, write
from pipeline.durations import HOUR_MS
from pipeline.lake.views import connect
from pipeline.settings import Settings
from pipeline.store import audit
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database

SETTLED_MS = 2 * HOUR_MS  # after the period: the carriers' reports of its last messages come in
_READER = User(audit.PIPELINE, Role.VIEWER)


def write_due(db: Database, settings: Settings, now: int) -> list[str]:
    """Write each report of the last complete period that is not there yet; returns their names. `now` is epoch ms.

    A period without a decision has no report. Raises AntispamError if lake or database cannot be read.
    """
    written = []
    for name, report in reports().items():
        period = last_complete(report.span, now, settings.console_zone)
        if now < period.until + SETTLED_MS or (folder(settings) / name / period.name).exists():
            continue
        with connect(settings) as lake:
            if newest_decision(lake, period) is None:
                continue
        write(make(db, settings, _READER, name, period), folder(settings))
        written.append(f"{name}/{period.name}")
    return written
