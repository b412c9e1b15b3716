"""How many honest notices of registered ports a policy refuses or asks a person about, and how much spam it stops.

`python -m tests.rules.honest_notices [POLICY]` prints the shares, where the research data are at hand. A notice comes
from a port for notices in good standing (tier ordinary), which is registered with the signature of the text, or else
with the first brand that it speaks as. Spam comes from such a port too, registered with whatever it signs with: the
worst case.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.decision.configuration import Config, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import Decision, Submission, Verdict
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.rules.speaker.names import shipped_names
from pipeline.rules.speaker.speakers import find_speakers
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch
from pipeline.text.signatures import find_signatures
from tests.harness.places import RESEARCH

TRANSACTIONAL = RESEARCH / "sms" / "transactional.jsonl"
VALIDATION = RESEARCH / "sms" / "val.jsonl"
MISREAD = RESEARCH.parent / "cases" / "misread-2026-11.jsonl"
NOON = 1_773_115_200_000  # 2026-03-10 12:00 in Shanghai


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a file with its label (ham or spam) and language."""

    text: str
    label: str
    language: str


def texts(path: Path) -> list[Text]:
    """The texts of a file."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [Text(row["text"], row["label"], row["lang"]) for row in rows]


def decisions(contents: Sequence[str], using: Config) -> list[Decision]:
    """The decision on each text, each as one message of a port of its own."""
    normals = normalise_batch(contents)
    signatures = find_signatures(normals)
    speakers = find_speakers(normals, signatures, find_links(normals), shipped_names())
    ports, batch = [], []
    for n, (content, signed, spoken) in enumerate(zip(contents, signatures, speakers, strict=True)):
        names = tuple(dict.fromkeys(signature.name for signature in signed))
        first = [speaker.brand.name for speaker in spoken if speaker.speaks][:1]
        code = f"1069{n:06d}"
        ports.append(
            Port(PortEntry(code=code, enterprise=code, name="" if names else "".join(first), signatures=names))
        )
        batch.append(Submission(id=str(n), port=code, recipients=("13800000001",), content=content, accepted_at=NOON))
    # Each port is screened alone: one name may be registered for several of them.
    found = []
    for port, submission in zip(ports, batch, strict=True):
        [outcome] = screen([submission], MemoryCounters(), replace(using, ports=Ports([port])), NOON)
        assert isinstance(outcome, Screened)
        found.append(outcome.decision)
    return found


def counted(found: Sequence[Decision]) -> Counter[Verdict]:
    """The decisions by verdict."""
    return Counter(decision.verdict for decision in found)


def main() -> None:
    """Print the shares."""
    using = load_directory(None, Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    for path, label in (
        (TRANSACTIONAL, "ham"),
        (MISREAD, "ham"),
        (MISREAD, "spam"),
        (VALIDATION, "spam"),
        (VALIDATION, "ham"),
    ):
        rows = [row for row in texts(path) if row.label == label]
        for language in sorted({row.language for row in rows}):
            found = decisions([row.text for row in rows if row.language == language], using)
            by = counted(found)
            rules = Counter(reason.rule for decision in found for reason in decision.reasons)
            shares = ", ".join(f"{verdict} {count} ({count / len(found):.2%})" for verdict, count in by.most_common())
            print(f"{path.stem} {label} {language} ({len(found)}): {shares}\n    {dict(rules.most_common())}")


if __name__ == "__main__":
    main()
