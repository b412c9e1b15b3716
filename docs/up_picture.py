"""Draw docs/pictures/up.svg, the summary of a real run: `python docs/up_picture.py` starts `antispam up --demo` itself.

Each cell has its own position, because a Chinese character takes two columns in a terminal but not in every font.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from html import escape
from os import environ
from pathlib import Path

COMMAND = "antispam up --demo --for 60s"
WIDTH, LINE, LEFT = 660, 24, 24
RIGHT = (310, 470, 630)  # right ends of the columns of numbers
COLOURS = {"release": "#9ece6a", "hold": "#7dcfff", "review": "#e0af68", "reject": "#f7768e", "blacklist": "#bb9af7"}
FONT = "'Sarasa Mono SC','Noto Sans Mono CJK SC','Microsoft YaHei','PingFang SC',Menlo,Consolas,monospace"


def output() -> list[str]:
    """The output of a run, as lines."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *COMMAND.split()[1:]],
            env=environ | {"ANTISPAM_DATA_DIR": folder},
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
    return run.stdout.splitlines()


def drawn(lines: list[str]) -> str:
    """The lines about the end of the run, as SVG."""
    shapes: list[str] = []
    y = 34

    def write(text: str, x: int, colour: str = "#c0caf5", anchor: str = "start") -> None:
        shapes.append(f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>')

    write(f"$ {COMMAND}", LEFT, "#ffffff")
    for line in lines:
        cells = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        if cells:
            y += LINE
            name = cells[0].split()[-1]
            if name in ("release", "total"):
                shapes.append(f'<path d="M{LEFT} {y - 17}H{RIGHT[-1]}" stroke="#565f89"/>')
            write(cells[0], LEFT, COLOURS.get(name, "#c0caf5"))
            for x, cell in zip(RIGHT, cells[1:], strict=True):
                write(cell, x, anchor="end")
        elif re.search("ready after|判定 decisions|p99", line):
            y += LINE
            write(line.strip(), LEFT, "#9aa5ce")
    height = y + 20
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'font-family="{FONT}" font-size="15">',
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#1a1b26"/>',
            *shapes,
            "</svg>\n",
        )
    )


if __name__ == "__main__":
    (Path(__file__).with_name("pictures") / "up.svg").write_text(drawn(output()), encoding="utf-8")
