"""Which of the listed files are finished. Pure: the time is an argument.

A writer on the far side does not show when it is done. So either the file's size and time stay the same for a quiet
period, measured by our clock because the far clock is not trusted; or the SMSC puts a marker beside the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from pipeline.ingest.records.folder import Listed

_TEMPORARY = re.compile(r"\..*|.*\.(?:part|tmp|temp|filepart)", re.IGNORECASE | re.DOTALL)
_PLAIN = re.compile(r"[^\x00-\x1f\x7f/\\\ud800-\udfff]{1,200}")


def wanted(name: str, pattern: str) -> bool:
    """True for a plain file name that matches the pattern and is not temporary.

    Control characters would become FTP commands, and slashes paths. Lone surrogates cannot be encoded.
    """
    return bool(_PLAIN.fullmatch(name)) and not _TEMPORARY.fullmatch(name) and fnmatchcase(name, pattern)


class Finished:
    """Follows the listings of one source."""

    def __init__(self, pattern: str, quiet_ms: int, marker: str | None) -> None:
        self._pattern = pattern
        self._quiet = quiet_ms
        self._marker = marker
        self._since: dict[str, tuple[Listed, int]] = {}

    def observe(self, listing: Mapping[str, Listed], now: int) -> dict[str, Listed]:
        """The finished files of a listing read at `now` (ms of a monotonic clock)."""
        watched = {
            name: listed
            for name, listed in listing.items()
            if wanted(name, self._pattern) and not (self._marker and name.endswith(self._marker))
        }
        if self._marker:
            return {name: listed for name, listed in watched.items() if name + self._marker in listing}
        self._since = {
            name: (listed, before[1] if (before := self._since.get(name)) and before[0] == listed else now)
            for name, listed in watched.items()
        }
        return {name: listed for name, (listed, since) in self._since.items() if now - since >= self._quiet}
