"""Whether the jobs of a home can come after each other as their files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from windmill.core.chain import cycles
from windmill.core.errors import Problem
from windmill.core.model import Job
from windmill.jobs.words import nearest


@dataclass(frozen=True, slots=True)
class Chains:
    """The jobs without those that wait for themselves, the problems, and whose last good version stands in."""

    jobs: Mapping[str, Job]
    problems: tuple[Problem, ...]
    stale: frozenset[str]


def chains(jobs: Mapping[str, Job], before: Mapping[str, Job]) -> Chains:
    """Return the jobs that can be; of those in a circle the version of `before` stays, where that is in none."""
    problems = [
        _unknown(job, above.job, jobs) for job in jobs.values() for above in job.after if above.job not in jobs
    ]
    circles = cycles(_after(jobs))
    if not circles:
        return Chains(jobs, tuple(problems), frozenset())
    problems += [_circle(jobs[key], circle) for circle in circles for key in circle]
    wrong = {key for circle in circles for key in circle}
    good = {key: job for key, job in jobs.items() if key not in wrong}
    stale = set[str]()
    for key in sorted(wrong & before.keys()):
        if not cycles(_after(tried := {**good, key: before[key]})):
            good = tried
            stale.add(key)
    return Chains(good, tuple(problems), frozenset(stale))


def _after(jobs: Mapping[str, Job]) -> dict[str, list[str]]:
    return {key: [above.job for above in job.after] for key, job in jobs.items() if job.after}


def _circle(job: Job, circle: tuple[str, ...]) -> Problem:
    first = circle.index(job.key)
    whole = [*circle[first:], *circle[:first], job.key]
    return Problem(
        file=job.file,
        line=job.line,
        column=1,
        message=f"the job waits for itself: {' after '.join(whole)}",
        hint="take one of them out of after",
        code="circle",
        job=job.key,
    )


def _unknown(job: Job, above: str, jobs: Mapping[str, Job]) -> Problem:
    return Problem(
        file=job.file,
        line=job.line,
        column=1,
        message=f'after names "{above}", which is not there: the job waits for it',
        hint=nearest(above, sorted(jobs)),
        severity="warning",
        code="after",
        job=job.key,
    )
