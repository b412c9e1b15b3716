"""Character tables with two columns; README.md names their sources and licences."""

from __future__ import annotations

from importlib.resources import files


def rows(name: str) -> list[list[str]]:
    """The lines of table `name`, split at tabs."""
    text = (files(__name__) / f"{name}.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.split("\n") if line]
