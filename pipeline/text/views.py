"""The views of a batch as texts for display. Matching works on the tapes."""

from __future__ import annotations

from pipeline.text.joining import joined
from pipeline.text.leet import leet
from pipeline.text.lookalike import lookalike
from pipeline.text.normal import Normals
from pipeline.text.pinyin import pinyin, spell


def views(normals: Normals) -> list[dict[str, str]]:
    """The views of each text by name, except views equal to the normal form."""
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
