"""What is installed is what was tested: pinned, with hashes, its licences listed."""

from __future__ import annotations

import re
import sys
from importlib import metadata

import pytest

from tests.harness.places import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import licences

LOCK = (ROOT / "requirements.lock").read_text()


def test_every_package_has_one_version_and_hashes() -> None:
    requirements = [r for r in re.split(r"^(?=[A-Za-z])", LOCK, flags=re.MULTILINE) if not r.startswith("#")]
    assert len(requirements) == len(licences.pins()) > 100
    for requirement in requirements:
        name, *lines = requirement.replace("\\\n", "\n").split("\n")
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[^ ;]+ *(;.*)?", name), "make lock"
        hashes = [line for line in map(str.strip, lines) if line]
        assert hashes, f"{name}: no hashes; make lock"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), name


def test_the_lock_names_no_index() -> None:
    assert "://" not in LOCK
    assert "--index-url" not in LOCK


def test_hashes_are_asked_for_wherever_it_is_installed() -> None:
    for file in ("Makefile", "Dockerfile"):
        installs = [
            line for line in (ROOT / file).read_text().split("\n") if "requirements.lock" in line and "pip" in line
        ]
        assert installs
        assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize("package", licences.pins())
def test_what_is_installed_is_what_is_pinned(package: str) -> None:
    assert metadata.version(package) == licences.pins()[package]


def test_the_list_of_licences_is_that_of_the_lock() -> None:
    rows = "".join(f"| {name} | {version} | {licences.licence(name)} |\n" for name, version in licences.pins().items())
    assert licences.LIST.read_text() == licences.HEAD + rows, "make licences"


def test_licence_and_notice_are_part_of_what_is_shipped() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "the antispam developers" in text
    assert "the antispam developers" in (ROOT / "NOTICE").read_text()
