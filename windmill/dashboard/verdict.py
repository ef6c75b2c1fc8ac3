"""Why an execution did not go well: what ended it, since when its job fails, who may have changed it, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask_babel import gettext, ngettext

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES, State
from windmill.core.ports import ExecutionFilter
from windmill.core.tracebacks import Fault, fault
from windmill.dashboard.alike import again
from windmill.dashboard.context import facts, store
from windmill.dashboard.words import state_word, why

LAST_WORDS: Final = 300  # characters of the line that a failure ended with
COUNTED: Final = 100  # failures in a row, at most
SHOWN: Final = 5  # suspects


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What stands at the head of the page. Texts are "" where there is nothing to say."""

    title: str
    failed: bool
    fault: Fault | None
    last_words: str
    streak: str
    again: str
    suspects: list[Document]
    more_suspects: int
    advice: str


def verdict(execution: Document, output: str) -> Verdict | None:
    """Return what is to be said of the execution that wrote this at last, None where it is well or not over."""
    failed = execution["state"] in FAILURES
    reason = why(execution)
    if not failed and not reason:
        return None
    found = fault(output) if failed else None
    suspects = facts().suspects(store(), execution) if failed else []
    return Verdict(
        title=_title(execution, reason),
        failed=failed,
        fault=found,
        last_words=_last_words(output) if failed and not found else "",
        streak=_streak(execution, suspects) if failed else "",
        again=again(execution) if failed else "",
        suspects=suspects[:SHOWN],
        more_suspects=len(suspects[SHOWN:]),
        advice=_advice(execution),
    )


def _(sentence: str, **names: object) -> str:
    return str(gettext(sentence, **names))


def _title(execution: Document, reason: str) -> str:
    state = execution["state"]
    if state == State.STOPPED and reason.lower().startswith(state_word(state).lower()):
        return reason[:1].upper() + reason[1:]
    if not reason or state == State.TIMED_OUT:
        return state_word(state)
    return _("%(state)s: %(reason)s", state=state_word(state), reason=reason)


def _last_words(output: str) -> str:
    """Return the last line that says something."""
    return next((line.strip()[:LAST_WORDS] for line in reversed(output[-8192:].split("\n")) if line.strip()), "")


def _streak(execution: Document, suspects: list[Document]) -> str:
    """Return in words how often the job has failed since it last succeeded."""
    job, until = execution["job"], from_text(execution["queued_at"])
    good = (
        store().executions(ExecutionFilter(job=job, states=frozenset({State.SUCCEEDED}), until=until), limit=1).items
    )
    since = from_text(good[0]["queued_at"]) if good else None
    before = (
        store()
        .executions(ExecutionFilter(job=job, states=FAILURES, since=since, until=until), limit=COUNTED - 1)
        .items
    )
    number = 1 + len(before)
    if len(suspects) == 1:
        return str(ngettext("First failure since this commit", "%(num)d failures in a row since this commit", number))
    if suspects:
        return str(
            ngettext("First failure since these commits", "%(num)d failures in a row since these commits", number)
        )
    if number == 1:
        return _("The execution before it succeeded") if good else ""
    if number == COUNTED:
        return _("At least %(num)d failures in a row", num=number)
    return _("%(num)d failures in a row", num=number)


def _advice(execution: Document) -> str:
    """Return what to do next."""
    state, reason = execution["state"], str(execution["reason"])
    if reason.startswith("not_started"):
        return _("Nothing of it ran. Put right what is named here, then run it again.")
    if "SIGKILL" in reason:
        return _("Let it need less memory, or give it more under limits.memory of the job.")
    if state == State.TIMED_OUT:
        return _timeout_advice(execution)
    if state == State.LOST:
        return _(
            "Whatever ran it went away, and nobody knows how it ended. Look at what it left before you run it again."
        )
    if state == State.STOPPED:
        return _("What it did before that was not undone.")
    if state == State.SKIPPED:
        return _("Nothing of it ran. The job goes on with its next slot.")
    return _("The output below says more; run it again when the cause is gone.") if state == State.FAILED else ""


def _timeout_advice(execution: Document) -> str:
    definition = store().definition(execution.get("job_digest") or "")
    timeout = ((definition or {}).get("document") or {}).get("timeout")
    if timeout is None:
        return _("If it has to take so long, give the job a longer timeout.")
    return _("If it has to take so long, give the job a longer timeout than %(timeout)s.", timeout=str(timeout))
