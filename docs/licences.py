"""Write docs/licences.md from the installed packages. Run `make licences` after a change of requirements.lock."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "docs" / "licences.md"
HEAD = """\
# Licences

Every package of `requirements.lock` with its licence, as its own metadata states it. Written by `make licences`;
a test compares it with the lock.

| package | version | licence |
|---|---|---|
"""


def pins() -> dict[str, str]:
    """The versions in requirements.lock, by package."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def licence(package: str) -> str:
    """The licence in the metadata of an installed package, in one line. Raises ValueError if there is none."""
    about = metadata.metadata(package).json
    classifiers = [str(c).rpartition(" :: ")[2] for c in about.get("classifier", []) if c.startswith("License :: ")]
    named = [name for name in classifiers if name != "OSI Approved"]
    stated = (
        about.get("license_expression") or " / ".join(named) or str(about.get("license", "")).strip().partition("\n")[0]
    )
    if not stated:
        raise ValueError(f"{package} states no licence in its metadata")
    return re.sub(r"\s+", " ", str(stated)).strip()


if __name__ == "__main__":
    LIST.write_text(HEAD + "".join(f"| {name} | {version} | {licence(name)} |\n" for name, version in pins().items()))
