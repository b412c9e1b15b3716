"""Events that hold a number, a link, or a recipient of a carrier or region."""

from __future__ import annotations

import duckdb

from pipeline.actions.explore.filters import Filters, Values, moment
from pipeline.lake.marks import mark_of

# The host of a link in a masked text in small letters, as the lake keeps it (lake/privacy.py).
_HOST = r"((?:[a-z0-9][a-z0-9-]{0,62}\.){1,6}[a-z]{2,18})(?:[^a-z0-9.@-]|$)"
# Most texts have no full stop, and a search for one costs a tenth of the expression.
_LINK = f"CASE WHEN contains(content, '.') THEN regexp_extract(lower(content), '{_HOST}', 1) ELSE '' END AS link"
MOST_OFFSETS = 1000  # that are named in a condition; for more, whole days are read


def found(
    lake: duckdb.DuckDBPyConnection,
    filters: Filters,
    since: int,
    until: int,
    also: tuple[str, ...] = (),
    always: bool = False,
) -> tuple[str, Values]:
    """The SELECT of the events (partition, id, accepted_at) that fit, or "" if these filters ask for none.

    With `always` it is made also where they ask for none: it then has all events of the period that the lake has.
    `also` are columns of the event that it shall have, too: `link` (the first one), `carriers`, `regions`,
    `recipients`. Of the parameters, it takes `day`, `since` and `until` from its caller.
    """
    if not (filters.link or filters.number or filters.places or also or always):
        return "", {}
    submission = filters.source == "submission"
    table, at = ("submissions", "accepted_at") if submission else ("records", "submitted_at")
    period: Values = {
        "day": moment(since).date(),
        "last": moment(until).date(),
        "since": moment(since),
        "until": moment(until),
    }
    of_period = f"dt BETWEEN $day AND $last AND {at} >= $since AND {at} < $until"
    conditions = [of_period, *(["round = 0"] if submission else [])]
    values: Values = {"last": period["last"]}
    if filters.link:
        hosts = f"regexp_extract_all(lower(content), '{_HOST}', 1)"
        conditions.append(f"contains(lower(content), $link) AND list_contains({hosts}, $link)")
        values["link"] = filters.link.lower()
    if filters.number and submission:
        conditions += [_marked(lake, of_period, period, filters.number), "list_contains(recipients, $number)"]
    elif filters.number:
        conditions.append("(sender = $number OR recipient = $number)")
    if filters.number:
        values["number"] = filters.number
    for name in filters.places:
        conditions.append(f"list_contains({name}s, ${name})")
        values[name] = getattr(filters, name)
    more = "".join(f", {_LINK if name == 'link' else _of_each(name)}" for name in also)
    return f"SELECT partition, id, {at} AS accepted_at{more} FROM {table} WHERE {' AND '.join(conditions)}", values  # noqa: S608 - of our own words


def _of_each(name: str) -> str:
    """The lists of a column, in rows of older versions as many empty words as recipients."""
    return f"coalesce({name}, list_resize([]::VARCHAR[], messages, '')) AS {name}"


def _marked(lake: duckdb.DuckDBPyConnection, of_period: str, period: Values, number: str) -> str:
    """The condition that leaves few submissions to compare by their hashes: those with the mark of the number."""
    mark = mark_of(number)
    if mark is None:
        return "false"
    # A row for each day, so that the answer stays small however much the number gets.
    asked = f"""SELECT dt, bool_or(recipient_marks IS NULL),
            list(DISTINCT "offset") FILTER (recipient_marks IS NOT NULL)[:{MOST_OFFSETS + 1}]
        FROM submissions WHERE {of_period} AND (recipient_marks IS NULL OR list_contains(recipient_marks, $mark))
        GROUP BY dt ORDER BY dt"""  # noqa: S608 - of our own words
    rows = lake.execute(asked, period | {"mark": mark}).fetchall()
    if not rows:
        return "false"
    days = ", ".join(f"DATE '{day.isoformat()}'" for day, *_ in rows)
    offsets = sorted({offset for *_, of_day in rows for offset in of_day or ()})
    if len(offsets) > MOST_OFFSETS:
        return f"dt IN ({days})"
    places = f'"offset" IN ({", ".join(map(str, offsets))})' if offsets else "false"
    unmarked = any(without for _, without, _ in rows)
    return f"dt IN ({days}) AND {f'(recipient_marks IS NULL OR {places})' if unmarked else places}"
