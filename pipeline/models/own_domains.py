"""The allowance for links that lead only to a company's or an authority's own registered domain.

Phishing imitates the sender and must lead to a host of its own; an honest notice leads to the sender's. Grams cannot
know who owns a domain: they read `gov.uk` in `gov.uk-pay.top` too (`text/links.py` says what an own domain is). The
allowance is bounded, because an honest link can be put into a bait, and it is not given beside another link.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.text.links import Link

ALLOWANCE = 2.0  # log-odds


def allowance(links: Sequence[tuple[Link, ...]]) -> NDArray[np.float64]:
    """For the links of each text, the log-odds to subtract because all of them, one or more, lead to own domains."""
    return np.array([ALLOWANCE if owned(of_text) else 0.0 for of_text in links], dtype=np.float64)


def owned(links: tuple[Link, ...]) -> bool:
    """Whether there are links, and all of them lead to own domains."""
    return bool(links) and all(link.own for link in links)
