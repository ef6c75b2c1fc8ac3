"""Which job counts for each key, when files are broken, out of sight, or claim the same key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from windmill.core.errors import Problem
from windmill.core.model import Job


@dataclass(slots=True)
class JobFile:
    """What is known of one file.

    `jobs` and `problems` are those of its content when last read; `good` are the jobs of its last good version.
    """

    jobs: tuple[Job, ...] = ()
    problems: tuple[Problem, ...] = ()
    good: tuple[Job, ...] = ()
    read: bool = False

    @property
    def valid(self) -> bool:
        """True when the content was read and has no error."""
        return self.read and not any(problem.severity == "error" for problem in self.problems)


@dataclass(slots=True)
class Settlement:
    """The job of every key, keys that are not served from their present content, and files in conflict."""

    jobs: dict[str, Job] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    contested: set[str] = field(default_factory=set)


class _Claim(NamedTuple):
    file: str
    job: Job
    fresh: bool


def settle(files: Mapping[str, JobFile], doubtful: Collection[str]) -> Settlement:
    """Return which job counts for each key; `doubtful` are files whose present content is unknown.

    A broken or doubtful file keeps the jobs it had. Of a key that several documents claim, the job that held it
    before stays and every new claim is refused, naming the others.
    """
    claims: dict[str, list[_Claim]] = defaultdict(list)
    for name in sorted(files):
        for claim in _claims(name, files[name], certain=name not in doubtful):
            claims[claim.job.key].append(claim)
    result = Settlement()
    for key, rivals in claims.items():
        if len(rivals) > 1:
            _refuse(key, rivals, files, result)
            continue
        result.jobs[key] = rivals[0].job
        if not rivals[0].fresh:
            result.stale.add(key)
    return result


def _claims(name: str, file: JobFile, *, certain: bool) -> Iterator[_Claim]:
    for job in file.jobs:
        yield _Claim(name, job, certain)
    if not file.valid:
        present = {job.key for job in file.jobs}
        yield from (_Claim(name, job, fresh=False) for job in file.good if job.key not in present)


def _refuse(key: str, rivals: list[_Claim], files: Mapping[str, JobFile], result: Settlement) -> None:
    """Refuse all fresh claims of a key; whoever held it before keeps it."""
    held = [job for name in sorted({rival.file for rival in rivals}) for job in files[name].good if job.key == key]
    if held:
        result.jobs[key] = held[0]
        result.stale.add(key)
    for rival in rivals:
        if not rival.fresh:
            continue
        result.contested.add(rival.file)
        others = ", ".join(f"{other.job.file}:{other.job.line}" for other in rivals if other is not rival)
        result.problems.append(
            Problem(
                file=rival.job.file,
                line=rival.job.line,
                column=1,
                message=f'job "{key}" is also defined in {others}',
                hint="give one of them another name; until then the version that was in use before stays",
                code="claimed-twice",
                job=key,
            )
        )
