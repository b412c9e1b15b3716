"""The fingerprint of a content: what counts as "the same text" when messages are counted.

One text sent to many people differs in its amounts, codes, dates and spacing, and in what is strewn
between its characters to make it look different. Those are taken out, so that fifty renderings of one
template are fifty of one content. Words are kept: texts that say something else must never share a
count. Wording that is varied on purpose is a campaign's business.

Read from the folded text, character by character: what surrounds a character never changes what it is
read as, so nothing that is left out can change the rest.
"""

from __future__ import annotations

import re

import xxhash

from pipeline.text.characters import SEPARATOR, characters
from pipeline.text.normal import Normals, normalise_batch

_zero_digit_runs = re.compile(r"[0-9]+").sub
_spaces = re.compile(r"\s+").sub


def fingerprints(normals: Normals) -> list[str]:
    """16 hex digits (xxHash64) for each text, the same across batches, processes and releases.

    Ignores what `folding` undoes (width, circles, traditional characters, look-alike letters, case,
    invisible characters), all whitespace, symbols and emoji, and which and how many digits stand in a
    run. Sentence marks count. A text of nothing but symbols is its own content.
    """
    folded = normals.folded
    kept = folded.keep(characters().kind_of(folded.codes) != SEPARATOR)
    same = _zero_digit_runs("0", _spaces("", kept.joined())).split("\0")[:-1]
    if "" in same:
        same = [some or "".join(all_.split()) for some, all_ in zip(same, folded.texts(), strict=True)]
    return [xxhash.xxh64_hexdigest(text.encode("utf-8", "surrogatepass")) for text in same]


def fingerprint(content: str) -> str:
    """The fingerprint of one text; any str is accepted, lone surrogates included."""
    return fingerprints(normalise_batch([content]))[0]
