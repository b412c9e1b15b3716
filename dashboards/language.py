"""Chinese and English: standard gettext catalogues, chosen per browser, never per process.

The words in the code are the English ones; `locale/<language>/LC_MESSAGES/console.po` has the others
and is read as it is, so there is no compiled catalogue to forget.
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
    """The function from an English text to one in this language."""
    return _catalogue(language).gettext


def preferred(cookie: str | None, accepted: str | None) -> str:
    """The language of a browser: the one chosen there before, else the first of its own that we have, else English."""
    if cookie in LANGUAGES:
        return str(cookie)
    for part in (accepted or "")[:200].split(","):
        tag = part.partition(";")[0].strip().lower()[:2]
        if tag in LANGUAGES:
            return tag
    return "en"


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Marks a text for the catalogues that is translated where it is shown."""
    return message


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    path = CATALOGUES / language / "LC_MESSAGES" / "console.po"
    if not path.exists():
        return gettext.NullTranslations()
    with path.open("rb") as source:
        compiled = BytesIO()
        write_mo(compiled, read_po(source, language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
