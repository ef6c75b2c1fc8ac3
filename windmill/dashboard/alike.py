"""What a failure has in common with others of its job: for the how-manieth time, since when, and the list of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from flask_babel import gettext

from windmill.core.documents import Document, from_text
from windmill.core.failures import repeated
from windmill.core.ports import FAILURES_COUNTED
from windmill.dashboard.context import now, store
from windmill.dashboard.words import relative

SHOWN: Final = 10  # kinds of failures of a job
DAYS: Final = 30
_DIGITS: Final = 7  # of a commit


def again(execution: Document) -> str:
    """Return in words how often its job has failed so by then, "" where nothing is known of it."""
    found = repeated(execution, store())
    if found is None:
        return ""
    count, first = found
    if count == 1:
        return _("It has not failed in this way before")
    since = {"num": count, "since": relative(from_text(first["queued_at"]) or now(), now())}
    commit = _commit(first)
    if count >= FAILURES_COUNTED:
        return _("In this way at least %(num)d times, first %(since)s", **since)
    if commit:
        return _("In this way %(num)d times since commit %(commit)s, first %(since)s", **since, commit=commit)
    return _("In this way %(num)d times, first %(since)s", **since)


def of_job(job: str, instant: datetime) -> list[dict[str, Any]]:
    """Return the kinds of failures of the last DAYS, the one that came last first, SHOWN at most."""
    groups = store().failures(job, since=instant - timedelta(days=DAYS))[:SHOWN]
    last = store().named([one["last"] for one in groups])
    return [
        group
        | {
            "failure": last[group["last"]]["failure"],
            "first_since": relative(from_text(group["first_at"]) or instant, instant),
            "last_since": relative(from_text(group["last_at"]) or instant, instant),
        }
        for group in groups
        if group["last"] in last
    ]


def _commit(execution: Document) -> str:
    """Return the commit as people name it, "" for code that is of none."""
    _ref, mark, commit = (execution.get("revision") or "").rpartition("@sha1:")
    if not mark:
        return ""
    subject = execution.get("subject") or ""
    return f"{commit[:_DIGITS]} ({subject})" if subject else commit[:_DIGITS]


def _(sentence: str, **names: object) -> str:
    return str(gettext(sentence, **names))
