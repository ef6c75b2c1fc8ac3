"""Counts of ended executions by day in the embedded store: triggers keep them, so that no writer can forget to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from windmill.core.documents import Document
from windmill.core.model import TERMINAL
from windmill.store.documents import milliseconds
from windmill.store.listing import instant_of

DAY_MS: Final = 86_400_000
_EVER: Final = DAY_MS << 20  # a day beyond what a calendar knows

_SCOPES: Final = ("''", "{0}project || '/'", "{0}job")  # everything, a project, a job
_ENDED: Final = "{0}state NOT IN ('queued', 'running')"
_ADD: Final = """
INSERT INTO tally VALUES {rows}
ON CONFLICT DO UPDATE SET count = count + excluded.count, duration_ms = duration_ms + excluded.duration_ms;"""


def _added(row: str, sign: str) -> str:
    facts = f"{row}queued_at / {DAY_MS}, {row}state, {sign}1, {sign}coalesce({row}duration_ms, 0)"  # of one execution
    return _ADD.format(rows=", ".join(f"({scope.format(row)}, {facts})" for scope in _SCOPES))


# What has ended never changes, so that each execution is counted once; a count is taken back when it is deleted.
TALLY: Final = f"""
CREATE TABLE tally (
    scope TEXT NOT NULL,
    day INTEGER NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, day, state)
) WITHOUT ROWID;
CREATE TRIGGER execution_came_ended AFTER INSERT ON execution WHEN {_ENDED.format("NEW.")} BEGIN{_added("NEW.", "")}
END;
CREATE TRIGGER execution_ended AFTER UPDATE ON execution WHEN {_ENDED.format("NEW.")} AND OLD.state <> NEW.state
BEGIN{_added("NEW.", "")}
END;
CREATE TRIGGER execution_went AFTER DELETE ON execution WHEN {_ENDED.format("OLD.")} BEGIN{_added("OLD.", "-")}
DELETE FROM tally WHERE scope IN ({", ".join(scope.format("OLD.") for scope in _SCOPES)})
    AND day = OLD.queued_at / {DAY_MS} AND state = OLD.state AND count = 0;
END;
""" + "".join(  # noqa: S608 - only literals of this module
    f"""
INSERT INTO tally SELECT {scope.format("")}, queued_at / {DAY_MS}, state, count(*), coalesce(sum(duration_ms), 0)
FROM execution WHERE {_ENDED.format("")} GROUP BY 1, 2, 3;"""  # noqa: S608 - as above
    for scope in _SCOPES
)

_WHOLE_DAYS: Final = "SELECT day, state, count, duration_ms FROM tally WHERE scope = ? AND day >= ? AND day < ?"
_STATES: Final = ", ".join(f"'{state}'" for state in sorted(TERMINAL))


def select_tally(*, job: str, project: str, since: datetime | None, until: datetime | None) -> tuple[str, list[Any]]:
    """Return the query for the rows of `tallied`: what was queued in the window, by day and state.

    Whole days are counted already; what is left of a day at either end is counted from the entries of an index.
    """
    begin = 0 if since is None else milliseconds(since)
    end = _EVER if until is None else milliseconds(until)
    first, last = -(-begin // DAY_MS), end // DAY_MS
    edges = [(begin, first * DAY_MS), (last * DAY_MS, end)] if first <= last else [(begin, end)]
    arms, values = [_WHOLE_DAYS], [job or (project and f"{project}/"), first, last]
    for edge in edges:
        if edge[0] < edge[1]:
            arms.append(_edge(job=job, project=project))
            values += [*([job or project] if job or project else []), *edge]
    counted = " UNION ALL ".join(arms)
    return (
        f"SELECT day, state, sum(count), sum(duration_ms) FROM ({counted}) GROUP BY day, state ORDER BY day, state",  # noqa: S608 - literals
        values,
    )


def tallied(rows: Iterable[Sequence[Any]]) -> list[Document]:
    """Return {day, state, count, duration_ms} of each row, the day as text."""
    return [
        {
            "day": instant_of(day * DAY_MS).date().isoformat(),
            "state": state,
            "count": count,
            "duration_ms": duration_ms,
        }
        for day, state, count, duration_ms in rows
    ]


def _edge(*, job: str, project: str) -> str:
    index, led = ("time", "")
    if job or project:
        column = "job" if job else "project"
        index, led = column, f"{column} = ? AND "
    return (
        f"SELECT queued_at / {DAY_MS} AS day, state, 1 AS count, coalesce(duration_ms, 0) AS duration_ms"  # noqa: S608
        f" FROM execution INDEXED BY execution_by_{index} WHERE {led}state IN ({_STATES})"
        " AND queued_at >= ? AND queued_at < ?"
    )
