"""The decisions of a period with their events, joined once and written in parts: the input of a replay.

A part holds whole ports and whole senders of records, so counters by port or sender are exact within it. The files hold
full texts: they lie in the folder of the run, which only its owner may read, and are deleted at its end.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from pipeline.errors import AntispamError
from pipeline.events import Event
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import TEXTS
from pipeline.lake.views import connect, view_full
from pipeline.settings import Settings

PARTS = 32  # whatever the number of cores, so that a run can go on on another machine
ROWS = 1000  # rows read at once
JOIN_MEMORY = "2GB"
PART_MEMORY = "512MB"


class JudgedMember(Event, frozen=True):
    """A submission in a case that a person decided. `port` is the sender field as given."""

    case: str
    port: str
    submission: str
    refused: bool


class Period(NamedTuple):
    """From `since` to `until` (epoch ms, exclusive), by the time of the decisions."""

    since: int
    until: int

    @property
    def where(self) -> str:
        """The condition on the view `decisions`."""
        days = f"dt BETWEEN '{_day(self.since)}' AND '{_day(self.until)}'"
        return f"{days} AND decided_at >= {_at(self.since)} AND decided_at < {_at(self.until)}"


class Contents(NamedTuple):
    """What a period of the lake holds; `print` changes if a decision is added or removed."""

    decisions: int
    print: str
    first_epoch: int
    policies: tuple[str, ...]


def contents(settings: Settings, period: Period) -> Contents:
    """Look at the decisions of a period. Raises AntispamError if there are none."""
    with connect(settings) as connection:
        found = connection.execute(_CONTENTS.format(decided=period.where)).fetchone()
    if found is None or not found[0]:
        raise AntispamError("the lake has no decision of this period")
    return Contents(found[0], f"{found[1]:x}", found[2], tuple(sorted(filter(None, found[3]))))


def write_parts(
    settings: Settings, period: Period, judged: Iterable[JudgedMember], folder: Path, count: int = PARTS
) -> None:
    """Write a period in at most `count` parts into `folder`, which is made anew.

    Raises AntispamError if there is too little space.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    with connect(settings) as connection:
        _bounded(connection, folder, JOIN_MEMORY)
        view_full(connection, settings, TEXTS)
        connection.register("judged", _members(judged, Privacy(settings.privacy_secret)))
        oldest = connection.execute(f"SELECT min(accepted_at)::DATE FROM decisions WHERE {period.where}")  # noqa: S608
        (first,) = oldest.fetchone() or (None,)
        days = f"dt BETWEEN '{first or _day(period.since)}'::DATE - 1 AND '{_day(period.until)}'::DATE + 1"
        joined = _JOIN.format(decided=period.where, days=days, parts=count)
        try:
            connection.execute(
                f"COPY ({joined}) TO '{_quoted(folder / 'parts')}' "
                "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (part))"
            )
        except duckdb.Error as error:  # no space left, for example
            raise AntispamError(f"the period cannot be joined: {str(error).splitlines()[0]}") from None
        except RuntimeError as error:
            if str(error) == "Query interrupted":  # what DuckDB makes of Ctrl-C
                raise KeyboardInterrupt from None
            raise


def parts(folder: Path) -> dict[int, int]:
    """The number of rows of each part that `write_parts` wrote."""
    files = f"{_quoted(folder / 'parts')}/*/*.parquet"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT part, count(*) FROM read_parquet('{files}', hive_partitioning = true) GROUP BY part"  # noqa: S608
        ).fetchall()
    return {int(part): count for part, count in sorted(rows)}


def rows_of(folder: Path, part: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of a part in the order in which live decided them, at most ROWS at a time.

    Within a partition of the topic `decisions` its offsets give the order: a worker's clock may have gone back.
    """
    files = f"{_quoted(folder / 'parts')}/part={part}/*.parquet"
    with duckdb.connect() as connection:
        _bounded(connection, folder, PART_MEMORY)
        connection.execute("SET threads = 1")  # the parts run side by side
        for batch in connection.sql(_ORDERED.format(files=files)).to_arrow_reader(ROWS):
            yield batch.to_pylist(maps_as_pydicts="lossy")


_CONTENTS = """
SELECT count(*), bit_xor(hash(log_id, "partition", "offset")), min(epoch), list(DISTINCT policy)
FROM decisions WHERE {decided}
"""

_JOIN = """
WITH decided AS (SELECT * FROM decisions WHERE {decided}),
-- A record that lies on its topic twice is decided once, as first read.
given AS (
    SELECT 'submission' AS source, id, round, port AS sender, accepted_at, partition,
           arg_min(log_id, "offset") AS log_id,
           arg_min(topic, "offset") AS topic, min("offset") AS at_offset, any_value(content) AS masked
    FROM submissions WHERE {days} GROUP BY ALL
    UNION ALL
    SELECT 'record', id, 0, sender, submitted_at, partition, arg_min(log_id, "offset"),
           arg_min(topic, "offset"), min("offset"), any_value(content)
    FROM records WHERE {days} GROUP BY ALL
),
full_texts AS (SELECT * FROM texts WHERE {days})
SELECT d.log_id AS decision_log, d.partition AS decision_partition, d."offset" AS decision_offset,
       d.source, d.id AS shown_id, d.round, d.verdict, d.port, coalesce(nullif(d.sender, ''), g.sender) AS shown_sender,
       d.messages, d.exceptions, [reason.rule FOR reason IN d.reasons] AS rules, d.counters, d.campaign, d.epoch,
       d.policy, d.dictionary, d.model, epoch_ms(d.decided_at) AS decided_at, g.masked,
       t.id, t.sender, t.recipients, t.content, t.form, t.rest, j."case", j.refused,
       (hash(d.source, CASE d.source WHEN 'record' THEN g.sender ELSE d.port END) % {parts})::INTEGER AS part
FROM decided d
LEFT JOIN given g ON g.source = d.source AND g.id = d.id AND g.round = d.round AND g.partition = d.partition
    AND g.accepted_at = d.accepted_at AND (d.source = 'record' OR g.sender = d.sender)
LEFT JOIN full_texts t ON t.log_id = g.log_id AND t.topic = g.topic AND t.partition = g.partition
    AND t."offset" = g.at_offset
LEFT JOIN judged j ON d.source = 'submission' AND j.id = d.id AND j.sender = d.sender
"""

_ORDERED = """
SELECT * EXCLUDE (turn) FROM (
    SELECT *, max(decided_at) OVER (PARTITION BY decision_log, decision_partition ORDER BY decision_offset) AS turn
    FROM read_parquet('{files}', hive_partitioning = false)
) ORDER BY turn, decision_log, decision_partition, decision_offset
"""


def _members(judged: Iterable[JudgedMember], privacy: Privacy) -> pa.Table:
    rows = {(privacy.party(m.port), privacy.ident(m.submission)): m for m in judged}
    return pa.table(
        {
            "sender": pa.array([sender for sender, _ in rows], pa.string()),
            "id": pa.array([ident for _, ident in rows], pa.string()),
            "case": pa.array([member.case for member in rows.values()], pa.string()),
            "refused": pa.array([member.refused for member in rows.values()], pa.bool_()),
        }
    )


def _bounded(connection: duckdb.DuckDBPyConnection, folder: Path, memory: str) -> None:
    """Bound the memory. What does not fit lies beside the parts: it is full text."""
    connection.execute(f"SET memory_limit = '{memory}'")
    connection.execute(f"SET temp_directory = '{_quoted(folder / 'spilled')}'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _day(at: int) -> str:
    return datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).date().isoformat()


def _at(at: int) -> str:
    return f"make_timestamptz({at} * 1000)"
