"""Marked text as HTML, for pages without their own script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_BOX = (
    "font-size:1.05rem;line-height:1.6;padding:.6rem .8rem;background:var(--raised);border:1px solid var(--line);"
    "border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate"
)


def marked(segments: Sequence[tuple[str, str]]) -> str:
    """A box with the escaped text. Pieces with marks r0…r5 are coloured; invisible characters show their code."""
    parts = []
    for text, mark in segments:
        if mark == "unseen":
            parts.append(f'<span style="font-size:.7em;background:var(--unseen);color:#fff">{escape(text)}</span>')
        elif mark:
            parts.append(f'<mark style="background:var(--m{int(mark[1:])});color:inherit">{escape(text)}</mark>')
        else:
            parts.append(escape(text))
    return f'<div style="{_BOX}">{"".join(parts)}</div>'
