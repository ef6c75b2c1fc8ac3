"""Families of metrics out of documents: no store is asked here, and no clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from windmill.core.documents import Document, from_text
from windmill.core.model import SCHEDULED

QUANTILES: Final = (0.5, 0.9, 0.99)


def one(name: str, what: str, *values: float) -> Metric:
    """Return a metric with a value, or with none where nothing is known."""
    metric = GaugeMetricFamily(name, what, labels=())
    for value in values:
        metric.add_metric((), value)
    return metric


def many(name: str, what: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a metric with a value for each value of a label."""
    return labelled(name, what, (label,), (((key,), value) for key, value in values))


def labelled(name: str, what: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """Return a metric with a value for each combination of values of labels."""
    metric = GaugeMetricFamily(name, what, labels=labels)
    for keys, value in values:
        metric.add_metric(keys, value)
    return metric


def of_the_loop(scheduler: Document) -> Iterator[Metric]:
    """Yield how late the loop comes, and what became of heartbeats; `scheduler` is its status document."""
    late = scheduler.get("lateness") or {}
    yield many(
        "windmill_loop_lateness_seconds",
        "How late the scheduler came to what was due, of the last thousand timers.",
        "quantile",
        ((quantile, late[name]) for quantile, name in (("0.99", "p99"), ("1", "max")) if name in late),
    )
    sent = CounterMetricFamily("windmill_heartbeats", "Heartbeats, by what became of them.", labels=("of", "result"))
    waiting: list[tuple[str, float]] = []
    for of, counts in (scheduler.get("heartbeats") or {}).items():
        waiting.append((of, counts["waiting"]))
        for result in ("sent", "failed", "dropped"):
            sent.add_metric((of, result), counts[result])
    yield sent
    yield many("windmill_heartbeats_waiting", "Heartbeats that wait to be sent.", "of", waiting)


def of_groups(scheduler: Document) -> Iterator[Metric]:
    """Yield the places of all jobs and of each group: how many there are, are taken, and are waited for."""
    yield one("windmill_max_running", "How many executions may run.", *_known(scheduler, "max_running"))
    for name, what, field in (
        ("windmill_group_max_running", "How many executions of a group may run.", "groups"),
        ("windmill_group_running", "Executions of a group that run.", "groups_taken"),
        (
            "windmill_group_waiting",
            "Executions that wait, by group; those of jobs without one have none.",
            "groups_waiting",
        ),
    ):
        yield many(name, what, "group", (scheduler.get(field) or {}).items())


def of_alerts(alerts: Document) -> Iterator[Metric]:
    """Yield how the channels of alerts do; `alerts` is their status document."""
    channels = alerts.get("channels", ())
    waiting = ((one["channel"], len(one["pending"]) + one["uncounted"]) for one in channels)
    yield many("windmill_alerts_waiting", "Alerts that wait to be sent.", "channel", waiting)
    failures = ((one["channel"], one["failures"]) for one in channels)
    yield many("windmill_channel_failures", "How often in a row a channel took no message.", "channel", failures)


def of_recent(executions: Sequence[Document]) -> Iterator[Metric]:
    """Yield how long executions take and how late they start; these are documents, newest first."""
    lengths: Mapping[str, list[float]] = defaultdict(list)
    for execution in executions:
        if (length := execution.get("duration_ms")) is not None:
            lengths[execution["job"].partition("/")[0]].append(length / 1000)
    yield labelled(
        "windmill_recent_duration_seconds",
        "How long executions of a project took, of the newest ones.",
        ("project", "quantile"),
        (((project, key), value) for project, found in lengths.items() for key, value in _quantiles(found)),
    )
    counted = ((project, len(found)) for project, found in lengths.items())
    yield many("windmill_recent_ended", "Of how many executions that is.", "project", counted)
    delays = {execution["id"]: delay for execution in executions if (delay := _delay(execution)) is not None}
    yield many(
        "windmill_recent_start_delay_seconds",
        "From slot to start, of the newest executions.",
        "quantile",
        _quantiles(list(delays.values())),
    )
    by_job = {one["job"]: delays[one["id"]] for one in reversed(executions) if one["id"] in delays}
    yield many("windmill_job_start_delay_seconds", "From slot to start, of the newest.", "job", by_job.items())


def _delay(execution: Document) -> float | None:
    """Return the seconds from its slot to its start, where it is the first attempt at a slot."""
    slot, start = from_text(execution.get("slot")), from_text(execution.get("started_at"))
    if slot is None or start is None or execution["trigger"] not in SCHEDULED:
        return None
    return max(0.0, (start - slot).total_seconds())


def _quantiles(values: list[float]) -> Iterator[tuple[str, float]]:
    ordered = sorted(values)
    for quantile in QUANTILES if ordered else ():
        yield str(quantile), ordered[int((len(ordered) - 1) * quantile)]


def _known(document: Document, name: str) -> tuple[float, ...]:
    return (document[name],) if name in document else ()
