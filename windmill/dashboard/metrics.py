"""/metrics: what Prometheus asks for, made anew for each scrape from what the store has counted already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from itertools import islice
from typing import Final

from apiflask import APIBlueprint
from flask import Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from werkzeug.exceptions import Unauthorized

from windmill.core.documents import Document, from_text
from windmill.core.errors import Unavailable
from windmill.core.model import FAILURES, TERMINAL, State
from windmill.core.ports import ExecutionFilter, Store
from windmill.dashboard import catalog
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.facts import Role
from windmill.dashboard.gate import viewer
from windmill.dashboard.health import age
from windmill.dashboard.measures import many, of_alerts, of_groups, of_recent, of_the_loop, one
from windmill.dashboard.streams import STREAMS_MAX, watching

RECENT: Final = 500  # executions, of the last RECENT_PERIOD
RECENT_PERIOD: Final = timedelta(days=1)
SOUGHT: Final = 200  # jobs whose last success is not their last execution, in one scrape

blueprint = APIBlueprint("metrics", __name__, enable_openapi=False)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics to this machine, and to who may read."""
    if not _is_loopback(request.remote_addr) and viewer().role < Role.READ:
        raise Unauthorized("Metrics are told to this machine, and to those who sign in.")
    registry = CollectorRegistry()
    registry.register(_Scrape())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _is_loopback(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False


class _Scrape(Collector):
    def collect(self) -> Iterator[Metric]:
        """Yield everything; of a store that does not answer, only that."""
        yield InfoMetricFamily("windmill_build", "What answers here.", value={"version": facts().version})
        yield one("windmill_streams", "Viewers who watch output live.", watching())
        yield one("windmill_streams_max", "How many can.", STREAMS_MAX)
        try:
            found = [metric for of in SOURCES for metric in of(store(), now())]
        except Unavailable:
            found = []
        yield one("windmill_store_up", "Whether the store answers the dashboard.", bool(found))
        yield from found


def _of_the_scheduler(read: Store, instant: datetime) -> Iterator[Metric]:
    known = read.status("scheduler")
    heard, told = age(known, instant), known or {}
    waiting = [max(timedelta(0), instant - at) for one in told.get("waiting", ()) if (at := from_text(one["since"]))]
    backlog = told.get("backlog") or {}
    problems = (read.status("catalog") or {}).get("problems", ())
    today = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    counted = {row["state"]: row["count"] for row in read.tally(since=today)}
    yield one("windmill_heartbeat_age_seconds", "Since the scheduler was heard of.", *_seconds(heard))
    yield one("windmill_running", "Executions that run.", told.get("running", 0))
    yield one("windmill_waiting", "Executions that wait for their turn.", told.get("waiting_count", len(waiting)))
    oldest = max(waiting, default=timedelta(0))
    yield one("windmill_waiting_oldest_seconds", "How long the first of them has waited.", *_seconds(oldest))
    yield one("windmill_journal_backlog_bytes", "What waits to be stored.", backlog.get("bytes", 0))
    yield one(
        "windmill_scheduler_store_up", "Whether the store answers the scheduler.", not backlog.get("away_since")
    )
    yield one("windmill_journal_full", "Whether output is being cut for want of room.", bool(backlog.get("full")))
    yield one("windmill_store_rejected", "Documents that the store refuses.", backlog.get("rejected", 0))
    yield from of_groups(told)
    yield from of_the_loop(told)
    yield from of_alerts(read.status("alerts") or {})
    yield many(
        "windmill_problems",
        "Mistakes in files.",
        "severity",
        ((kind, sum(one["severity"] == kind for one in problems)) for kind in ("error", "warning")),
    )
    yield many(
        "windmill_executions_today",
        "Executions queued since midnight UTC that have ended.",
        "state",
        ((str(state), counted.get(state, 0)) for state in sorted(TERMINAL)),
    )


def _of_jobs(read: Store, instant: datetime) -> Iterator[Metric]:
    jobs = catalog.jobs()
    latest = catalog.latest(jobs)
    good = {key: one for key, one in latest.items() if one["state"] == State.SUCCEEDED}
    good |= _last_successes(read, islice((key for key in latest if key not in good), SOUGHT))
    bad = {key: one for key, one in latest.items() if one["state"] in FAILURES}
    yield one("windmill_jobs", "Jobs that are wanted.", len(jobs))
    yield many(
        "windmill_job_last_success_timestamp_seconds",
        "When the newest execution that succeeded was queued.",
        "job",
        _queued(good),
    )
    yield many(
        "windmill_job_last_failure_timestamp_seconds",
        "When the newest execution was queued, where it failed, timed out or was lost.",
        "job",
        _queued(bad),
    )
    due = ((job["id"], at.timestamp()) for job in jobs if (at := catalog.next_start(job)))
    yield many("windmill_job_next_start_timestamp_seconds", "When the job is due next.", "job", due)


def _last_successes(read: Store, jobs: Iterable[str]) -> dict[str, Document]:
    wanted = frozenset({State.SUCCEEDED})
    found = ((job, read.executions(ExecutionFilter(job=job, states=wanted), limit=1).items) for job in jobs)
    return {job: items[0] for job, items in found if items}


def _of_executions(read: Store, instant: datetime) -> Iterator[Metric]:
    yield from of_recent(read.executions(ExecutionFilter(since=instant - RECENT_PERIOD), limit=RECENT).items)


def _of_projects(read: Store, instant: datetime) -> Iterator[Metric]:
    sources = (read.status("projects") or {}).get("projects", ())
    seen = ((one["id"], instant - at) for one in sources if (at := from_text(one.get("seen_at"))))
    yield many(
        "windmill_project_seen_age_seconds",
        "Since the source was looked at.",
        "project",
        ((name, max(length, timedelta(0)).total_seconds()) for name, length in seen),
    )
    states = ((one["id"], one["sync"] == "synced") for one in sources)
    yield many("windmill_project_synced", "Whether what is live is what the source holds.", "project", states)


def _queued(executions: dict[str, Document]) -> Iterator[tuple[str, float]]:
    return ((key, at.timestamp()) for key, one in executions.items() if (at := from_text(one["queued_at"])))


def _seconds(length: timedelta | None) -> tuple[float, ...]:
    return () if length is None else (length.total_seconds(),)


SOURCES: Final = (_of_the_scheduler, _of_jobs, _of_executions, _of_projects)
