"""Variants of one fingerprint: a fingerprint ignores digits and symbols, but a reader does not.

`asks` identifies the rule that asked for the review, and the links and contacts of the text. `exact` also identifies
every character except white space, in folded form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xxhash

from pipeline.events import CaseMember
from pipeline.text.contacts import find_contacts
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch


@dataclass(frozen=True, slots=True)
class Variant:
    """The differences of a member from others of its fingerprint; 16 hex digits each."""

    asks: str
    exact: str


def variants(members: Sequence[CaseMember]) -> list[Variant]:
    """The variant of each member, in order."""
    places = {content: i for i, content in enumerate(dict.fromkeys(m.submission.content for m in members))}
    normals = normalise_batch(list(places))
    links, contacts, folded = find_links(normals), find_contacts(normals), normals.folded.texts()
    found = []
    for member in members:
        i = places[member.submission.content]
        pointed = sorted({link.key for link in links[i]} | {contact.key for contact in contacts[i]})
        asks = _hash(member.rule, *pointed)
        found.append(Variant(asks, _hash(asks, "".join(folded[i].split()))))
    return found


def _hash(*parts: str) -> str:
    return xxhash.xxh64_hexdigest("\0".join(parts).encode("utf-8", "surrogatepass"))
