"""What a person probably meant by a key WindMill does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

_NEVER_OVERLAPS: Final = "WindMill never overlaps a job; overrun says what a late slot does: run_now or skip"
_KEEP: Final = "write keep: {days: 90, runs: 1000}"
_CATCH_UP: Final = "write catch_up: last (or all), and catch_up_window, under schedule"
_ENTRY: Final = "name the file to run as entry_point, its arguments as args"
_RETRY: Final = "write retry: {limit: 2, delay: 30s}"
_NOTIFY: Final = "write notify: {on_failure: [CHANNEL]}"
_LIMITS: Final = "write limits: {memory: 2GiB, cpu_time: 1h}"

FOREIGN: Final = {
    **dict.fromkeys(("command", "cmd", "run", "script", "steps", "exec", "shell", "image", "program"), _ENTRY),
    **dict.fromkeys(("entrypoint", "entryPoint", "file", "main"), 'rename it to "entry_point"'),
    **dict.fromkeys(
        ("cron", "crontab", "schedules"), 'write schedule: "0 5 * * *" with the cron expression in quotes'
    ),
    **dict.fromkeys(("interval", "every", "hours", "minutes", "seconds"), "write schedule: {interval: 1h}"),
    **dict.fromkeys(("on", "triggers", "trigger", "start", "stop"), "say when under schedule: interval, cron or at"),
    **dict.fromkeys(("at", "start_at", "end_at", "max_runs", "spread", "skip_dates"), "move it under schedule"),
    **dict.fromkeys(("startAt", "startTime", "start_time", "start_date"), "write start_at under schedule"),
    **dict.fromkeys(("endAt", "endTime", "end_time", "end_date"), "write end_at under schedule"),
    **dict.fromkeys(("timezone", "timeZone", "time_zone", "tz", "CRON_TZ"), "write timezone under schedule"),
    **dict.fromkeys(("suspend", "disabled", "paused", "active"), "write enabled: false to switch the job off"),
    **dict.fromkeys(
        ("concurrencyPolicy", "concurrency", "overlap", "overlap_policy", "max_active_runs", "maxActiveRuns"),
        _NEVER_OVERLAPS,
    ),
    "overrun": "move it under schedule",
    **dict.fromkeys(
        ("onMissed", "startingDeadlineSeconds", "catchup", "catchup_window", "misfire_grace_time"), _CATCH_UP
    ),
    **dict.fromkeys(("catch_up", "catch_up_window"), "move it under schedule"),
    **dict.fromkeys(("retry_policy", "retryPolicy", "backoffLimit", "retries", "onFailure"), _RETRY),
    **dict.fromkeys(
        ("timeout-minutes", "timeout_minutes", "timeout_sec", "timeout_seconds", "executionTimeout"),
        "write timeout with a unit: timeout: 30m",
    ),
    "activeDeadlineSeconds": "write timeout with a unit: timeout: 30m",
    **dict.fromkeys(
        ("killTimeout", "max_clean_up_time_sec", "terminationGracePeriodSeconds"), "write kill_grace: 30s"
    ),
    **dict.fromkeys(("environment", "environ", "envs", "variables", "vars"), 'rename it to "env"'),
    **dict.fromkeys(("dotenv", "envFrom", "env_files", "envFile"), 'rename it to "env_file"'),
    **dict.fromkeys(("inputs", "parameters", "arguments_schema", "with"), 'rename it to "params"'),
    **dict.fromkeys(("arguments", "argv"), 'rename it to "args"'),
    **dict.fromkeys(
        ("cwd", "workdir", "workingDir", "working-directory", "workingDirectory"), 'rename it to "working_dir"'
    ),
    **dict.fromkeys(("queue", "pool", "scope"), "write group, and its cap under [groups] in windmill.toml"),
    **dict.fromkeys(("depends", "dependsOn", "depends_on", "needs"), "write after: [{job: NAME}]"),
    **dict.fromkeys(
        ("successfulJobsHistoryLimit", "failedJobsHistoryLimit", "maxRunsPerJob", "hist_retention_days", "history"),
        _KEEP,
    ),
    **dict.fromkeys(("resources", "memory", "cpu"), _LIMITS),
    **dict.fromkeys(
        ("mail_on", "mailOn", "handler_on", "handlers", "on_failure", "onSuccess", "report", "alerts"), _NOTIFY
    ),
    **dict.fromkeys(("tags", "annotations", "metadata"), 'rename it to "labels"'),
    **dict.fromkeys(("id", "title", "job", "job_name"), 'rename it to "name"'),
    **dict.fromkeys(("tty", "pty"), 'rename it to "terminal"'),
    **dict.fromkeys(("sla", "max_age", "late_after"), "write expect: {late_after: 15m}"),
    **dict.fromkeys(
        ("apiVersion", "kind", "spec", "version", "jobs"),
        "remove it: a document is one job, described by its own keys",
    ),
    "python": "remove it: a project brings its own interpreter",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint naming the known word closest to `name`, or all of them when none is close."""
    words = list(known)
    plain = {word.replace("_", ""): word for word in words}
    close = difflib.get_close_matches(name[:100].lower().replace("-", "").replace("_", ""), plain, n=1, cutoff=0.7)
    if close:
        return f'rename it to "{plain[close[0]]}"'
    return "known: " + ", ".join(words)


def for_key(name: str, known: Iterable[str], *, top: bool) -> str:
    """Return the hint for an unknown key; at the top of a document the words of other schedulers are known too."""
    if top and name in FOREIGN:
        return FOREIGN[name]
    return nearest(name, known)
