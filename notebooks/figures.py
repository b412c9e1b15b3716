"""What the notebooks share: the lake of a period, tables, and figures in one look that shows Chinese."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa

from pipeline import lake
from pipeline.events import Verdict
from pipeline.settings import Settings

# The package fonts-noto-cjk of Linux; what macOS and Windows have.
FONT = "Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif"
VERDICTS = [verdict.value for verdict in Verdict]
BY_VERDICT = alt.Color(
    "verdict:N",
    title="判定 verdict",
    sort=VERDICTS,
    scale=alt.Scale(domain=VERDICTS, range=["#4c9f70", "#e3b23c", "#3f7cac", "#d1603d", "#5b2333"]),
)
GREY = "#8a93a0"
TENS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]  # labels of an axis of logarithms

# A column of whole numbers stays one where a value is missing.
_WHOLE = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}


@alt.theme.register("antispam", enable=True)
def _theme() -> alt.theme.ThemeConfig:
    text: dict[str, Any] = {"labelFont": FONT, "titleFont": FONT, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "config": {
            "font": FONT,
            "axis": {**text, "labelLimit": 420},
            "axisX": {"labelAngle": 0},
            "legend": text,
            "header": text,
            "title": {"font": FONT, "fontSize": 14, "anchor": "start"},
            "view": {"continuousWidth": 640, "continuousHeight": 220},
        }
    }


# A picture is shown everywhere. Altair's own page loads its JavaScript from the internet, which an analyst's network may
# not reach, and editors show nothing of a page in a notebook that was run elsewhere.
alt.renderers.enable("png")


def with_tooltips() -> None:
    """Draw the charts that follow as pages with tooltips. Each holds its own JavaScript, 0.9 MB, and asks no network."""
    no_links = {"source": False, "compiled": False, "editor": False}  # the last one would hand the data to a web site
    alt.renderers.enable("html", template="inline", embed_options={"actions": {"export": True, **no_links}})


class Lake:
    """The lake, with two macros for SQL: `within(time)`, true in the period, and `local(time)`, in the console's zone.

    `since` and `until` are ISO 8601 times with zone; an empty one leaves that side open.
    """

    def __init__(self, since: str = "", until: str = "") -> None:
        settings = Settings()
        self._connection = lake.connect(settings)
        for name, value in (("since", since), ("until", until)):
            moment = datetime.fromisoformat(value) if value else None
            self._connection.execute(f"SET VARIABLE {name} = $1::TIMESTAMPTZ", [moment])
        self._connection.execute("SET VARIABLE zone = $1", [settings.console_zone])
        self._connection.execute("""
            CREATE TEMP MACRO within(moment) AS
                moment >= coalesce(getvariable('since'), '-infinity'::TIMESTAMPTZ)
                AND moment < coalesce(getvariable('until'), 'infinity'::TIMESTAMPTZ);
            CREATE TEMP MACRO local(moment) AS timezone(getvariable('zone'), moment);
        """)

    def make(self, sql: str) -> None:
        """Run a statement, such as CREATE TEMP VIEW."""
        self._connection.execute(sql)

    def table(self, sql: str, **values: Any) -> pd.DataFrame:
        """The rows of a SELECT; it may name each of `values` as `$name`."""
        rows = self._connection.sql(sql, params=values or None).to_arrow_table()
        return rows.to_pandas(types_mapper=_WHOLE.get)

    def chart(self, sql: str, **values: Any) -> alt.Chart:
        """A chart over the rows of a SELECT."""
        return alt.Chart(self.table(sql, **values))


def antispam(*arguments: str | Path) -> tuple[str, str]:
    """Run a command of `antispam`; returns what it wrote to stdout and to stderr. A kernel asks programs for colours."""
    environment = {name: value for name, value in os.environ.items() if "COLOR" not in name}
    command = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.stdout, done.stderr.strip()
