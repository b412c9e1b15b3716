"""The brands that a text speaks as, and the one among them that its sender may not speak for: impersonation.

A text speaks as a brand by its signature, by a sentence (`sentences.py`), or by a mention beside a link that imitates a
brand's host. A port may speak as the brands that its registered name and signatures belong to, as brands of
their group, and as brands that the operator gave to its enterprise.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from pipeline.rules.ports import Port
from pipeline.rules.speaker.names import BrandNames
from pipeline.rules.speaker.sentences import speaks
from pipeline.text.brands import Brand
from pipeline.text.links import Link
from pipeline.text.normal import Normals
from pipeline.text.signatures import Signature

MAX_NAMES = 50  # brands named in one text; further names are ignored
_DASHES = frozenset(map(ord, "-–—―─"))


class Speaker(msgspec.Struct, frozen=True, gc=False):
    """A brand named at code points of the raw text, `end` exclusive.

    `speaks` is False for a mention. `sure` is False if the sender may also be a shop or a wallet that writes of the
    brand; such a sentence counts only in a text without a signature of the sender's own. `branch` is True for a
    signature such as 澜浦交警: an office's word behind another name. `beside` is True if the text may have two senders,
    this brand and the one that signs it.
    """

    brand: Brand
    start: int
    end: int
    speaks: bool
    sure: bool = True
    branch: bool = False
    beside: bool = False


def find_speakers(
    normals: Normals,
    signatures: Sequence[tuple[Signature, ...]],
    links: Sequence[tuple[Link, ...]],
    names: BrandNames,
) -> list[tuple[Speaker, ...]]:
    """The brands named in each text: first those of its signatures, then the others from left to right."""
    found: list[tuple[Speaker, ...]] = [()] * len(normals.texts)
    names.read_signatures({signature.name for of_text in signatures for signature in of_text})
    for owner, of_text in enumerate(signatures):
        for signature in of_text:
            brand = names.of_signature(signature.name)
            if brand is not None:
                branch = names.is_branch(signature.name)
                speaker = Speaker(brand, signature.start, signature.end, speaks=True, branch=branch)
                found[owner] = (*found[owner], speaker)
    mentions = names.mentions(normals)
    if not mentions:
        return found
    tape = normals.tape
    origin, ends = tape.origin.data, tape.end.data
    raw = normals.raw.codes.data
    borders, raw_borders = tape.borders.tolist(), normals.raw.borders.tolist()
    for brand, start, end in mentions:
        owner = bisect_left(borders, start)
        if len(found[owner]) >= MAX_NAMES:
            continue
        begin, raw_begin = (borders[owner - 1] + 1, raw_borders[owner - 1] + 1) if owner else (0, 0)
        first, last = origin[start] - raw_begin, ends[end - 1] - raw_begin
        if any(signature.start <= first and last <= signature.end for signature in signatures[owner]):
            continue  # a signature is read as a whole
        gap = raw[origin[start - 1] + 1 : origin[start]] if start > begin else raw[:0]
        how = speaks(normals.texts[owner], start - begin, end - begin, dashed=bool(len(gap)) and gap[0] in _DASHES)
        if how is None and any("brand" in link.lookalike for link in links[owner]):
            how = "sure"
        speaker = Speaker(brand, first, last, how is not None, sure=how != "perhaps", beside=how == "beside")
        found[owner] = (*found[owner], speaker)
    return found


def impersonated(
    speakers: Sequence[Speaker], signatures: Sequence[Signature], port: Port | None, names: BrandNames
) -> Speaker | None:
    """The first brand that the text speaks as although the port may not; None for an honest text.

    A branch may be the sender itself where nobody has registered whose the port is.
    """
    if not any(speaker.speaks for speaker in speakers):
        return None
    nameless = port is not None and not owner_known(port)
    registered = port.signature_names if port else frozenset()
    signed = any(signature.name in registered for signature in signatures)
    for speaker in speakers:
        counts = speaker.speaks and (speaker.sure or not signed) and not (speaker.branch and nameless)
        if counts and not may_speak(speaker.brand, port, names):
            return speaker
    return None


def owner_known(port: Port) -> bool:
    """Whether it is registered in whose name the port sends. A name that only repeats the port's kind names nobody."""
    entry = port.entry
    return bool(entry.signatures or entry.enterprise or (entry.name and entry.name != entry.kind))


def may_speak(brand: Brand, port: Port | None, names: BrandNames) -> bool:
    """Whether a port may speak as a brand."""
    if port is None:
        return False
    own = names.own(port)
    return (
        brand.name in own
        or (bool(brand.group) and f"group {brand.group}" in own)
        or (bool(port.entry.enterprise) and port.entry.enterprise in brand.enterprises)
    )
