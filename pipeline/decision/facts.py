"""Facts that depend only on a text, computed together for the distinct texts of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.campaigns.known import FindsCampaigns
from pipeline.decision.configuration import Config
from pipeline.rules.context import Facts
from pipeline.rules.speaker.speakers import find_speakers
from pipeline.rules.words.dictionary import Hit
from pipeline.text.contacts import find_contacts
from pipeline.text.fingerprint import fingerprints
from pipeline.text.links import Link, find_links
from pipeline.text.normal import normalise_batch
from pipeline.text.signatures import find_signatures
from pipeline.text.wording.salutation import find_salutations
from pipeline.text.wording.unsubscribe import find_unsubscribe_words

NO_SCORE = 2.0  # threshold without a model; no score reaches it


def facts_of(
    texts: Sequence[str], config: Config, campaigns: FindsCampaigns | None, now: int
) -> tuple[dict[str, Facts], dict[str, str]]:
    """Facts by text, and causes by text for the texts that failed.

    All texts are computed together. If that fails, they are computed one by one to find the faulty texts.
    """
    try:
        return dict(zip(texts, _together(texts, config, campaigns, now), strict=True)), {}
    except Exception:  # noqa: BLE001 - the loop below meets the error again and assigns it to a text
        facts: dict[str, Facts] = {}
        faults: dict[str, str] = {}
        for text in texts:
            try:
                facts[text] = _together([text], config, campaigns, now)[0]
            except Exception as error:  # noqa: BLE001 - the cause goes to the dead letter
                faults[text] = cause_of(error)
        return facts, faults


def _together(texts: Sequence[str], config: Config, campaigns: FindsCampaigns | None, now: int) -> list[Facts]:
    normals = normalise_batch(texts)
    count = len(texts)
    links = find_links(normals)
    signatures = find_signatures(normals)
    hits = config.dictionary.match_batch(texts, normals) if config.dictionary else [()] * count
    opinions = config.model.classify(texts, normals, links) if config.model else [None] * count
    of_campaigns = campaigns.find(normals, now) if campaigns else [None] * count
    trials = (
        [each.score for each in config.challenger.classify(texts, normals, links)]
        if config.challenger
        else [None] * count
    )
    return [
        Facts(
            mark,
            plain,
            _techniques(counts, of_links, of_hits),
            of_links,
            of_contacts,
            ways,
            named,
            of_hits,
            view.score if view else None,
            view.thresholds.reject if view else NO_SCORE,
            view.label if view else None,
            view.category if view else None,
            trial,
            known,
            signed,
            spoken,
        )
        for mark, plain, counts, of_links, of_contacts, ways, named, of_hits, view, trial, known, signed, spoken in zip(
            fingerprints(normals),
            normals.folded.texts(),
            normals.techniques,
            links,
            find_contacts(normals),
            find_unsubscribe_words(normals),
            find_salutations(normals),
            hits,
            opinions,
            trials,
            of_campaigns,
            signatures,
            find_speakers(normals, signatures, links, config.brands),
            strict=True,
        )
    ]


def _techniques(counts: Mapping[str, int], links: tuple[Link, ...], hits: tuple[Hit, ...]) -> tuple[str, ...]:
    """The disguises removed from a text: of its spelling, of its links, and of the dictionary words found in it."""
    if not (counts or links or hits):
        return ()
    found = set(counts)
    found.update(hit.via for hit in hits if hit.via not in ("raw", "normal"))
    if any(link.disguised for link in links):
        found.add("disguised_link")
    return tuple(sorted(found))


def cause_of(error: Exception) -> str:
    """Type and location of an error without its message, which may quote the text."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f" at {frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{where}"
