"""`show`: everything known of one job or one execution."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Final

import rich_click as click

from windmill.app.upcoming import upcoming
from windmill.cli.chains import chain, in_line, line_of
from windmill.cli.jobs import flags
from windmill.cli.known import complete_job, find_execution, known_jobs, recorded_key, schedule_of
from windmill.cli.rerun import exact_rerun
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.tables import show_facts
from windmill.cli.text import clean, local, relative
from windmill.cli.told import alike, cause, named, progress
from windmill.cli.verdicts import verdict
from windmill.core.documents import Document, from_text, to_text
from windmill.core.errors import NotFound
from windmill.core.failures import repeated
from windmill.core.lineage import followed, followers
from windmill.core.ports import ExecutionFilter
from windmill.core.zones import zone

COUNT: Final = 10  # starts to come, and verdicts on slots that were


@click.command(cls=Verb)
@click.argument("identity", metavar="JOB|ID", shell_complete=complete_job)
@click.pass_obj
def show(session: Session, identity: str) -> None:
    """Show everything known of a job, or of an execution.

    Examples:
        windmill show nightly    next starts, and what became of its last slots
        windmill show 3f2a91     all facts of one execution; first digits of an id do

    Every slot of a job has a verdict: what it started, what it was merged into, or why it was skipped.
    """
    execution = find_execution(session, identity)
    if execution is not None:
        _show_execution(session, execution)
    else:
        _show_job(session, recorded_key(session, identity))


def _show_execution(session: Session, execution: Document) -> None:
    from windmill.app.suspects import suspects

    suspected = suspects(session.home, session.store, execution)
    again = repeated(execution, session.store)
    possible, remark = exact_rerun(session, execution)
    place = line_of(session).get(execution["id"])
    if session.json:
        exact = {"possible": possible, "remark": remark}
        same = {"count": again[0], "first": again[1]["id"]} if again else None
        known = {"suspects": suspected, "exact": exact, "line": place and place._asdict(), "failed_alike": same}
        session.print_json(execution | known)
        return
    following = followed(session.store, execution, session.store.jobs())
    told = {"progress": progress(execution), "facts": named(execution.get("facts", {})), "failure": cause(execution)}
    facts = [(name, _readable(value) if session.on_terminal else value) for name, value in (execution | told).items()]
    more = {
        "why": verdict(execution),
        "failed alike": alike(*again, session.now) if again else "",
        "in line": in_line(place) if place else "",
        "exact rerun": ("yes" if possible else "no") + (f": {remark}" if remark else ""),
    }
    show_facts(session, [*facts, *more.items()])
    _print_section("followed by", [f"{one['job']}  {one['id']}  {verdict(one)}" for one in following])
    _print_section("commits since it last succeeded", [_commit(commit) for commit in suspected])


def _commit(commit: Document) -> str:
    near = "  (touches this job)" if commit["touches"] else ""
    return f"{commit['commit'][:12]}  {commit['author']}: {commit['subject']}{near}"


def _readable(value: object) -> object:
    return named(value) if isinstance(value, dict) else value


def _show_job(session: Session, key: str) -> None:
    now = session.now
    from windmill.app.suspects import suspects

    jobs = known_jobs(session)
    job = next((known for known in jobs if known["id"] == key), None) or _gone(session, key)
    schedule = schedule_of(session, job)
    place = zone(schedule.timezone if schedule else "UTC")
    starts = [] if job["deleted"] else list(islice(upcoming(schedule, job, now), COUNT))
    past = session.store.executions(ExecutionFilter(job=key), limit=COUNT).items
    latest = session.store.latest_executions().get(key)
    suspected = suspects(session.home, session.store, latest) if latest else []
    if session.json:
        verdicts = [execution | {"verdict": verdict(execution)} for execution in past]
        following = [to_text(start) for start in starts]
        below = followers(key, jobs)
        session.print_json(
            {"job": job, "next": following, "verdicts": verdicts, "suspects": suspected, "followed_by": below}
        )
        return
    show_facts(session, _facts(job, now))
    _print_section("chain", [] if job["deleted"] else chain(session, job, jobs))
    _print_section("next", [f"{local(start, place)}  {relative(start, now)}" for start in starts])
    _print_section("what became of its slots", [_line(execution) for execution in past])
    _print_section("commits since it last succeeded", [_commit(commit) for commit in suspected])
    _print_section("definition", _definition(job))


def _gone(session: Session, key: str) -> Document:
    """Return what the store remembers of a job whose file is gone. Raises NotFound when it knows no definition."""
    job = next((known for known in session.store.jobs() if known["id"] == key), None)
    if job is None or "document" not in job:
        raise NotFound(f"{key} has executions, and its definition is not known", hint=f"windmill ps -a --job {key}")
    return job


def _facts(job: Document, now: datetime) -> list[tuple[str, object]]:
    paused = job["paused"]
    pause = ""
    if paused:
        until = from_text(paused["until"])
        pause = f"until {local(until)} ({relative(until, now)})" if until else "until resumed"
        pause += f" by {paused['by']}" + (f": {paused['note']}" if paused["note"] else "")
    return [
        ("job", job["id"]),
        ("description", job["description"].strip().split("\n")[0]),
        ("owner", job["owner"]),
        ("file", f"{job['file']}:{job['line']}"),
        ("entry point", job["entry_point"]),
        ("schedule", job["schedule_words"]),
        ("group", job.get("group", "")),
        ("priority", job.get("priority") or ""),
        ("flags", " ".join(flags(job))),
        ("removed", _removal(job)),
        ("paused", pause),
        ("first seen", job["first_seen"]),
        ("started slots", job["runs"] if "max_runs" in _schedule(job) else ""),
    ]


def _removal(job: Document) -> str:
    if not job["deleted"]:
        return ""
    removed = job.get("removed") or {}
    who = (
        f" by {removed['author']} in {removed['commit'][:12]}: {removed['subject']}" if removed.get("author") else ""
    )
    return f"its file is gone{who}"


def _schedule(job: Document) -> Document:
    written = job["document"].get("schedule")
    return written if isinstance(written, dict) else {}


def _line(execution: Document) -> str:
    return f"{execution['slot'] or execution['queued_at']}  {execution['id']}  {verdict(execution)}"


def _definition(job: Document) -> list[str]:
    import yaml

    return str(yaml.safe_dump(job["document"], sort_keys=False, allow_unicode=True)).splitlines()


def _print_section(title: str, lines: list[str]) -> None:
    if lines:
        print(f"\n{title}")
        for line in lines:
            print(f"  {clean(line)}")
