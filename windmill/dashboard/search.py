"""Which jobs a page lists: what the address asks for, and whether a job is meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from windmill.core.documents import Document
from windmill.core.model import FAILURES

TEXT_MAX: Final = 200  # characters of any one thing that is asked for
STATES: Final = ("running", "succeeded", "failed", "timed_out", "lost", "stopped", "never", "paused", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSearch:
    """What is asked for; empty fields do not restrict. `state` is one of STATES, `label` is key=value."""

    text: str = ""
    project: str = ""
    state: str = ""
    label: str = ""
    attention: bool = False
    deleted: bool = False  # those whose files are gone, and no others

    def __bool__(self) -> bool:
        return bool(self.text or self.project or self.state or self.label or self.attention or self.deleted)


def asked(arguments: Mapping[str, str]) -> JobSearch:
    """Return what the arguments of an address ask for; what makes no sense there does not restrict."""
    values = {name: arguments.get(name, "").strip()[:TEXT_MAX] for name in ("q", "project", "state", "label")}
    return JobSearch(
        text=values["q"],
        project=values["project"],
        state=values["state"] if values["state"] in STATES else "",
        label=values["label"],
        attention=arguments.get("attention", "") == "1",
        deleted=arguments.get("deleted", "") == "1",
    )


def meant(wanted: JobSearch, job: Document, latest: Document | None) -> bool:
    """Return True when the job, whose last execution is `latest`, is one of those asked for."""
    searched = f"{job['id']} {job['description']} {job['owner']}".casefold()
    return (
        all(word in searched for word in wanted.text.casefold().split())
        and wanted.project in {"", job["project"]}
        and wanted.label in {"", *labels(job)}
        and (not wanted.state or wanted.state in states(job, latest))
        and (not wanted.attention or needs_attention(job, latest))
    )


def needs_attention(job: Document, latest: Document | None) -> bool:
    """Return True for a job whose last execution went wrong, or whose file is broken."""
    return bool(job.get("stale")) or (latest is not None and latest["state"] in FAILURES)


def states(job: Document, latest: Document | None) -> set[str]:
    """Return every state that the job is in: several go together, as failed and paused."""
    found = {latest["state"] if latest else "never"}
    return found | ({"paused"} if job.get("paused") else set()) | (set() if job["enabled"] else {"disabled"})


def labels(job: Document) -> Iterable[str]:
    """Yield the labels of the job as key=value."""
    return (f"{key}={value}" for key, value in job["labels"].items())
