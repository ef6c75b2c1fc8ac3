"""What became of a slot, and why, in one sentence. Pure."""

from __future__ import annotations

from typing import Final

from windmill.cli.text import count, one_line, state_word
from windmill.core.documents import Document

SKIPPED: Final = {
    "paused": "the job was paused",
    "missed": "no scheduler was running, and catch_up did not ask for it",
    "overrun": "the previous execution still ran, and overrun is skip",
    "window": "its end_at had passed before it could start",
    "coalesced": "a later slot was due as well and stands for it",
    "rescheduled": "the schedule was changed before it could start",
    "disabled": "the job was disabled in its file",
    "removed": "the job's file was removed",
}
STARTED: Final = {
    "schedule": "was due",
    "catch_up": "made up for a time without a scheduler",
    "retry": "tried again",
    "manual": "was started by hand",
    "after": "followed",
}
ASKED: Final = {"poll": "was asked for by the poll", "webhook": "was asked for by a push"}


def verdict(execution: Document) -> str:
    """Return for example "Success: was due, and stood for 3 more slots between 06:00 and 09:00"."""
    word, reason = state_word(execution["state"]), str(execution["reason"])
    if execution["state"] == "skipped":
        why = SKIPPED.get(reason, one_line(reason, width=200))
        return f"{word}: {why}{_with_others(execution, 'and the same for')}"
    parts = [_started(execution) + _with_others(execution, "and stood for")]
    if execution["attempt"] > 1:
        parts.append(f"attempt {execution['attempt']}, after {execution['retry_of']}")
    if execution["exit_code"]:
        parts.append(f"exit code {execution['exit_code']}")
    if execution["signal"]:
        parts.append(execution["signal"])
    if reason:
        parts.append(one_line(reason, width=200))
    return f"{word}: {', '.join(parts)}"


def trigger(execution: Document) -> str:
    """Return in a word why it exists: its trigger, or the part of WindMill that asked for it as a person would."""
    return str(execution["requested_by"] if _asked_by_itself(execution) else execution["trigger"])


def _started(execution: Document) -> str:
    if _asked_by_itself(execution):
        return ASKED[execution["requested_by"]]
    by = f" by {execution['requested_by']}" if execution["requested_by"] else ""
    above = " and ".join(f"{job} ({end})" for job, end in execution.get("after", {}).items())
    return STARTED.get(execution["trigger"], "") + by + (f" {above}" if above else "")


def _asked_by_itself(execution: Document) -> bool:
    return execution["trigger"] == "manual" and execution["requested_by"] in ASKED


def _with_others(execution: Document, words: str) -> str:
    others = execution["coalesced"]
    if not others:
        return ""
    first, last = execution.get("coalesced_from"), execution.get("coalesced_to")
    return f", {words} {count(others, 'more slot')}" + (f" between {first} and {last}" if first and last else "")
