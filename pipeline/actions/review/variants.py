"""Variants of one content: a fingerprint ignores digits and symbols and a campaign more, but a reader does not.

`asks` identifies the rule that asked for the review, and the links and contacts of the text. `exact` also identifies
every character except white space, in folded form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xxhash

from pipeline.campaigns.known import FindsCampaigns
from pipeline.events import CaseMember
from pipeline.text.contacts import find_contacts
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch


@dataclass(frozen=True, slots=True)
class Variant:
    """The campaign of a member, if known, and its differences from others of its case; 16 hex digits each."""

    campaign: str
    asks: str
    exact: str


def variants(members: Sequence[CaseMember], campaigns: FindsCampaigns | None = None) -> list[Variant]:
    """The variant of each member, in order.

    A member whose decision knew no campaign may have been decided before its campaign became known: then `campaigns`
    finds it.
    """
    places = {content: i for i, content in enumerate(dict.fromkeys(m.submission.content for m in members))}
    normals = normalise_batch(list(places))
    now = max((member.decided_at for member in members), default=0)
    known = campaigns.find(normals, now) if campaigns else [None] * len(normals.texts)
    links, contacts, folded = find_links(normals), find_contacts(normals), normals.folded.texts()
    found = []
    for member in members:
        i = places[member.submission.content]
        pointed = sorted({link.key for link in links[i]} | {contact.key for contact in contacts[i]})
        asks = _hash(member.rule, *pointed)
        told = known[i]
        campaign = member.campaign or (told.id if told else "")
        found.append(Variant(campaign, asks, _hash(asks, "".join(folded[i].split()))))
    return found


def _hash(*parts: str) -> str:
    return xxhash.xxh64_hexdigest("\0".join(parts).encode("utf-8", "surrogatepass"))
