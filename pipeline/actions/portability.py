"""The carriers of numbers, as these settings know them: number segments, and numbers that moved."""

from __future__ import annotations

from pipeline.errors import AntispamError
from pipeline.rules.numbering.segments import Segments, parse_ported, shipped_segments
from pipeline.settings import Settings


def load_segments(settings: Settings) -> Segments:
    """The shipped number segments with these settings' portability table. Raises AntispamError for a bad table."""
    ported: dict[str, str] = {}
    if settings.portability is not None:
        try:
            text = settings.portability.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise AntispamError(f"{settings.portability}: {error}") from None
        ported = parse_ported(text, str(settings.portability))
    return Segments(shipped_segments(), ported)
