"""Figures of the lake for rules of alerts, read in a process of its own: DuckDB takes 200 MB for a second."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.actions.alerts.measures import MEASURES, Figures
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings


def lake_figures(settings: Settings, asked: Sequence[tuple[str, int, int]]) -> list[Figures]:
    """The figures of each (measure, since, until), in order."""
    lake = LakeReader(settings).cursor()
    found = []
    for measure, since, until in asked:
        read = MEASURES[measure].of_lake
        found.append(read(lake, since, until) if read else {})
    return found
