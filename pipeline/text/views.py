"""The aggressive readings of a batch, as text, for people to look at; matching works on the tapes."""

from __future__ import annotations

from pipeline.text.joining import joined
from pipeline.text.leet import leet
from pipeline.text.lookalike import lookalike
from pipeline.text.normal import Normals
from pipeline.text.pinyin import pinyin, spell


def views(normals: Normals) -> list[dict[str, str]]:
    """For each text its views by name, without those that read like the normal form."""
    close, _ = joined(normals.tape)
    read = {
        "joined": close.texts(),
        "lookalike": lookalike(close).texts(),
        "leet": leet(normals.tape).texts(),
        "pinyin": [spell(text) for text in pinyin(close)[0].texts()],
    }
    return [
        {name: texts[n] for name, texts in read.items() if texts[n] != normal} for n, normal in enumerate(normals.texts)
    ]
