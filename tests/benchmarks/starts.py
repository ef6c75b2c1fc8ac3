"""Starting: how late, how many, at what cost."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from datetime import datetime

from tests.benchmarks import bare, homes
from tests.benchmarks.machine import Usage, percentile, usage
from tests.benchmarks.table import Row
from tests.support.live import Live
from windmill.core.documents import Document

TRUE = "entry_point: 'true'\n"


def spread(seconds: int) -> Iterator[Row]:
    """1,000 jobs every second, each at its own moment of it."""
    with homes.home() as live:
        homes.jobs(live, 1000, TRUE + "schedule: {interval: 1s, spread: 1s}")
        homes.up(live, 1000)
        yield from _spread_rows(live, seconds)


def _spread_rows(live: Live, seconds: int) -> Iterator[Row]:
    time.sleep(3)  # the first slots of all jobs come close together
    processes = (live.scheduler.pid if live.scheduler else 0, *live.runners()[:1])
    begin = homes.next_second()
    before = [usage(pid) for pid in processes]
    time.sleep(seconds)
    scheduler, runner = (usage(pid) - then for pid, then in zip(processes, before, strict=True))
    end = begin + seconds * homes.SECOND
    homes.settled(live, end)
    found = homes.executions(live, begin, end)
    started = homes.within(found, begin, end)
    late = homes.lateness(started)
    loop = bare.spawn([str(live.root / "projects/p/true")], count=1000, together=4)
    folded = homes.coalesced(started)
    yield Row(
        measure="spread: 1,000 jobs x 1 s, coalesced",
        measured=f"{folded}",
        budget="0",
        within=folded == 0,
        ratio=f"{len(started) / seconds * loop.elapsed / 1000:.2f} x bare/s",
        remarks=f"{len(started)} started in {seconds} s; bare loop {1000 / loop.elapsed:.0f}/s",
        wrong=homes.amiss(found, begin, end, jobs=1000),
    )
    yield Row(
        measure="spread: lateness p99",
        measured=f"{percentile(late, 0.99):.0f} ms",
        budget="< 20 ms",
        within=percentile(late, 0.99) < 20,
        remarks=f"p50 {statistics.median(late):.0f}, max {max(late):.0f}; {_ended(started)}",
    )
    yield _cpu_row(scheduler, runner, loop.cpu, len(homes.within(found, begin, end, "started_at")))


def _cpu_row(scheduler: Usage, runner: Usage, loop: float, starts: int) -> Row:
    each = (scheduler.total + runner.total) / starts * 1000
    parts = {"scheduler": scheduler.main, "recorder": scheduler.others, "runner": runner.total}
    return Row(
        measure="spread: CPU per start",
        measured=f"{each:.2f} ms",
        budget="<= 0.5 ms",
        within=each <= 0.5,
        ratio=f"{each / loop / 1000:.1f} x bare",
        remarks=", ".join(f"{name} {seconds / starts * 1000:.2f}" for name, seconds in parts.items())
        + f"; bare loop {loop * 1000:.2f}",
    )


def together(count: int, peer: float, seconds: int) -> Iterator[Row]:
    """`count` jobs due at every whole second; `peer` is the best peer's lateness p99 in milliseconds."""
    with homes.home() as live:
        homes.jobs(live, count, f"{TRUE}schedule: {{{homes.WHOLE_SECONDS}}}")
        homes.up(live, count)
        time.sleep(2)  # the first starts of a runner
        begin, end = homes.pass_time(seconds)
        homes.settled(live, end)
        found = homes.executions(live, begin, end)
        started = homes.within(found, begin, end)
        late, ended = homes.lateness(started), homes.lateness(started, "ended_at")
        loop = bare.spawn([str(live.root / "projects/p/true")], count=count, together=count)
    yield Row(
        measure=f"same second: {count:,} jobs, lateness p99",
        measured=f"{percentile(late, 0.99):.0f} ms",
        budget=f"< {peer:.0f} ms",
        within=percentile(late, 0.99) < peer,
        ratio=f"{percentile(late, 0.99) / 1000 / loop.started:.2f} x bare",
        remarks=f"p50 {statistics.median(late):.0f}, max {max(late):.0f}; {_ended(started)}; "
        f"bare loop started all in {loop.started * 1000:.0f} ms",
    )
    complete = len(started) / count / seconds
    yield Row(
        measure=f"same second: {count:,} jobs, complete",
        measured=f"{complete:.1%}",
        budget="100 %",
        within=complete >= 1,
        ratio=f"{percentile(ended, 0.99) / 1000 / loop.elapsed:.2f} x bare",
        remarks=f"{homes.coalesced(started)} coalesced; ratio: due -> ended; bare loop {loop.elapsed * 1000:.0f} ms",
        wrong=homes.amiss(found, begin, end, jobs=count),
    )


def _ended(started: list[Document]) -> str:
    return f"due -> ended p99 {percentile(homes.lateness(started, 'ended_at'), 0.99):.0f} ms"


def alone(seconds: int) -> Iterator[Row]:
    """One job every second, which prints when it was running."""
    with homes.home() as live:
        live.job("alone", f"entry_point: date\nargs: ['+%s%N']\nschedule: {{{homes.WHOLE_SECONDS}}}")
        homes.up(live, 1)
        time.sleep(2)
        begin, end = homes.pass_time(seconds)
        homes.settled(live, end)
        found = homes.executions(live, begin, end)
        started = homes.within(found, begin, end)
        late = [_printed(live, one) for one in started]
        loop = bare.first_words([str(live.root / "projects/p/date"), "+%s%N"], count=20)
    median, most = statistics.median(late), percentile(late, 0.99)
    recorded = homes.lateness(started)
    yield Row(
        measure="alone: due -> process prints, p50",
        measured=f"{median:.1f} ms",
        budget="< 5 ms",
        within=median < 5,
        ratio=f"{median / 1000 / statistics.median(loop):.1f} x bare",
        remarks=f"recorded start p50 {statistics.median(recorded):.0f}; bare {statistics.median(loop) * 1000:.1f} ms",
        wrong=homes.amiss(found, begin, end, jobs=1),
    )
    yield Row(
        measure="alone: due -> process prints, p99",
        measured=f"{most:.1f} ms",
        budget="< 20 ms",
        within=most < 20,
        remarks=f"recorded start p99 {percentile(recorded, 0.99):.0f}; {len(late)} starts",
    )


def _printed(live: Live, one: Document) -> float:
    """Return the milliseconds from the slot to the instant the process printed."""
    slot = datetime.fromisoformat(one["slot"])
    return int(live.output(one["id"])) / 1e6 - slot.timestamp() * 1000


def throughput(seconds: int) -> Iterator[Row]:
    """Somewhat more Python children due than the machine can run, four at a time."""
    with homes.home(max_running=4) as live:
        child = homes.program(live, "pass", f"#!{sys.executable} -S\npass\n")
        most = 100 * seconds / bare.spawn([str(child)], count=100 * seconds, together=4).elapsed
        count = int(most * 1.3)
        homes.jobs(live, count, f"entry_point: pass\nschedule: {{{homes.WHOLE_SECONDS}}}")
        homes.up(live, count)
        time.sleep(3)
        begin, end = homes.pass_time(seconds)
        time.sleep(1)  # until the recorder has what ended
        live.terminate()
        found = homes.executions(live, begin, end)
    ended = homes.within(found, begin, end, "ended_at")
    bad = [one for one in ended if one["state"] != "succeeded"]
    rate = len(ended) / seconds
    yield Row(
        measure="throughput: python -S, 4 at once",
        measured=f"{rate:.0f}/s",
        budget=">= 70 % of bare",
        within=rate >= 0.7 * most,
        ratio=f"{rate / most:.2f} x bare",
        remarks=f"bare loop {most:.0f}/s; {count} jobs due every second",
        wrong=f"{len(bad)} failed, such as {bad[0]['id']}: {bad[0]['reason']}" if bad else "",
    )
