"""/executions/ID: what came of an execution, why, and what it wrote."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from apiflask import APIBlueprint
from flask import Response, make_response, render_template, request
from flask_babel import format_percent, gettext, ngettext

from windmill.core.documents import Document, from_text
from windmill.core.model import TERMINAL, Cause, State, execution_id
from windmill.dashboard import records
from windmill.dashboard.chain import following, follows
from windmill.dashboard.context import now, store
from windmill.dashboard.output import find
from windmill.dashboard.pace import pace, usual
from windmill.dashboard.reading import LOADED_MAX, Part, address, frame, part
from windmill.dashboard.security import policy
from windmill.dashboard.streams import PIECE, event
from windmill.dashboard.text import decoded, plain
from windmill.dashboard.verdict import verdict
from windmill.dashboard.waiting import lines

WORDS: Final = 64 << 10  # bytes at the end of the output in which a failure's reason is looked for

blueprint = APIBlueprint("execution", __name__, enable_openapi=False)
blueprint.add_app_template_filter(records.size, "size")
blueprint.add_app_template_filter(format_percent, "percent")
blueprint.add_app_template_filter(records.clock, "clock")
blueprint.add_app_template_filter(records.lasting, "lasting")
blueprint.add_app_template_filter(records.written, "written")


@blueprint.get("/executions/<identity>")
def execution(identity: str) -> Response:
    """Show the execution: a failure's reason first, then the facts, then its output as text.

    ?after=FRAME shows the output that follows, else its end is shown; ?stream=stderr, ?times=1 and ?wrap=0 say how.
    A page that is open and asks again gets everything but the output.
    """
    document = find(identity)
    shown = None if "HX-Request" in request.headers else part(document)
    nonce = secrets.token_urlsafe(16)
    output = {} if shown is None else _output(document, shown)
    answer = make_response(render_template("execution.html", **_head(document), **output, part=shown, nonce=nonce))
    answer.headers["Content-Security-Policy"] = policy(style_nonce=nonce)
    answer.headers["Vary"] = "HX-Request"
    return answer


@blueprint.get("/executions/<identity>/events")
def events(identity: str) -> Response:
    """Return the output that follows frame `after` as events, as the stream does, but what there is, at once."""
    document, after = find(identity), frame(request.args.get("after", ""))
    blocks = store().output(identity, after=after, limit=PIECE)
    told = [event(block) for block in blocks]
    if not blocks and document["state"] in TERMINAL:
        told.append(f"event: end\ndata: {document['state']}\n\n")
    return Response("".join(told), mimetype="text/event-stream")


def _head(document: Document) -> dict[str, Any]:
    read, instant = store(), now()
    before, after = read.neighbours(document)
    recent = [one for one in read.recent([document["job"]]).get(document["job"], []) if one["id"] != document["id"]]
    taken, expected = _taken(document, instant), usual(recent)
    return {
        "execution": records.told(document, instant),
        "ended": document["state"] in TERMINAL,
        "verdict": verdict(document, plain(decoded(read.output_tail(document["id"], size=WORDS), note=""))),
        "taken": taken,
        "pace": pace(taken, expected) if taken is not None and expected is not None else None,
        "attempts": _attempts(document),
        "line": lines().get(document["id"]) if document["state"] == State.QUEUED else None,
        "follows": follows(document),
        "following": following(document),
        "before": before,
        "after": after,
    }


def _taken(document: Document, instant: datetime) -> timedelta | None:
    started = from_text(document["started_at"])
    if started is None:
        return None
    return max((from_text(document["ended_at"]) or instant) - started, timedelta(0))


def _attempts(document: Document) -> list[Document]:
    """Return the attempts at what the execution is for, in order, where it is not the only one."""
    read, found = store(), [document]
    while found[0]["trigger"] == Cause.RETRY and (one := read.execution(found[0]["retry_of"] or "-")):
        found.insert(0, one)
    while one := read.execution(
        execution_id(document["job"], cause=Cause.RETRY, what=found[-1]["id"], attempt=found[-1]["attempt"] + 1)
    ):
        found.append(one)
    return found if len(found) > 1 else []


def _output(document: Document, shown: Part) -> dict[str, Any]:
    return {
        "address": partial(address, document["id"], shown),
        "loadable": shown.after > 0 and document["output_bytes"] - document["cut_bytes"] <= LOADED_MAX,
        "words": _words(),
    }


def _words() -> dict[str, Any]:
    """Return what the script of the page says; {} stands for a number or a word."""
    return {
        "live": gettext("● live"),
        "polling": gettext("◌ live, every 2 seconds"),
        "away": gettext("○ disconnected, retrying"),
        "ended": gettext("Ended: %(state)s", state="{}"),
        "latest": gettext("Jump to latest ↓"),
        "unseen": {
            "one": gettext("Jump to latest ↓ 1 new line"),
            "other": ngettext("Jump to latest ↓ %(num)d new line", "Jump to latest ↓ %(num)d new lines", 0).replace(
                "0", "{}"
            ),
        },
        "found": gettext("%(index)s of %(count)s", index="{}", count="{}"),
        "none": gettext("not found"),
        "more": gettext(" … %(num)s more characters", num="{}"),
        "loading": gettext("Loading…"),
        "left": gettext("about %(left)s left", left="{}"),
        "longer": gettext("takes longer than usual"),
    }
