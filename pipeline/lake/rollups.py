"""Roll-ups: sums by hour of what the large tables hold row by row.

A page or report that adds up days of traffic would read every decision. A roll-up holds the same sums in few rows. The
sink writes its rows with each flush, from the rows of that flush, under the same positions (`pipeline.lake.sink`), so
a roll-up counts each row once, whatever dies. Several rows may have the same keys: the views add them up, and upkeep
merges them.

Sums must add up over any cut of the rows into flushes. Therefore a roll-up holds only what one row says by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from pipeline.events import Verdict
from pipeline.lake.columns import TEXT, TIME, Array
from pipeline.lake.tables import DECISIONS, DELIVERIES, SUBMISSIONS, Table

pc: Any = pyarrow.compute  # its stubs miss what it takes and returns

FINAL = {
    Verdict.RELEASE: "released",
    Verdict.REVIEW: "reviewed",
    Verdict.REJECT: "rejected",
    Verdict.BLACKLIST: "blacklisted",
}


@dataclass(frozen=True, slots=True)
class Rollup:
    """Sums over the rows of the table `of`. `spread` makes rows with `keys` and `measures` from rows of the table.

    A change of the definition takes a new `version`: the sink then makes the roll-up anew from the table.
    """

    name: str
    of: Table
    version: int
    keys: tuple[pa.Field[Any], ...]
    measures: tuple[str, ...]
    spread: Callable[[pa.Table], dict[str, Any]]
    full: bool = field(default=False, init=False)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema; `dt` is that of the rows counted, so both expire together."""
        sums = (pa.field(name, pa.int64()) for name in self.measures)
        return pa.schema([pa.field("dt", pa.date32()), *self.keys, *sums])

    def rows(self, raw: pa.Table | None, counted: Iterable[tuple[str, int, int]] = ()) -> pa.Table:
        """The sums of these rows, one row for each distinct set of keys.

        Rows that it has counted are left out: those of a log's partition up to an offset (log, partition, offset).
        """
        if raw is None:
            return self.schema.empty_table()
        for log_id, partition, offset in counted:
            of_log = pc.and_(pc.equal(raw["log_id"], log_id), pc.equal(raw["partition"], partition))
            raw = raw.filter(pc.invert(pc.and_(of_log, pc.less_equal(raw["offset"], offset))))
        schema = self.schema
        columns = self.spread(raw.combine_chunks())
        cast = [_cast(columns[name], schema.field(name).type) for name in schema.names]
        return self.merged(pa.Table.from_arrays(cast, schema=schema))

    def merged(self, rows: pa.Table) -> pa.Table:
        """The same sums in the fewest rows, in order of the hour and the other keys."""
        keys = ["dt", *(key.name for key in self.keys)]
        sums = rows.group_by(keys).aggregate([(name, "sum") for name in self.measures])
        schema = self.schema
        cast = [_cast(sums[name if name in keys else f"{name}_sum"], schema.field(name).type) for name in schema.names]
        return pa.Table.from_arrays(cast, schema=schema).sort_by([(key, "ascending") for key in keys])


def _cast(values: Any, kind: pa.DataType) -> Any:
    return pa.array(values, kind) if isinstance(values, np.ndarray) else values.cast(kind)


def _hour(first: Array, second: Array) -> Array:
    return pc.floor_temporal(pc.coalesce(first, second), unit="hour")


def _lengths(lists: Array) -> Any:
    """Lengths of lists; a null, as old files give for a younger column, is an empty list."""
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)


def _flat(rows: pa.Table, name: str) -> tuple[Any, Array]:
    """The structs of a column of lists, and the row of each."""
    lists = rows[name].combine_chunks()
    return pc.list_parent_indices(lists).to_numpy().astype(np.int64), pc.list_flatten(lists)


def _deciding_rule(rows: pa.Table) -> Array:
    lengths = _lengths(rows["reasons"])
    _, reasons = _flat(rows, "reasons")
    return pc.struct_field(reasons, "rule").take(pa.array(np.cumsum(lengths) - lengths, mask=lengths == 0))


def _traffic(rows: pa.Table) -> dict[str, Any]:
    # A held submission comes back whole with its next round, so a hold says nothing final of any of its messages.
    messages, first = rows["messages"].to_numpy(), rows["round"].to_numpy() == 0
    verdict = np.asarray(rows["verdict"].to_pylist(), dtype=object)
    held = verdict == Verdict.HOLD.value
    parents, exceptions = _flat(rows, "exceptions")
    excepted = np.asarray(pc.struct_field(exceptions, "verdict").to_pylist(), dtype=object)
    most = messages - _lengths(rows["exceptions"])  # of the messages: those with the decision's own verdict
    sums = {
        column: np.where(
            held,
            0,
            np.where(verdict == one.value, most, 0)
            + np.bincount(parents[excepted == one.value], minlength=len(messages)),
        )
        for one, column in FINAL.items()
    }
    return {
        "dt": rows["dt"],
        "hour": _hour(rows["accepted_at"], rows["decided_at"]),
        **{name: rows[name] for name in ("source", "port", "kind", "category", "campaign", "policy")},
        "rule": _deciding_rule(rows),
        "decisions": np.ones(len(messages), np.int64),
        "messages": np.where(first, messages, 0),
        **sums,
        "held": np.where(held, messages, 0),
        "returned": np.where(first, 0, messages),
        "degraded": rows["degraded"].to_numpy(zero_copy_only=False).astype(np.int64),
    }


TRAFFIC = Rollup(
    "traffic_hourly",
    DECISIONS,
    1,
    (
        pa.field("hour", TIME),
        *(pa.field(name, TEXT) for name in ("source", "port", "kind", "category", "campaign", "policy", "rule")),
    ),
    ("decisions", "messages", *FINAL.values(), "held", "returned", "degraded"),
    _traffic,
)


def _hits(rows: pa.Table) -> dict[str, Any]:
    effects = [
        _of_decisions(rows, "reasons", ("deciding", "counted")),
        _of_decisions(rows, "shadow", ("shadow", "shadow")),
        _of_decisions(rows, "suppressed", ("suppressed", "suppressed")),
        _of_recipients(rows),
    ]
    parents = np.concatenate([parent for parent, _ in effects])
    hits = pa.concat_tables([hit for _, hit in effects]).combine_chunks()
    return {
        "dt": rows["dt"].take(parents),
        "hour": _hour(rows["accepted_at"], rows["decided_at"]).take(parents),
        "source": rows["source"].take(parents),
        "port": rows["port"].take(parents),
        "first": pc.equal(rows["round"], 0).take(parents),
        **{name: hits[name] for name in hits.column_names},
    }


def _of_decisions(rows: pa.Table, column: str, effects: tuple[str, str]) -> tuple[Any, pa.Table]:
    """A row for each match of `column`: the first of a decision has the first effect, the others the second."""
    parents, matches = _flat(rows, column)
    lengths = _lengths(rows[column])
    leads = np.arange(len(parents)) == (np.cumsum(lengths) - lengths)[parents]
    return parents, pa.table(
        {
            "rule": pc.struct_field(matches, "rule"),
            "verdict": pc.struct_field(matches, "verdict"),
            "effect": pa.array(np.where(leads, *effects).tolist(), TEXT),
            "decisions": pa.array(np.ones(len(parents), np.int64)),
            "messages": pa.array(rows["messages"].to_numpy()[parents], pa.int64()),
        }
    )


def _of_recipients(rows: pa.Table) -> tuple[Any, pa.Table]:
    """A row for each rule that made exceptions in a decision, with the number of recipients."""
    parents, matches = _flat(rows, "exceptions")
    single = pa.table(
        {
            "parent": parents,
            "rule": pc.struct_field(matches, "rule"),
            "verdict": pc.struct_field(matches, "verdict"),
            "messages": np.ones(len(parents), np.int64),
        }
    )
    each = single.group_by(["parent", "rule", "verdict"]).aggregate([("messages", "sum")])
    return each["parent"].to_numpy(), pa.table(
        {
            "rule": each["rule"],
            "verdict": each["verdict"],
            "effect": pa.array(["exception"] * each.num_rows, TEXT),
            "decisions": pa.array(np.ones(each.num_rows, np.int64)),
            "messages": each["messages_sum"],
        }
    )


RULES = Rollup(
    "rules_hourly",
    DECISIONS,
    1,
    (
        pa.field("hour", TIME),
        *(pa.field(name, TEXT) for name in ("source", "port", "rule", "verdict", "effect")),
        pa.field("first", pa.bool_()),
    ),
    ("decisions", "messages"),
    _hits,
)


def _reports(rows: pa.Table) -> dict[str, Any]:
    return {
        "dt": rows["dt"],
        "hour": pc.floor_temporal(rows["reported_at"], unit="hour"),
        **{name: rows[name] for name in ("channel", "port", "status")},
        "reports": np.ones(rows.num_rows, np.int64),
    }


REPORTS = Rollup(
    "deliveries_hourly",
    DELIVERIES,
    1,
    (pa.field("hour", TIME), *(pa.field(name, TEXT) for name in ("channel", "port", "status"))),
    ("reports",),
    _reports,
)


def _recipients(rows: pa.Table) -> dict[str, Any]:
    first: Array = pa.array(np.flatnonzero(rows["round"].to_numpy() == 0))
    rows = rows.take(first).combine_chunks()
    lengths = _lengths(rows["recipients"])
    parents: Array = pa.array(np.repeat(np.arange(len(lengths)), lengths))
    return {
        "dt": rows["dt"].take(parents),
        "hour": pc.floor_temporal(rows["accepted_at"], unit="hour").take(parents),
        "carrier": _of_each(rows["carriers"], lengths),
        "region": _of_each(rows["regions"], lengths),
        "messages": np.ones(len(parents), np.int64),
        "parts": pc.fill_null(rows["parts"], 1).take(parents),
    }


def _of_each(lists: Array, lengths: Any) -> Any:
    """What a column of lists says of each recipient; "" where an old file says nothing of the recipients of a row."""
    told = _lengths(lists) == lengths
    words = np.full(int(lengths.sum()), "", object)
    flat = pc.list_flatten(lists.take(pa.array(np.flatnonzero(told))).combine_chunks())
    words[np.repeat(told, lengths)] = flat.to_numpy(zero_copy_only=False)
    return words


RECIPIENTS = Rollup(
    "recipients_hourly",
    SUBMISSIONS,
    1,
    (pa.field("hour", TIME), *(pa.field(name, TEXT) for name in ("carrier", "region"))),
    ("messages", "parts"),
    _recipients,
)

ROLLUPS: tuple[Rollup, ...] = (TRAFFIC, RULES, REPORTS, RECIPIENTS)
