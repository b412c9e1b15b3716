"""Every colour of text is legible on the grounds it lies on, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dashboards
from dashboards.serve import THEME

PALETTE = (Path(dashboards.__file__).with_name("palette.css")).read_text(encoding="utf-8")
COLOURS = {
    name: (light, dark or light)
    for name, light, dark in re.findall(r"--([\w-]+): (?:light-dark\()?(#[0-9a-f]{6})(?:, (#[0-9a-f]{6})\))?;", PALETTE)
}
WHITE = ("#ffffff", "#ffffff")
LEAST = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA
PAIRS = [
    *((text, ground) for text in ("ink", "soft", "accent", "bad") for ground in ("ground", "raised", "hover")),
    *(("ink", ground) for ground in ("chip", "bad-ground", "m0", "m1", "m2", "m3", "m4", "m5", "other")),
    ("bad", "bad-ground"),
    *(("white", ground) for ground in ("unseen", "release", "reject", "blacklist", "button")),
]


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(text: str, ground: str, theme: int) -> None:
    pair = [{"white": WHITE, **COLOURS}[name][theme] for name in (text, ground)]
    low, high = sorted(map(luminance, pair))
    assert (high + 0.05) / (low + 0.05) >= LEAST


def test_the_pages_of_streamlit_have_the_same_colours() -> None:
    ours = {"backgroundColor": "ground", "textColor": "ink"}
    for theme, mode in enumerate(("light", "dark")):
        assert {name: THEME[f"theme.{mode}.{name}"] for name in ours} == {
            name: COLOURS[colour][theme] for name, colour in ours.items()
        }


def test_only_the_palette_names_colours() -> None:
    folder = Path(dashboards.__file__).parent
    for name in ("deck.css", "marked.py", "main.py", "sign_in.html"):
        named = set(re.findall(r"#[0-9a-f]{6}\b", (folder / name).read_text(encoding="utf-8")))
        assert not named, name
