"""/executions: what ran, searched by the address, as a page, as a table file, and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from apiflask import APIBlueprint
from flask import Response, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.exceptions import BadRequest

from windmill.core.documents import Document
from windmill.core.errors import Refused
from windmill.core.model import Cause, State
from windmill.core.ports import LOOKED_INTO, ExecutionFilter, Page
from windmill.dashboard import catalog
from windmill.dashboard.context import now, store
from windmill.dashboard.filters import NAMES, Asked, labelled, read
from windmill.dashboard.records import told
from windmill.dashboard.words import TRIGGERS

PAGE: Final = 50
PAGE_MAX: Final = 200
ROWS_MAX: Final = 10_000  # of a table file
LAST: Final = (
    ("1h", lazy_gettext("Last hour")),
    ("24h", lazy_gettext("Last 24 hours")),
    ("7d", lazy_gettext("Last 7 days")),
    ("30d", lazy_gettext("Last 30 days")),
)
MORE: Final = (  # filters shown where one is used
    "job", "label", "from", "to", "revision", "longer_than", "contains", "failure", "column",
)  # fmt: skip
COLUMNS: Final = (
    "id", "project", "job", "state", "reason", "trigger", "requested_by", "slot", "queued_at", "started_at",
    "ended_at", "duration_ms", "exit_code", "signal", "attempt", "retry_of", "revision", "author", "subject",
    "coalesced", "output_bytes", "cut_bytes",
)  # fmt: skip
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute

blueprint = APIBlueprint("executions", __name__, enable_openapi=False)


@blueprint.get("/executions")
def listing() -> tuple[str, int]:
    """Show a page of the executions that the address asks for, newest first; 400 when it cannot be read."""
    asked, page, mistakes = search(), Page(items=[]), []
    try:
        page = found(asked, limit=PAGE)
    except BadRequest as error:
        mistakes = str(error.description).split("\n")
    instant = now()
    given: dict[str, Any] = {name: list(values) for name, values in asked.given.items()}
    html = render_template(
        "executions.html",
        executions=[told(one, instant) for one in page.items],
        mistakes=mistakes,
        asked=asked,
        given=given,
        states=list(State),
        options=_options(),
        more_filters=not given.keys().isdisjoint(MORE),
        older=page.next and url_for(".listing", **given, cursor=page.next),
        newest=url_for(".listing", **given) if request.args.get("cursor") else None,
        looked_until=page.looked_until,
        looked_into=LOOKED_INTO,
        as_csv=url_for(".table", **given),
        as_json=url_for("api.executions.listed", **given),
    )
    return html, 400 if mistakes else 200


@blueprint.get("/executions.csv")
def table() -> Response:
    """Return the executions that the address asks for as CSV, ROWS_MAX at most; X-Next-Cursor is where it goes on."""
    asked, cursor = search(), request.args.get("cursor")
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow([*COLUMNS, *asked.columns])
    rows = 0
    while rows < ROWS_MAX:
        page = found(asked, limit=min(PAGE_MAX, ROWS_MAX - rows), cursor=cursor)
        writer.writerows(_row(one, asked.columns) for one in page.items)
        rows, cursor = rows + len(page.items), page.next
        if cursor is None or page.looked_until:
            break
    answer = Response(lines.getvalue(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = "attachment; filename=executions.csv"
    if cursor:
        answer.headers["X-Next-Cursor"] = cursor
    return answer


def search() -> Asked:
    """Return what the address asks for."""
    return read({name: request.args.getlist(name) for name in NAMES}, now())


def found(asked: Asked, *, limit: int, cursor: str | None = None) -> Page:
    """Return the page. Raises BadRequest for an address that cannot be read, with a line for each mistake."""
    if asked.mistakes:
        raise BadRequest("\n".join(asked.mistakes))
    try:
        return store().executions(_wanted(asked), limit=limit, cursor=cursor or request.args.get("cursor") or None)
    except Refused as error:
        raise BadRequest(error.message) from None


def _wanted(asked: Asked) -> ExecutionFilter:
    if not asked.labels:
        return asked.wanted
    jobs = (job for job in catalog.all_jobs() if all(labelled(job, label) for label in asked.labels))
    return replace(asked.wanted, jobs=frozenset(job["id"] for job in jobs))


def _options() -> dict[str, list[tuple[str, str]]]:
    """Return what there is to choose from: values and their words."""
    projects = sorted({str(job["project"]) for job in catalog.all_jobs()})
    return {
        "projects": [(project, project) for project in projects],
        "last": [(value, str(name)) for value, name in LAST],
        "triggers": [(str(cause), str(TRIGGERS[cause])) for cause in Cause],
    }


def _row(document: Document, facts: Iterable[str]) -> list[str]:
    return [*_cells(document, COLUMNS), *_cells(document.get("facts") or {}, facts)]


def _cells(document: Document, columns: Iterable[str]) -> Iterator[str]:
    """Yield the document's columns; what a spreadsheet would take for a formula is kept from being one."""
    for column in columns:
        value = document.get(column)
        text = "" if value is None else str(value)
        yield f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text
