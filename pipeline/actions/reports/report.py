"""Makes reports: each table's rows, as one HTML page and one csv a table, in each language.

A report of the same events is the same bytes: it names its period and its newest event, and no time of making.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipeline.actions.reports import csv_file, page
from pipeline.actions.reports.definition import LANGUAGES, Report, Table, reports, table
from pipeline.actions.reports.facts import newest_decision, open_facts
from pipeline.actions.reports.made import Filled, Made
from pipeline.actions.reports.period import Period
from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.text.faults.suggestion import suggestion


def folder(settings: Settings) -> Path:
    """Where reports are kept."""
    return settings.data_dir / "reports"


def find(name: str) -> Report:
    """The report of this name. Raises AntispamError with the nearest name."""
    found = reports().get(name)
    if found is None:
        raise AntispamError(
            "no report {name!r}: {known}; {near}",
            name=name,
            known=", ".join(reports()),
            near=suggestion(name, reports()),
        )
    return found


def make(db: Database, settings: Settings, user: User, name: str, period: Period) -> Made:
    """Make a report for a user without a scope: it is of all ports. Raises AntispamError and Forbidden."""
    require(user, Right.SEE_TRAFFIC)
    if user.scope:
        raise Forbidden("{person}: reports are of all ports, beyond the scope of this account", person=user.name)
    report = find(name)
    with ExitStack() as stack:
        spill = stack.enter_context(TemporaryDirectory(dir=settings.data_dir, prefix="report-"))
        try:
            lake = stack.enter_context(open_facts(settings, db, period, Path(spill)))
            filled = [_filled(lake, table(each)) for each in report.tables]
            newest = newest_decision(lake, period)
        except duckdb.Error as error:
            raise AntispamError("report {name}: {cause}", name=name, cause=str(error).splitlines()[0]) from None
    return Made(name, report, period, newest, filled)


def write(made: Made, home: Path) -> list[Path]:
    """Write a report into `home/NAME/PERIOD`, whole or not at all, in place of an older one; returns its files."""
    final = home / made.name / made.period.name
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(dir=final.parent, prefix=f".{final.name}-") as making:
        for language in LANGUAGES:
            place = Path(making, "new", language)
            place.mkdir(parents=True)
            (place / "report.html").write_text(page.render(made, language), encoding="utf-8")
            for filled in made.tables:
                text = csv_file.render(filled.table, filled.rows, language, made.period.zone)
                # A spreadsheet in Chinese takes a file without a mark for GBK; a program does not expect one.
                encoding = "utf-8" if language == csv_file.MACHINES else "utf-8-sig"
                (place / f"{filled.table.name}.csv").write_text(text, encoding=encoding, newline="")
        if final.exists():
            final.rename(Path(making, "old"))
        Path(making, "new").rename(final)
        shutil.rmtree(Path(making, "old"), ignore_errors=True)
    return sorted(path for path in final.rglob("*") if path.is_file())


def _filled(lake: duckdb.DuckDBPyConnection, asked: Table) -> Filled:
    found = lake.execute(asked.sql)
    names = [column[0] for column in found.description or ()]
    if names != list(asked.columns):
        raise AntispamError(
            "table {asked}: its SELECT gives {names}, its head names {columns}",
            asked=asked.name,
            names=names,
            columns=list(asked.columns),
        )
    return Filled(asked, found.fetchall())
