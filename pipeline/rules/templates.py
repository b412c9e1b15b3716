"""Registered templates (报备模板): does a text fit the words a port has registered?

A template is literal text with placeholders, `{code}` or `#code#`. A placeholder takes 1 to 32 code
points and no line break: long enough for a name, an amount or a date, too short to carry an
advertisement. Matching finds the literal parts from left to right, each at its first place, so it is
linear in the text whatever the template; where that misses a fit, the text is simply screened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import AntispamError
from pipeline.events import Kind

MAX_SLOT = 32
_SLOT = re.compile(r"(?:\{[^{}\n]{0,32}\}|#[^#\n]{1,32}#)+")  # placeholders in a row are one


@dataclass(frozen=True, slots=True)
class Template:
    """One registered template; `parts` are the literals around its placeholders."""

    id: str
    kind: Kind
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, name: str, text: str, kind: Kind) -> Template:
        """Split a template at its placeholders.

        Raises AntispamError for a template without words.
        """
        parts = tuple(_SLOT.split(text))
        if not any(part.strip() for part in parts):
            raise AntispamError(f"template {name}: nothing but placeholders; it would fit any text")
        return cls(name, kind, parts)

    def fits(self, text: str) -> bool:
        """True if the whole text is this template with its placeholders filled."""
        first, *rest = self.parts
        if not rest:
            return text == first
        if not text.startswith(first):
            return False
        at = len(first)
        for part in rest[:-1]:
            found = text.find(part, at + 1, at + MAX_SLOT + len(part))
            if found < 0 or "\n" in text[at:found]:
                return False
            at = found + len(part)
        last = rest[-1]
        slot = text[at : len(text) - len(last)] if last else text[at:]
        return text.endswith(last) and 1 <= len(slot) <= MAX_SLOT and "\n" not in slot
