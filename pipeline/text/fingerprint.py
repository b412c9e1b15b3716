"""The fingerprint of a content: what counts as "the same text" when messages are counted.

One text sent to many people differs in its amounts, codes, dates and spacing. Those are taken out,
so that fifty renderings of one template are fifty of one content. Words are kept: texts that say
something else must never share a count. Wording that is varied on purpose is a campaign's business.
"""

from __future__ import annotations

import re
import unicodedata

import xxhash

# Most Chinese texts are compatible but for these marks; replacing them first saves the costly NFKC.
_FULL_WIDTH_MARKS = tuple(zip("，！：；？（）", ",!:;?()", strict=True))
_zero_digit_runs = re.compile(r"\d+").sub


def fingerprint(content: str) -> str:
    """16 hex digits (xxHash64) that stay the same across processes and releases.

    Ignores width and compatibility forms (NFKC), case, all whitespace, and which and how many
    digits stand in a run. Any str is accepted, lone surrogates included.
    """
    if not content.isascii():
        for wide, narrow in _FULL_WIDTH_MARKS:
            content = content.replace(wide, narrow)
        if not unicodedata.is_normalized("NFKC", content):
            content = unicodedata.normalize("NFKC", content)
    same = _zero_digit_runs("0", "".join(content.casefold().split()))
    return xxhash.xxh64_hexdigest(same.encode("utf-8", "surrogatepass"))
