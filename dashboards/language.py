"""Chinese and English: standard gettext catalogues, chosen for each browser, never for the process.

The texts in the code are English; `locale/<language>/LC_MESSAGES/console.po` has the translations of the pages,
`errors.po` those of what services refuse. The files are read without compilation, so a compiled catalogue cannot be
out of date.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = {"zh": "中文", "en": "English"}
COOKIE = "antispam_language"
CATALOGUES = Path(__file__).with_name("locale")

Text = Callable[[str], str]


def text(language: str) -> Text:
    """A function that translates English texts into this language."""
    return _catalogue(language).gettext


def preferred(cookie: str | None, accepted: str | None) -> str:
    """The language of a browser: the chosen language, else the first accepted language that we have, else English."""
    if cookie in LANGUAGES:
        return str(cookie)
    for part in (accepted or "")[:200].split(","):
        tag = part.partition(";")[0].strip().lower()[:2]
        if tag in LANGUAGES:
            return tag
    return "en"


def N_(message: str) -> str:  # noqa: N802 - the name that gettext uses
    """Mark a text for the catalogues; the page translates it later."""
    return message


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    found = gettext.NullTranslations()
    for path in sorted((CATALOGUES / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as source:
            compiled = BytesIO()
            write_mo(compiled, read_po(source, language))
        compiled.seek(0)
        one = gettext.GNUTranslations(compiled)
        one.add_fallback(found)
        found = one
    return found
