"""The card of a model: its identity, training data, measured quality and weaknesses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import AntispamError

MAX_BYTES = 256 * 1024


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """The scores from which a policy should act, fixed on held-out folds of the training data.

    There, `reject` flags 0.1 % of the ham ("strict") and `review` 1 %.
    """

    review: float
    reject: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Converts a sum of integer weights to log-odds: `scale * sum / sqrt(grams) + bias - allowance`.

    The allowances of `particulars` and `own_domains` are the same for every model.
    """

    scale: float
    bias: float

    @classmethod
    def rounded(cls, scale: float, bias: float) -> Calibration:
        """With ten digits each: a solver's last ones may differ between trainings, and a version depends on all."""
        return cls(scale=float(f"{scale:.10g}"), bias=float(f"{bias:.10g}"))


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """A language of the third voice (other_languages.py), with what its folds showed.

    `honest` and `spam` count the texts it was calibrated on. The other counts and the shares are of its real texts, of
    sources that have both classes; they decide whether the language is `known`. No score refuses another one.
    """

    calibration: Calibration
    thresholds: Thresholds
    known: bool
    honest: int
    spam: int
    real_honest: int
    real_spam: int
    honest_over_strict: float
    spam_over_strict: float
    spam_flagged: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """All data of a model except its weights. Stored as card.json beside weights.npz.

    `calibration` and `thresholds` are by script (`features.SCRIPTS`), because each script has its own balance of spam
    and ham and its own tail of scores. `languages` are by name, and empty for a model of two voices.
    `sources` lists the data sets with their size and licence. `metrics` come from `evaluate`. `weaknesses` informs the
    people who choose a threshold.
    """

    format: int
    version: str
    features: str
    calibration: dict[str, Calibration]
    categories: tuple[str, ...]
    thresholds: dict[str, Thresholds]
    languages: dict[str, Language] = {}
    sources: tuple[dict[str, Any], ...] = ()
    metrics: dict[str, Any] = {}
    weaknesses: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Card:
        """Read card.json. Raises AntispamError if it is missing, too large or not a card."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise AntispamError(f"{path}: larger than {MAX_BYTES // 1024} KiB, not a model card")
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise AntispamError(f"{path}: cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AntispamError(f"{path}: not a model card: {error}") from error

    def save(self, path: Path) -> None:
        """Write card.json, indented for reading."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def markdown(self) -> str:
        """The card as Markdown: measured quality by language and source, data sources, weaknesses."""
        thresholds = [f"{of}: review {at.review:.4f}, reject {at.reject:.4f}" for of, at in self.thresholds.items()]
        lines = [
            f"# Spam classifier {self.version}",
            "",
            f"Linear by script, hashed grams ({self.features}). Score = P(spam); label spam from 0.5.",
            f"Thresholds: {'; '.join(thresholds)}.",
            f"Categories: {', '.join(self.categories)}.",
            "",
            "## Trained on",
            "",
            *_table([dict(source) for source in self.sources]),
        ]
        if self.languages:
            known = [name for name, language in self.languages.items() if language.known]
            lines += ["", "## Languages", "", f"Known beside Chinese and English: {', '.join(known) or 'none'}.", ""]
            lines += _table([_row(name, language) for name, language in self.languages.items()])
        for name, figures in self.metrics.items():
            lines += ["", f"## Measured: {name.replace('_', ' ')}"]
            for group in ("by_language", "by_source", "business"):
                if figures[group]:
                    rows = [{"": key} | row for key, row in figures[group].items()]
                    lines += ["", *_table(rows)]
        lines += ["", "## Known weaknesses", "", *(f"* {weakness}" for weakness in self.weaknesses)]
        return "\n".join(lines) + "\n"


def _row(name: str, language: Language) -> dict[str, Any]:
    real = language.real_honest > 0
    return {
        "": name,
        "known": "yes" if language.known else "no",
        "honest": language.honest,
        "spam": language.spam,
        "real honest": language.real_honest,
        "real spam": language.real_spam,
        "strict": f"{language.thresholds.reject:.4f}",
        "real honest over strict": language.honest_over_strict if real else None,
        "real spam over strict": language.spam_over_strict if real else None,
        "real spam over 0.5": language.spam_flagged if real else None,
    }


def _table(rows: list[dict[str, Any]]) -> list[str]:
    head = list(rows[0]) if rows else []
    body = [["–" if row[key] is None else str(row[key]).replace("|", r"\|") for key in head] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]
