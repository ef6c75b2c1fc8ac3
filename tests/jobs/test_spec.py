from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from windmill.core.errors import Problem, WindmillError
from windmill.core.model import CatchUp, Expect, Job, Keep, Notify, Overrun
from windmill.jobs.spec import job_from_document, read

FULL = """
name: nightly-sales
description: Builds the sales cube
project: reports
entry_point: jobs/sales.py
args: ["--region", "${params.region}", "--slot", "${slot}", "$${HOME}"]
working_dir: jobs
env: {LANG: pt_BR.UTF-8}
env_file: [sales.env]
secrets: [{name: DB_URL, from_env: SALES_DB_URL}]
params: [{name: region, type: string, default: BR, enum: [BR, PT]}]
schedule:
  interval: {hours: 1, minutes: 30}
  start_at: 2026-01-01T00:00:00
  end_at: 2026-12-31T23:59:59
  timezone: America/Sao_Paulo
  max_runs: 100
  overrun: skip
  catch_up: last
  catch_up_window: 1d
  spread: 5m
  skip_dates: [2026-12-25]
timeout: 2h
kill_grace: 5
retry: {limit: 2, delay: 30s, backoff: 2, max_delay: 10m, exit_codes: [3]}
success_exit_codes: [0, 4]
fail_on_stderr: false
group: warehouse
after: [{job: extract, when: success}]
limits: {memory: 2GiB, cpu_time: 1h}
output: {max_size: 1MB}
keep: {days: 90, runs: 1000}
expect: {late_after: 15m, max_age: 36h, slower_than: "50%"}
notify: {on_failure: [team], after_failures: 1, on_recovery: [team], on_late: [team]}
heartbeat: {from_env: HC_URL}
terminal: true
enabled: false
labels: {team: dataviz}
owner: dataviz@example.com
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "sales.py").touch()
    (tmp_path / "a.py").touch()
    return tmp_path


def read_text(text: str, project: Path | None, **more: Any) -> tuple[list[Job], list[Problem]]:
    projects = more.pop("projects", {"reports": project})
    settings = {"file": "jobs.d/a.yaml", "stem": "a", "timezone": "UTC", "defaults": {}} | more
    return read(text.encode(), projects=projects, **settings)


def job_of(text: str, project: Path, **more: Any) -> Job:
    jobs, problems = read_text(text, project, **more)
    assert not problems
    return jobs[0]


def problem_of(text: str, project: Path, **more: Any) -> Problem:
    jobs, problems = read_text(text, project, **more)
    assert not jobs
    assert len(problems) == 1, problems
    return problems[0]


def test_every_key_of_the_reference_is_read(project: Path) -> None:
    job = job_of(FULL, project)
    assert job.schedule is not None
    assert job.key == "reports/nightly-sales"
    assert job.schedule.interval == timedelta(minutes=90)
    assert job.schedule.start_at == datetime(2026, 1, 1, 3, tzinfo=UTC)
    assert (job.schedule.overrun, job.schedule.catch_up) == (Overrun.SKIP, CatchUp.LAST)
    assert job.schedule.skip_dates == {date(2026, 12, 25)}
    assert (job.timeout, job.kill_grace) == (timedelta(hours=2), timedelta(seconds=5))
    assert (job.retry.limit, job.retry.exit_codes) == (2, (3,))
    assert (job.limits.memory, job.output_max) == (2 << 30, 1_000_000)
    assert job.keep == Keep(days=90, runs=1000)
    assert (job.terminal, job.enabled, job.success_exit_codes) == (True, False, (0, 4))
    assert job.secrets[0].from_env == "SALES_DB_URL"
    assert job.params[0].enum == ("BR", "PT")


def test_what_is_expected_and_who_is_told_is_read(project: Path) -> None:
    text = (
        "entry_point: a.py\nexpect: {late_after: 15m, max_age: 36h, slower_than: 50%}\n"
        "notify: {on_failure: [team], after_failures: 3, on_recovery: [ops], on_late: [boss]}\n"
    )
    job = job_of(text, project)
    assert job.expect == Expect(late_after=timedelta(minutes=15), max_age=timedelta(hours=36), slower_than=0.5)
    assert job.notify == Notify(on_failure=("team",), after_failures=3, on_recovery=("ops",), on_late=("boss",))


def test_only_the_entry_point_is_required(project: Path) -> None:
    job = job_of("entry_point: a.py", project)
    assert (job.key, job.schedule, job.line) == ("reports/a", None, 1)


def test_defaults_of_the_model_and_of_the_file_are_the_same(project: Path) -> None:
    job = job_of("entry_point: a.py\nschedule: {interval: 1h}", project)
    for thing in (job, job.schedule):
        for field in dataclasses.fields(thing):  # type: ignore[arg-type]  # the schedule is not None here
            if field.name not in {"document", "schedule", "interval"} and field.default is not dataclasses.MISSING:
                assert getattr(thing, field.name) == field.default, field.name


@pytest.mark.parametrize(
    ("written", "default", "keep"),
    [
        ("", {}, Keep(days=90, runs=None)),
        ("keep: {}", {}, Keep(days=90, runs=None)),
        ("keep: {runs: 5}", {}, Keep(days=90, runs=5)),
        ("keep: {days: forever}", {"days": 30, "runs": 9}, Keep(days=None, runs=9)),
        ("keep: {runs: null}", {"days": 30, "runs": 9}, Keep(days=30, runs=None)),
        ("", {"days": "forever"}, Keep(days=None, runs=None)),
    ],
)
def test_what_a_job_does_not_say_about_keeping_the_defaults_do(
    project: Path, written: str, default: dict[str, Any], keep: Keep
) -> None:
    assert job_of(f"entry_point: a.py\n{written}", project, defaults={"keep": default}).keep == keep


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "true", "null", "36501", "for ever", '"90"', "[1]"])
def test_days_to_keep_are_a_number_or_forever(project: Path, days: str) -> None:
    problem = problem_of(f"entry_point: a.py\nkeep: {{days: {days}}}", project)
    assert problem.expected == "a number of days from 1 to 36500, or forever"


def test_a_plain_string_as_schedule_is_cron(project: Path) -> None:
    schedule = job_of('entry_point: a.py\nschedule: "@daily"', project).schedule
    assert schedule is not None
    assert schedule.cron == "@daily"


def test_documents_of_a_file_are_separate_jobs_with_their_lines(project: Path) -> None:
    jobs, _ = read_text("entry_point: a.py\n---\nname: b\nentry_point: a.py\n", project)
    assert [(job.name, job.line) for job in jobs] == [("a", 1), ("b", 3)]


def test_a_broken_document_leaves_the_others(project: Path) -> None:
    jobs, problems = read_text("entry_point: 3\n---\nname: b\nentry_point: a.py\n", project)
    assert [job.name for job in jobs] == ["b"]
    assert [problem.line for problem in problems] == [1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90_000),
        ("0.5", 500),
        ("1h30m", 5_400_000),
        ("1d 2h", 93_600_000),
        ("1.5m", 90_000),
        ("250ms", 250),
        ("2w", 1_209_600_000),
        ("{hours: 1, seconds: 1}", 3_601_000),
    ],
)
def test_a_duration_is_seconds_or_units(project: Path, text: str, value: int) -> None:
    assert job_of(f"entry_point: a.py\ntimeout: {text}", project).timeout == timedelta(milliseconds=value)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        '""',
        '"90"',
        "1x",
        "1m1h",
        "true",
        "[1]",
        "{}",
        "{hour: 1}",
        "{hours: -1}",
        "99999999999",
        "1..2h",
        ".h",
    ],
)
def test_anything_else_is_no_timeout(project: Path, text: str) -> None:
    assert problem_of(f"entry_point: a.py\ntimeout: {text}", project).line == 2


@pytest.mark.parametrize(("text", "size"), [("10MiB", 10 << 20), ("1k", 1000), ("1.5KiB", 1536), ("512", 512)])
def test_a_size_is_bytes_or_a_unit(project: Path, text: str, size: int) -> None:
    assert job_of(f"entry_point: a.py\noutput: {{max_size: {text}}}", project).output_max == size


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("name: x", (1, 1), '"entry_point" is missing'),
        ("- a", (1, 1), "a job is a mapping"),
        ("entry_point: a.py\nname: .x", (2, 7), "name is not valid"),
        ("entry_point: a.py\nenv: {V: 3.10}", (2, 10), "env.V is not valid"),
        ("entry_point: a.py\nenv: {1V: x}", (2, 7), "env.1V is not valid"),
        ("entry_point: a.py\nretry: {limit: -1}", (2, 16), "retry.limit is not valid"),
        ("entry_point: a.py\nretry: {limit: 1.0}", (2, 16), "retry.limit is not valid"),
        ("entry_point: a.py\nretry: {dealy: 1}", (2, 9), 'unknown key "dealy" in retry'),
        ("entry_point: a.py\nterminal: 1", (2, 11), "terminal is not valid"),
        ("entry_point: a.py\nsuccess_exit_codes: []", (2, 21), "success_exit_codes is not valid"),
        (
            "entry_point: a.py\nterminal: true\nfail_on_stderr: true",
            (3, 17),
            "with terminal: true there is no stderr of its own",
        ),
        ("entry_point: a.py\nsuccess_exit_codes: [256]", (2, 22), "success_exit_codes[0] is not valid"),
        ("entry_point: a.py\nkill_grace: -1", (2, 13), "kill_grace is not valid"),
        ("entry_point: a.py\nproject: repotrs", (2, 10), "unknown project"),
        ("entry_point: a.py\nschedule: {}", (2, 11), "schedule needs one trigger"),
        ('entry_point: a.py\nschedule: {interval: 1h, cron: "@daily"}', (2, 11), "schedule needs one trigger"),
        ("entry_point: a.py\nschedule: {interval: 0}", (2, 22), "schedule.interval is not valid"),
        ("entry_point: a.py\nschedule: 1 2 3", (2, 11), "not a cron expression"),
        ("entry_point: a.py\nschedule: {cron: 0 0 30 2 *}", (2, 18), "cron"),
        ("entry_point: a.py\nschedule: '@reboot'", (2, 11), "not a cron expression"),
        ("entry_point: a.py\nschedule: {interval: 1h, timezone: Mars/X}", (2, 36), "unknown timezone"),
        ("entry_point: a.py\nschedule: {interval: 1h, timezone: ../etc/passwd}", (2, 36), "unknown timezone"),
        ("entry_point: a.py\nschedule: {at: soon}", (2, 16), "schedule.at is not valid"),
        ("entry_point: a.py\nschedule: {at: 20260101}", (2, 16), "schedule.at is not valid"),
        ("entry_point: a.py\nschedule: {interval: 1h, overrun: queue}", (2, 35), "schedule.overrun is not valid"),
        ("entry_point: a.py\nschedule: {interval: 1h, skip_dates: [25.12.]}", (2, 39), "schedule.skip_dates[0]"),
        ("entry_point: a.py\nargs: ['${params.x}']", (2, 8), '"${params.x}" names nothing'),
        ("entry_point: a.py\nargs: ['${slot']", (2, 8), "has no end"),
        ("entry_point: a.py\nenv: {A: '${now}'}", (2, 10), '"${now}" names nothing'),
        ("entry_point: a.py\nsecrets: [{name: A}]", (2, 11), "one source is needed"),
        ("entry_point: a.py\nsecrets: [{name: A, from_env: B, from_file: c}]", (2, 11), "one source is needed"),
        ("entry_point: a.py\nsecrets: [{name: A, from_file: ../x}]", (2, 32), 'contains ".."'),
        ("entry_point: a.py\nheartbeat: {}", (2, 12), "one source is needed"),
        ("entry_point: a.py\nheartbeat: {from_env: A, from_file: /b}", (2, 12), "one source is needed"),
        ("entry_point: a.py\nheartbeat: {from_file: b}", (2, 24), "not absolute"),
        ("entry_point: a.py\nparams: [{name: p, type: integer, default: x}]", (2, 44), "is of type integer"),
        ("entry_point: a.py\nparams: [{name: p, type: integer, default: '1'}]", (2, 44), "is of type integer"),
        ("entry_point: a.py\nparams: [{name: p, type: boolean, default: 1}]", (2, 44), "is of type boolean"),
        ("entry_point: a.py\nparams: [{name: p, default: 1}]", (2, 29), "is of type string"),
        ("entry_point: a.py\nparams: [{name: p, enum: [a], default: b}]", (2, 40), "the default is not in enum"),
        ("entry_point: a.py\nparams: [{name: p}, {name: p}]", (2, 28), "listed twice"),
        ("entry_point: a.py\nparams: [{name: p, default: a, required: true}]", (2, 42), "makes required useless"),
        (
            "entry_point: a.py\nparams: [{name: p, required: true}]\nschedule: '@daily'",
            (2, 30),
            "a scheduled start has no value",
        ),
    ],
)
def test_a_mistake_is_named_at_its_place(project: Path, text: str, place: tuple[int, int], words: str) -> None:
    problem = problem_of(text, project)
    assert (problem.line, problem.column) == place
    assert words in problem.message


def test_a_number_where_text_is_wanted_is_quoted_as_it_was_written(project: Path) -> None:
    assert problem_of("entry_point: a.py\nargs: [3.10]", project).hint == 'put it in quotes: "3.10"'


def test_all_mistakes_of_a_document_are_found_at_once(project: Path) -> None:
    text = """entry_point: ../x
on: 1
retry: {limit: -1}
schedule: {interval: 1h, cron: "* *"}
args: ["${nope}"]
timeout-minutes: 5
"""
    _, problems = read_text(text, project)
    assert [problem.line for problem in problems] == [1, 2, 3, 4, 4, 5, 6]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("entrypoint", "entry_point"),
        ("command", "entry_point"),
        ("run", "entry_point"),
        ("cron", "schedule"),
        ("suspend", "enabled: false"),
        ("concurrencyPolicy", "never overlaps"),
        ("timeout-minutes", "timeout: 30m"),
        ("timeZone", "timezone under schedule"),
        ("environment", '"env"'),
        ("retry_policy", "retry:"),
        ("depends", "after:"),
        ("needs", "after:"),
        ("queue", "group"),
        ("backoffLimit", "retry:"),
        ("startingDeadlineSeconds", "catch_up"),
        ("shcedule", '"schedule"'),
        ("working-dir", '"working_dir"'),
        ("killGrace", '"kill_grace"'),
        ("zzz", "known: name, description"),
    ],
)
def test_an_unknown_key_gets_the_word_that_was_meant(project: Path, key: str, hint: str) -> None:
    problem = problem_of(f"entry_point: a.py\n{key}: x", project)
    assert problem.message == f'unknown key "{key}"'
    assert hint in problem.hint


@pytest.mark.parametrize(
    "entry_point",
    [
        "",
        " ",
        "..",
        "../x.py",
        "jobs/../../x.py",
        "jobs/..",
        "/etc/passwd",
        "//etc/passwd",
        "~/x.py",
        "~root/x.py",
        "jobs\\x.py",
        "..\\x.py",
        "a.py ",
        "a\nb.py",
        "-c",
        "-mpkg",
        "-m",
        "-m ",
        "-m ../x",
        "-m pkg/x",
        "-m pkg;ls",
        "-m pkg -x",
        "-m .pkg",
        "x" * 1025,
    ],
)
def test_an_entry_point_never_leaves_the_project(project: Path, entry_point: str) -> None:
    problem = problem_of(f"entry_point: {json.dumps(entry_point)}", project)
    assert problem.code == "path"


@pytest.mark.parametrize("entry_point", ["a.py", "jobs/sales.py", "./a.py", "-m package", "-m package.module"])
def test_files_and_modules_of_the_project_are_entry_points(project: Path, entry_point: str) -> None:
    assert job_of(f"entry_point: {entry_point}", project).entry_point == entry_point


@pytest.mark.parametrize("key", ["entry_point: link/passwd", "entry_point: a.py\nworking_dir: link"])
def test_a_link_out_of_the_project_is_refused(project: Path, key: str) -> None:
    (project / "link").symlink_to("/etc")
    assert "leads out of the project" in problem_of(key, project).message


def test_links_in_circles_are_refused(project: Path) -> None:
    (project / "round").symlink_to("round")
    assert "circles" in problem_of("entry_point: round", project).message


def test_a_project_that_is_itself_a_link_is_fine(project: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(project)
    assert job_of("entry_point: a.py", link).entry_point == "a.py"


def test_a_missing_entry_point_is_a_warning(project: Path) -> None:
    jobs, problems = read_text("entry_point: later.py", project)
    assert [problem.severity for problem in problems] == ["warning"]
    assert jobs


def test_a_single_file_project_runs_that_file_only(project: Path) -> None:
    projects = {"a": project / "a.py"}
    assert job_of("entry_point: a.py", project, projects=projects).key == "a/a"
    assert problem_of("entry_point: jobs/sales.py", project, projects=projects).expected == "a.py"


def test_one_of_several_projects_must_be_named(project: Path) -> None:
    problem = problem_of("entry_point: a.py", project, projects={"b": project, "a": project})
    assert problem.expected == "one of a, b"


def test_without_a_project_there_is_no_job(project: Path) -> None:
    assert "no project" in problem_of("entry_point: a.py", project, projects={}).message


def test_a_file_whose_name_cannot_name_a_job_needs_a_name(project: Path) -> None:
    assert problem_of("entry_point: a.py", project, stem="ação diária").hint == "add name: to the document"


def test_a_naive_instant_is_read_in_the_zone_of_the_schedule(project: Path) -> None:
    schedule = job_of(
        "entry_point: a.py\nschedule: {at: 2026-07-01 12:00}", project, timezone="Europe/Lisbon"
    ).schedule
    assert schedule is not None
    assert schedule.at == datetime(2026, 7, 1, 11, tzinfo=UTC)


def test_of_a_time_that_comes_twice_the_first_is_meant(project: Path) -> None:
    text = "entry_point: a.py\nschedule: {at: 2026-10-25T01:30:00, timezone: Europe/Lisbon}"
    schedule = job_of(text, project).schedule
    assert schedule is not None
    assert schedule.at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_time_that_the_clock_skips_is_a_mistake(project: Path) -> None:
    text = "entry_point: a.py\nschedule: {at: 2026-03-29T01:30:00, timezone: Europe/Lisbon}"
    assert "does not exist in Europe/Lisbon" in problem_of(text, project).message


@pytest.mark.parametrize("at", ["0001-01-01", "9999-12-31T23:59:59"])
def test_an_instant_at_the_edge_of_the_calendar_is_judged(project: Path, at: str) -> None:
    for zone in ("Asia/Tokyo", "America/New_York"):
        read_text(f"entry_point: a.py\nschedule: {{at: {at}, timezone: {zone}}}", project)


def test_the_window_must_not_end_before_it_starts(project: Path) -> None:
    text = "entry_point: a.py\nschedule: {interval: 1h, start_at: 2026-02-01, end_at: 2026-01-01}"
    assert "end_at is before" in problem_of(text, project).message


def test_defaults_lie_under_the_document(project: Path) -> None:
    defaults = {"timeout": "6h", "env": {"A": "1", "B": "1"}, "retry": {"limit": 3}}
    job = job_of("entry_point: a.py\nenv: {B: '2'}\nretry: {delay: 1}", project, defaults=defaults)
    assert (job.timeout, job.env, job.retry.limit) == (timedelta(hours=6), {"A": "1", "B": "2"}, 3)
    assert job.retry.delay == timedelta(seconds=1)


def test_a_duration_of_the_document_replaces_that_of_the_defaults(project: Path) -> None:
    defaults = {"timeout": {"hours": 6}}
    job = job_of("entry_point: a.py\ntimeout: {minutes: 5}", project, defaults=defaults)
    assert job.timeout == timedelta(minutes=5)


def test_null_takes_a_default_away(project: Path) -> None:
    assert job_of("entry_point: a.py\ntimeout: null", project, defaults={"timeout": "6h"}).timeout is None


def test_comments_order_and_spelling_do_not_change_the_digest(project: Path) -> None:
    one = job_of("entry_point: a.py\ntimeout: 90\nenv: {A: x, B: y}", project)
    two = job_of("# hello\nenv:\n  B: 'y'\n  A: x\ntimeout: 1m30s\nentry_point: 'a.py'", project, file="other.yaml")
    assert one.digest == two.digest


@pytest.mark.parametrize("change", ["timeout: 91", "group: x", "schedule: '@daily'", "labels: {a: b}"])
def test_another_meaning_has_another_digest(project: Path, change: str) -> None:
    assert job_of(f"entry_point: a.py\n{change}", project).digest != job_of("entry_point: a.py", project).digest


def test_defaults_are_part_of_the_digest(project: Path) -> None:
    plain = job_of("entry_point: a.py", project)
    assert job_of("entry_point: a.py", project, defaults={"timeout": "1h"}).digest != plain.digest


def test_a_document_is_kept_as_written_and_can_be_read_again(project: Path) -> None:
    job = job_of(FULL, project)
    document = json.loads(json.dumps(job.document))
    again = job_from_document(
        document, file=job.file, stem="a", timezone="UTC", defaults={}, projects={"reports": project}
    )
    assert dataclasses.replace(again, line=job.line) == job


@pytest.mark.parametrize("schedule", ["'0 3 * * *'", "{interval: 1h, start_at: 2026-01-01T00:00:00}"])
def test_a_complete_document_means_the_same_under_any_name_and_defaults(project: Path, schedule: str) -> None:
    text = f"entry_point: a.py\nenv: {{B: '2'}}\nschedule: {schedule}"
    elsewhere = {"timezone": "Asia/Tokyo", "defaults": {"timeout": "6h", "env": {"A": "1"}}}
    job = job_of(text, project, stem="nightly", **elsewhere)
    again = job_from_document(
        json.loads(json.dumps(job.complete)),
        file="other.yaml",
        stem="other",
        timezone="UTC",
        defaults={},
        projects={"reports": project, "second": project},
    )
    assert (again.key, again.digest) == (job.key, job.digest)


def test_a_document_that_is_no_job_says_why(project: Path) -> None:
    with pytest.raises(WindmillError, match="entry_point"):
        job_from_document({}, file="f", stem="a", timezone="UTC", defaults={}, projects={"p": project})


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"key{number}: 1\n" for number in range(9000)),
        "env:\n" + "".join(f"  V{number}: 1\n" for number in range(9000)),
        "---\nx: 1\n" * 3000,
    ],
)
def test_only_the_first_problems_of_a_hostile_file_are_judged(project: Path, text: str) -> None:
    jobs, problems = read_text(text, project)
    assert not jobs
    assert 99 <= len(problems) <= 110


def test_warnings_do_not_hold_up_the_documents_after_them(project: Path) -> None:
    text = "".join(f"---\nname: j{number}\nentry_point: late.py\n" for number in range(150))
    jobs, problems = read_text(text, project)
    assert (len(jobs), len(problems)) == (150, 150)
