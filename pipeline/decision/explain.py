"""What each part of the pipeline sees in one text, for a person."""

from __future__ import annotations

from typing import Any

from pipeline.decision.configuration import Config
from pipeline.decision.facts import facts_of
from pipeline.errors import AntispamError

_MOST_PARTS = 12  # parts of the score, the heaviest first


def explain(text: str, config: Config, now: int) -> dict[str, Any]:
    """The facts of a text at a time (epoch milliseconds), each with the words that it stands on; ready for json.

    Raises AntispamError if the text cannot be read.
    """
    facts_by_text, faults = facts_of([text], config, None, now)
    if text in faults:
        raise AntispamError(f"the text cannot be read: {faults[text]}")
    facts = facts_by_text[text]
    seen: dict[str, Any] = {
        "folded": facts.folded,
        "techniques": facts.techniques,
        "links": [
            {
                "text": text[link.start : link.end],
                "domain": link.domain,
                "own": link.own,
                "short": link.short,
                "lookalike": link.lookalike,
            }
            for link in facts.links
        ],
        "contacts": [{"kind": contact.kind, "text": text[contact.start : contact.end]} for contact in facts.contacts],
        "signatures": [signature.name for signature in facts.signatures],
        "speakers": [{"brand": speaker.brand.name, "speaks": speaker.speaks} for speaker in facts.speakers],
        "words": [
            {"word": hit.word, "text": text[hit.start : hit.end], "via": hit.via, "verdict": hit.verdict.value}
            for hit in facts.hits
        ],
        "unsubscribe": facts.unsubscribe,
        "salutation": facts.salutation,
        "score": facts.score,
        "reject_score": facts.reject_score,
        "label": facts.label,
        "category": facts.category,
    }
    if config.model is not None:
        explained = config.model.explain(text)
        heaviest = sorted(explained.parts, key=lambda part: (-abs(part.log_odds), part.start))[:_MOST_PARTS]
        seen["log_odds"] = round(explained.log_odds, 3)
        seen["bias"] = round(explained.bias, 3)
        seen["parts"] = [
            {"text": text[part.start : part.end], "log_odds": round(part.log_odds, 3)} for part in heaviest
        ]
    return seen
