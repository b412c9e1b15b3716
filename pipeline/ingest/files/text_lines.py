"""Lines in, lines out: the common part of `antispam screen`, `classify`, `match`, `normalise` and `campaigns`.

A bad line is kept with its number in the rejected file, and the work continues. The input is opened before the
output is created, so a mistyped input name never empties an earlier result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import msgspec

from pipeline import door
from pipeline.campaigns.index import Campaigns, campaigns_of
from pipeline.errors import AntispamError
from pipeline.files.columns import Columns, Table
from pipeline.files.rejected import Rejected
from pipeline.files.source_file import SourceFile, open_source
from pipeline.models.classifier import Classifier
from pipeline.rules.words.dictionary import Dictionary, in_force
from pipeline.text.normal import normalise_batch
from pipeline.text.views import views

BATCH = 500  # texts processed together
_BATCH_CHARS = 4_000_000  # code points; a line may be a megabyte

Answer = dict[str, Any]
_COLUMNS = Columns(("id", "text"), frozenset(("id", "text")))


class TextLine(msgspec.Struct):
    """A text with the id that its answer repeats; other fields are ignored."""

    id: str | int
    text: str


def open_lines(source: Path, wanted: Sequence[Columns]) -> tuple[Table | None, Iterator[tuple[int, Any, str]]]:
    """A csv's table (None for jsonl) and (line number, value, fault) of each line; `-` is jsonl on stdin.

    Raises AntispamError for a file that cannot be read, or for a csv that matches none of the wanted kinds.
    """
    if str(source) == "-":
        return None, SourceFile(source, "stdin", 0, "utf-8", "jsonl").read(sys.stdin.buffer, None)
    opened = open_source(source)
    table = opened.table(wanted)
    return table, ((number, value, fault) for number, value, fault, _ in opened.rows(table))


@contextmanager
def output(source: Path, out: Path, rejected: Path) -> Iterator[tuple[IO[bytes], Rejected]]:
    """Open the files for the answers (`-` is stdout) and for the bad lines of `source`.

    Raises AntispamError if `out` cannot be created, or if two of the three files are the same.
    """
    named = [path for path in (source, out, rejected) if str(path) != "-"]
    files = [path.resolve() for path in named if not path.exists() or path.is_file()]
    if len(set(files)) < len(files):
        raise AntispamError(f"{out}: input, output and rejected lines must be different files")
    try:
        opened = nullcontext(sys.stdout.buffer) if str(out) == "-" else out.open("wb")
    except OSError as error:
        raise AntispamError(f"{out}: {error.strerror}") from None
    with opened as sink, Rejected(rejected) as bad:
        yield sink, bad


def classify_file(source: Path, out: Path, rejected: Path, classifier: Classifier) -> tuple[int, int]:
    """Turn `{id, text}` lines into `{id, score, label, category}` lines. Returns (answers, rejected lines)."""

    def answer(texts: Sequence[str]) -> Iterable[Answer]:
        for opinion in classifier.classify(texts):
            yield {"score": opinion.score, "label": opinion.label, "category": opinion.category}

    return _answer_file(source, out, rejected, answer)


def match_file(source: Path, out: Path, rejected: Path, dictionary: Dictionary, at: int) -> tuple[int, int]:
    """Turn `{id, text}` lines into `{id, hits}` lines, with the words in force at `at` (epoch ms).

    Returns (answers, rejected lines). Spans are code points of the text; `via` names the view that holds the word.
    """

    def answer(texts: Sequence[str]) -> Iterable[Answer]:
        for found in dictionary.match_batch(texts):
            hits = [
                {"word": h.word, "category": h.category, "start": h.start, "end": h.end, "via": h.via}
                for h in in_force(found, at)
            ]
            yield {"hits": hits}

    return _answer_file(source, out, rejected, answer)


def normalise_file(source: Path, out: Path, rejected: Path) -> tuple[int, int]:
    """Turn `{id, text}` lines into `{id, normal, views, map, techniques}` lines. Returns (answers, rejected lines).

    `map[i]` is the index in the text of the i-th code point of `normal`.
    """

    def answer(texts: Sequence[str]) -> Iterable[Answer]:
        normals = normalise_batch(texts)
        for n, of_views in enumerate(views(normals)):
            yield {
                "normal": normals.texts[n],
                "views": of_views,
                "map": normals.map(n).tolist(),
                "techniques": dict(normals.techniques[n]),
            }

    return _answer_file(source, out, rejected, answer)


def campaigns_file(source: Path, out: Path, rejected: Path, campaigns: Campaigns) -> tuple[int, int]:
    """Turn `{id, text}` lines into `{id, campaign}` lines, in one pass. Returns (answers, rejected lines)."""

    def answer(texts: Sequence[str]) -> Iterable[Answer]:
        for campaign in campaigns_of(texts, campaigns):
            yield {"campaign": campaign}

    return _answer_file(source, out, rejected, answer)


def _answer_file(
    source: Path, out: Path, rejected: Path, answer: Callable[[Sequence[str]], Iterable[Answer]]
) -> tuple[int, int]:
    table, rows = open_lines(source, [_COLUMNS])
    answered = 0
    with output(source, out, rejected) as (sink, bad):
        for batch in _batches(rows, table, bad):
            for line, result in zip(batch, answer([line.text for line in batch]), strict=True):
                sink.write(msgspec.json.encode({"id": line.id, **result}) + b"\n")
            answered += len(batch)
        return answered, bad.count


def _batches(rows: Iterator[tuple[int, Any, str]], table: Table | None, bad: Rejected) -> Iterator[list[TextLine]]:
    batch: list[TextLine] = []
    chars = 0
    for number, value, fault in rows:
        try:
            if fault:
                raise AntispamError(fault)
            line = msgspec.convert(table.fields(value) if table else value, TextLine)
        except (msgspec.ValidationError, AntispamError) as error:
            bad.add(number, door.fault(error), value)
            continue
        batch.append(line)
        chars += len(line.text)
        if len(batch) == BATCH or chars > _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch
