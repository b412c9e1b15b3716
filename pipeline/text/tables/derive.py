"""Make the tables beside this file from their sources; run only when a source has changed.

`python -m pipeline.text.tables.derive SOURCES [HAM]`: SOURCES is a folder with chaizi-jt.txt, common_char_set.txt,
confusables.json, same_stroke.txt and stroke.txt (README.md names their sources). HAM is a jsonl file of honest texts.
It is used only for counting: a split that occurs in honest texts is left out. Needs the development dependencies
opencc and pypinyin.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).parent
_MAX_LOOKALIKES = 6  # characters of a class; larger classes would make different words equal
_MAX_HONEST = 2  # a pair in more honest texts than this counts as two characters, not as a split one
_CJK = range(0x3400, 0xA000)


def simplified() -> list[str]:
    """Each traditional character with its simplified character, by OpenCC's t2s for single characters."""
    import opencc

    convert = opencc.OpenCC("t2s").convert
    pairs = ((chr(code), convert(chr(code))) for code in (*_CJK, *range(0xF900, 0xFB00)))
    return [f"{char}\t{plain}" for char, plain in pairs if plain != char and len(plain) == 1 and plain < "\U00010000"]


def pinyin() -> list[str]:
    """Each toneless syllable with the characters for which it is the most frequent reading, by pypinyin."""
    from pypinyin import Style, lazy_pinyin

    chars = [chr(code) for code in range(0x4E00, 0xA000)]
    read: dict[str, list[str]] = defaultdict(list)
    for char in chars:
        syllable = lazy_pinyin(char, style=Style.NORMAL, errors="ignore")
        if syllable and syllable[0].isascii() and syllable[0].isalpha():
            read[syllable[0]].append(char)
    return [f"{syllable}\t{''.join(read[syllable])}" for syllable in sorted(read)]


def homoglyphs(sources: Path) -> list[str]:
    """Letters and spacing marks of other scripts, and small capitals, each with its Latin look-alike in lower case."""
    confusables = json.loads((sources / "confusables.json").read_text(encoding="utf-8"))
    rows = []
    for char, alike in confusables.items():
        # Letters, and spacing marks of Indian scripts: four of these are a small circle (ം for o).
        if len(char) != 1 or char.isascii() or not unicodedata.category(char).startswith(("L", "Mc")):
            continue
        if 0x2E80 <= ord(char) < 0xA4D0 or 0xAC00 <= ord(char) < 0xFB00 or ord(char) >= 0x20000:
            continue  # Chinese, Japanese and Korean; Lisu and Cherokee lie between these blocks and stay
        if unicodedata.normalize("NFKC", char).isascii():
            continue  # compatibility forms need no table
        latin = sorted({a["c"].lower() for a in alike if len(a["c"]) == 1 and a["c"].isascii() and a["c"].isalpha()})
        if latin:
            rows.append(f"{char}\t{latin[0]}")
    for char in map(chr, range(0x250, 0xAC00)):
        name = unicodedata.name(char, "").removeprefix("LATIN LETTER SMALL CAPITAL ")
        if len(name) == 1:
            rows.append(f"{char}\t{name.lower()}")
    return sorted(set(rows))


def splits(sources: Path, honest: Counter[str]) -> list[str]:
    """Pairs of adjacent characters that read as one: 弓虽 for 强."""
    common = set((sources / "common_char_set.txt").read_text(encoding="utf-8").split())
    found: dict[str, str] = {}
    for line in (sources / "chaizi-jt.txt").read_text(encoding="utf-8").splitlines():
        char, *ways = line.split("\t")
        if char not in common:
            continue
        for way in ways:
            parts = way.split()
            if len(parts) != 2 or any(len(part) != 1 or part in "丿丨一丶亅乙乚" for part in parts):
                continue
            pair = "".join(parts)
            if honest[pair] <= _MAX_HONEST:
                found.setdefault(pair, char)
    return [f"{pair}\t{char}" for pair, char in sorted(found.items())]


def lookalikes(sources: Path) -> list[str]:
    """Small classes of characters. In a class, each character is listed as similar to every other."""
    common = set((sources / "common_char_set.txt").read_text(encoding="utf-8").split())
    strokes = {}
    for line in (sources / "stroke.txt").read_text(encoding="utf-8").splitlines():
        char, _, order = line.partition("\t")
        strokes[char] = order
    near: dict[str, set[str]] = defaultdict(set)
    for line in (sources / "same_stroke.txt").read_text(encoding="utf-8").splitlines():
        group = [char for char in line.split() if char in common]
        for char in group[1:]:
            near[group[0]].add(char)
            near[char].add(group[0])
    pairs = sorted((-_similar(strokes, a, b), a, b) for a in near for b in near[a] if a < b)
    classes: dict[str, frozenset[str]] = {}
    for _, a, b in pairs:
        one, other = classes.get(a, frozenset(a)), classes.get(b, frozenset(b))
        merged = one | other
        if one is not other and len(merged) <= _MAX_LOOKALIKES and all(y in near[x] for x in one for y in other):
            classes.update(dict.fromkeys(merged, merged))
    return sorted("".join(sorted(group)) for group in set(classes.values()))


def _similar(strokes: dict[str, str], a: str, b: str) -> float:
    """Similarity, 0 to 1: the longest common subsequence of two stroke orders, divided by the longer length."""
    one, other = strokes.get(a, ""), strokes.get(b, "")
    row = [0] * (len(other) + 1)
    for x in one:
        row = _next_row(row, x, other)
    return row[-1] / max(len(one), len(other), 1)


def _next_row(row: list[int], x: str, other: str) -> list[int]:
    longer = [0]
    for n, y in enumerate(other):
        longer.append(row[n] + 1 if x == y else max(row[n + 1], longer[n]))
    return longer


def main(sources: Path, ham: Path | None) -> None:
    """Write every table."""
    honest: Counter[str] = Counter()
    if ham is not None:
        for line in filter(None, ham.read_text(encoding="utf-8").split("\n")):
            row = json.loads(line)
            if row["label"] == "ham":
                text = row["text"]
                honest.update({text[n : n + 2] for n in range(len(text) - 1)})
    tables = {
        "simplified": simplified(),
        "pinyin": pinyin(),
        "homoglyphs": homoglyphs(sources),
        "splits": splits(sources, honest),
        "lookalikes": lookalikes(sources),
    }
    for name, rows in tables.items():
        (HERE / f"{name}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
