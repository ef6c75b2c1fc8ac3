"""What becomes of slots: the rules of scheduling as a person would state them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.world import HOUR, MINUTE, T0, World, a_job
from windmill.core.model import CatchUp, Cause, Execution, Overrun, Retry, Schedule, State


def hourly(**changes: object) -> Schedule:
    return replace(Schedule(interval=HOUR, start_at=T0), **changes)  # type: ignore[arg-type]  # a builder


def clock(*texts: str) -> list[datetime]:
    """Return instants of the first days of January: "01:30", "1d 02:00"."""
    found = []
    for text in texts:
        day, _, wall = text.rpartition("d ")
        hour, minute = wall.split(":")
        found.append(T0 + timedelta(days=int(day or 0), hours=int(hour), minutes=int(minute)))
    return found


# The original's rule


def test_an_hourly_job_of_ninety_minutes_starts_again_as_soon_as_it_ends() -> None:
    world = World(a_job(), takes=timedelta(minutes=90)).until(T0 + 6 * HOUR)
    assert world.starts == clock("00:00", "01:30", "03:00", "04:30", "06:00")


def test_an_hourly_job_of_exactly_an_hour_starts_every_hour_once() -> None:
    world = World(a_job(), takes=HOUR).until(T0 + 4 * HOUR)
    assert world.starts == clock("00:00", "01:00", "02:00", "03:00", "04:00")


def test_after_one_long_execution_the_grid_is_found_again_without_an_extra_start() -> None:
    def takes(execution: Execution) -> tuple[timedelta, State]:
        return (2 * HOUR if execution.slot == T0 else 5 * MINUTE), State.SUCCEEDED

    world = World(a_job(), takes=takes).until(T0 + 4 * HOUR)
    assert world.starts == clock("00:00", "02:00", "03:00", "04:00")


def test_an_execution_over_many_slots_is_followed_by_one_start_that_names_them_all() -> None:
    def takes(execution: Execution) -> tuple[timedelta, State]:
        return (timedelta(hours=5, minutes=30) if execution.slot == T0 else MINUTE), State.SUCCEEDED

    world = World(a_job(), takes=takes).until(T0 + timedelta(hours=5, minutes=40))
    second = world.started[1]
    assert (second.slot, second.coalesced, second.coalesced_from) == (T0 + 5 * HOUR, 4, T0 + HOUR)


def test_overrun_skip_waits_for_the_next_slot_and_records_what_passed() -> None:
    world = World(a_job(hourly(overrun=Overrun.SKIP)), takes=timedelta(minutes=90)).until(T0 + 5 * HOUR)
    assert world.starts == clock("00:00", "02:00", "04:00")
    assert world.reasons() == ["overrun", "overrun"]


# First sight, windows, max_runs


def test_first_sight_owes_nothing_of_the_past() -> None:
    world = World(a_job(), begin=T0 + timedelta(hours=10, minutes=20)).until(T0 + 12 * HOUR)
    assert world.starts == clock("11:00", "12:00")


def test_without_start_at_the_grid_begins_at_first_sight() -> None:
    world = World(a_job(Schedule(interval=HOUR)), begin=T0 + 7 * MINUTE).until(T0 + 3 * HOUR)
    assert world.starts == clock("01:07", "02:07")


def test_a_start_that_would_come_after_end_at_is_skipped_for_its_window() -> None:
    schedule = hourly(end_at=T0 + HOUR)
    world = World(a_job(schedule), takes=timedelta(minutes=90)).until(T0 + 9 * HOUR)
    assert world.starts == clock("00:00")
    assert world.reasons() == ["window"]


def test_max_runs_counts_scheduled_starts_only() -> None:
    world = World(a_job(hourly(max_runs=2)))
    world.run("m")
    world.until(T0 + 9 * HOUR)
    assert [one.trigger for one in world.started] == [Cause.MANUAL, Cause.SCHEDULE, Cause.SCHEDULE]


# Coming back


def test_a_restart_at_once_changes_nothing() -> None:
    world = World(a_job()).until(T0 + 90 * MINUTE)
    world.restart(world.now)
    assert world.until(T0 + 3 * HOUR).starts == clock("00:00", "01:00", "02:00", "03:00")


def test_slots_missed_while_away_are_recorded_and_not_started_by_default() -> None:
    world = World(a_job()).until(T0 + 30 * MINUTE)
    world.restart(T0 + timedelta(hours=4, minutes=30))
    world.until(T0 + 5 * HOUR)
    assert world.starts == clock("00:00", "05:00")
    assert world.reasons() == ["missed"]


def test_a_slot_missed_by_less_than_a_minute_is_late_and_not_missed() -> None:
    world = World(a_job()).until(T0 + 30 * MINUTE)
    world.restart(T0 + HOUR + timedelta(seconds=40))
    assert world.starts[1:] == [T0 + HOUR + timedelta(seconds=40)]


def test_catch_up_last_starts_once_for_all_that_was_missed() -> None:
    world = World(a_job(hourly(catch_up=CatchUp.LAST))).until(T0 + 30 * MINUTE)
    world.restart(T0 + timedelta(hours=4, minutes=30))
    caught = world.started[1]
    assert (caught.trigger, caught.slot, caught.coalesced) == (Cause.CATCH_UP, T0 + 4 * HOUR, 3)


def test_catch_up_all_executes_every_missed_slot_in_order() -> None:
    world = World(a_job(hourly(catch_up=CatchUp.ALL))).until(T0 + 30 * MINUTE)
    world.restart(T0 + timedelta(hours=4, minutes=30))
    world.until(T0 + 5 * HOUR)
    assert [one.slot for one in world.started] == clock("00:00", "01:00", "02:00", "03:00", "04:00", "05:00")
    assert [one.trigger for one in world.started[1:5]] == [Cause.CATCH_UP] * 4


@pytest.mark.parametrize("catch_up", [CatchUp.LAST, CatchUp.ALL])
def test_what_is_caught_up_did_not_find_the_job_running(catch_up: CatchUp) -> None:
    world = World(a_job(hourly(catch_up=catch_up, overrun=Overrun.SKIP)), takes=10 * MINUTE).until(T0)
    world.run("m", wait=True)
    world.restart(T0 + timedelta(hours=4, minutes=30))
    world.until(T0 + timedelta(hours=5, minutes=30))
    caught = [one.slot for one in world.started if one.trigger is Cause.CATCH_UP]
    assert caught == clock("01:00", "02:00", "03:00", "04:00")[-1 if catch_up is CatchUp.LAST else 0 :]
    assert "overrun" not in world.reasons()


def test_catch_up_all_keeps_one_execution_a_slot_also_while_a_cap_holds_them() -> None:
    world = World(a_job(hourly(catch_up=CatchUp.ALL))).until(T0 + 30 * MINUTE)
    world.capped = True
    world.restart(T0 + timedelta(hours=4, minutes=30))
    for _ in range(5):
        world.until(world.now + 2 * MINUTE)
        world.uncap()
        world.capped = True
    assert [one.slot for one in world.started] == clock("00:00", "01:00", "02:00", "03:00", "04:00")


def test_slots_older_than_the_catch_up_window_are_recorded_as_missed() -> None:
    schedule = hourly(catch_up=CatchUp.ALL, catch_up_window=timedelta(hours=2))
    world = World(a_job(schedule)).until(T0 + 30 * MINUTE)
    world.restart(T0 + timedelta(hours=4, minutes=30))
    world.until(T0 + timedelta(hours=4, minutes=40))
    assert [one.slot for one in world.started] == clock("00:00", "03:00", "04:00")
    assert world.reasons() == ["missed"]


def test_an_execution_that_ended_while_the_scheduler_was_away_is_judged_on_its_return() -> None:
    job = a_job(retry=Retry(limit=1, delay=timedelta(minutes=5)))
    world = World(job, takes=lambda _: (10 * MINUTE, State.FAILED)).until(T0 + MINUTE)
    world.restart(T0 + 12 * MINUTE)
    world.until(T0 + 20 * MINUTE)
    assert world.starts == clock("00:00", "00:15")


def test_an_execution_that_runs_on_while_the_scheduler_is_away_is_not_started_again() -> None:
    world = World(a_job(), takes=timedelta(minutes=90)).until(T0 + MINUTE)
    world.away(timedelta(minutes=80))
    assert world.until(T0 + 3 * HOUR).starts == clock("00:00", "01:30", "03:00")


def test_a_clock_that_was_set_back_does_not_run_a_settled_slot_again() -> None:
    world = World(a_job()).until(T0 + 90 * MINUTE)
    world.now = T0 + 30 * MINUTE
    assert world.until(T0 + 2 * HOUR).starts == clock("00:00", "01:00", "02:00")


def test_a_clock_that_leaps_forward_gives_one_start_for_all_slots_in_between() -> None:
    world = World(a_job()).until(T0 + 30 * MINUTE)
    world.now = T0 + timedelta(hours=9, minutes=30)
    world.until(world.now)
    assert (len(world.starts), world.started[1].coalesced) == (2, 8)


def test_slots_that_an_execution_overran_while_the_scheduler_was_away_are_skipped_as_if_it_had_been_there() -> None:
    world = World(a_job(hourly(overrun=Overrun.SKIP)), takes=timedelta(minutes=90)).until(T0 + MINUTE)
    world.restart(T0 + timedelta(minutes=90, seconds=20))
    assert world.until(T0 + 3 * HOUR).starts == clock("00:00", "02:00")
    assert world.reasons() == ["overrun"]


# Retries


def failing(*ends: State) -> World:
    """A job with two retries whose executions end as given, then succeed."""
    outcomes = iter(ends)
    job = a_job(retry=Retry(limit=2, delay=timedelta(minutes=2), backoff=3, max_delay=timedelta(minutes=5)))
    return World(job, takes=lambda _: (MINUTE, next(outcomes, State.SUCCEEDED)))


def test_a_failure_is_tried_again_after_a_growing_and_capped_delay() -> None:
    world = failing(State.FAILED, State.TIMED_OUT).until(T0 + 30 * MINUTE)
    assert world.starts == clock("00:00", "00:03", "00:09")
    assert [one.attempt for one in world.started] == [1, 2, 3]


def test_retries_end_with_the_limit_and_the_next_slot_begins_anew() -> None:
    world = failing(*[State.FAILED] * 3).until(T0 + HOUR)
    assert world.starts == clock("00:00", "00:03", "00:09", "01:00")
    assert world.started[-1].attempt == 1


def test_a_retry_names_the_execution_it_repeats() -> None:
    world = failing(State.LOST).until(T0 + 30 * MINUTE)
    assert world.started[1].retry_of == world.started[0].id


def test_a_slot_that_comes_due_before_the_retry_wins() -> None:
    job = a_job(retry=Retry(limit=5, delay=timedelta(hours=2), max_delay=timedelta(hours=2)))
    world = World(job, takes=lambda _: (MINUTE, State.FAILED)).until(T0 + 2 * HOUR)
    assert [(one.trigger, one.attempt) for one in world.started] == [(Cause.SCHEDULE, 1)] * 3


def test_what_a_person_stopped_is_not_tried_again() -> None:
    world = failing().until(T0)
    world.stop()
    assert len(world.until(T0 + 50 * MINUTE).starts) == 1


def test_only_the_exit_codes_asked_for_are_tried_again() -> None:
    job = a_job(retry=Retry(limit=2, exit_codes=(75,)))
    world = World(job, takes=lambda _: (MINUTE, State.FAILED)).until(T0 + 50 * MINUTE)
    assert len(world.starts) == 1


# People


def test_a_manual_start_does_not_disturb_the_grid() -> None:
    world = World(a_job()).until(T0 + 30 * MINUTE)
    world.run()
    assert world.until(T0 + HOUR).starts == clock("00:00", "00:30", "01:00")


def test_a_manual_start_of_a_running_job_is_refused_and_names_the_execution() -> None:
    world = World(a_job(), takes=10 * MINUTE).until(T0)
    answer = world.run()
    assert answer is not None
    assert (bool(answer.refused), answer.execution) == (True, world.started[0].id)


def test_a_manual_start_that_waits_follows_the_running_execution() -> None:
    world = World(a_job(), takes=10 * MINUTE).until(T0)
    assert world.run(wait=True) is None
    assert world.until(T0 + 15 * MINUTE).starts == clock("00:00", "00:10")


def test_the_same_request_delivered_again_is_one_execution() -> None:
    world = World(a_job(), takes=10 * MINUTE)
    first, second = world.run("m1"), world.run("m1")
    assert first == second
    assert len(world.starts) == 1


def test_pause_skips_slots_and_says_so() -> None:
    world = World(a_job()).until(T0 + 30 * MINUTE)
    world.pause(until=T0 + timedelta(hours=2, minutes=30))
    world.until(T0 + 4 * HOUR)
    assert world.starts == clock("00:00", "03:00", "04:00")
    assert world.reasons() == ["paused", "paused"]


def test_resume_starts_no_burst() -> None:
    world = World(a_job(), takes=timedelta(hours=2, minutes=30)).until(T0)
    world.pause()
    world.until(T0 + timedelta(hours=3, minutes=30))
    world.resume()
    assert world.until(T0 + 4 * HOUR).starts == clock("00:00", "04:00")


def test_a_paused_job_can_still_be_started_by_hand() -> None:
    world = World(a_job()).until(T0 + 30 * MINUTE)
    world.pause()
    world.run()
    assert world.starts == clock("00:00", "00:30")


def test_a_pause_leaves_a_manual_start_in_the_queue() -> None:
    world = World(a_job())
    world.capped = True
    world.run()
    world.pause()
    world.uncap()
    assert len(world.starts) == 1


def test_a_pause_skips_a_slot_that_waits_in_the_queue() -> None:
    world = World(a_job())
    world.capped = True
    world.until(T0)
    world.pause()
    assert world.reasons() == ["paused"]


def test_stopping_a_queued_execution_ends_it_without_a_start() -> None:
    world = World(a_job())
    world.capped = True
    world.until(T0)
    world.stop()
    assert [(one.state, one.started_at) for one in world.records.values()] == [(State.STOPPED, None)]


# Files


def test_a_touched_file_changes_nothing() -> None:
    world = World(a_job(), takes=90 * MINUTE).until(T0 + 70 * MINUTE)
    world.define(a_job(description="edited"))
    assert world.until(T0 + 3 * HOUR).starts == clock("00:00", "01:30", "03:00")


def test_a_new_schedule_owes_no_slots_of_the_past() -> None:
    world = World(a_job()).until(T0 + 30 * MINUTE)
    world.define(a_job(Schedule(interval=timedelta(minutes=5), start_at=T0)))
    assert world.until(T0 + 40 * MINUTE).starts == clock("00:00", "00:35", "00:40")


def test_slots_that_waited_behind_an_execution_get_a_verdict_when_the_schedule_changes() -> None:
    world = World(a_job(), takes=150 * MINUTE).until(T0 + 130 * MINUTE)
    world.define(a_job(Schedule(interval=HOUR, start_at=T0 + 10 * HOUR)))
    assert world.reasons() == ["rescheduled"]


def test_a_removed_job_ends_what_runs_and_starts_nothing_more() -> None:
    world = World(a_job(), takes=10 * MINUTE).until(T0)
    world.define(None)
    world.until(T0 + 5 * HOUR)
    assert world.starts == clock("00:00")
    assert world.records[world.started[0].id].state is State.SUCCEEDED


def test_a_job_that_comes_back_keeps_its_grid_and_owes_nothing() -> None:
    world = World(a_job(Schedule(interval=HOUR)), begin=T0 + 7 * MINUTE).until(T0 + 70 * MINUTE)
    world.define(None)
    world.until(T0 + 200 * MINUTE)
    world.define(a_job(Schedule(interval=HOUR)))
    assert world.until(T0 + 250 * MINUTE).starts == clock("01:07", "04:07")


def test_a_disabled_job_has_no_slots_and_cannot_be_started() -> None:
    world = World(a_job(enabled=False)).until(T0 + 3 * HOUR)
    answer = world.run()
    assert answer is not None
    assert answer.refused
    assert not world.starts


def test_a_queued_execution_of_a_removed_job_is_skipped() -> None:
    world = World(a_job())
    world.capped = True
    world.until(T0)
    world.define(None)
    assert world.reasons() == ["removed"]


def test_slots_that_come_due_while_a_cap_holds_the_execution_are_coalesced_into_it() -> None:
    world = World(a_job())
    world.capped = True
    world.until(T0 + 2 * HOUR)
    world.uncap()
    started = world.started[0]
    assert (started.slot, started.coalesced, started.coalesced_to) == (T0, 2, T0 + 2 * HOUR)


# Everything at once


Move = Callable[[World, timedelta], object]

MOVES: dict[str, Move] = {
    "let time pass": lambda world, span: world.until(world.now + span),
    "let it pass again": lambda world, span: world.until(world.now + span),
    "go away": lambda world, span: world.away(span),
    "restart": lambda world, _: world.restart(world.now),
    "pause": lambda world, span: world.pause(until=world.now + span),
    "resume": lambda world, _: world.resume(),
    "run": lambda world, _: world.run(f"m{len(world.started)}"),
    "run and wait": lambda world, _: world.run(f"w{len(world.started)}", wait=True),
    "stop": lambda world, _: world.stop(),
    "touch": lambda world, span: world.define(replace(world.job, description=str(span))),
    "cap": lambda world, _: world.toggle_cap(),
}


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_happens_no_overlap_no_second_start_and_one_verdict_for_every_slot(data: st.DataObject) -> None:
    schedule = hourly(
        overrun=data.draw(st.sampled_from(list(Overrun))),
        catch_up=data.draw(st.sampled_from(list(CatchUp))),
        catch_up_window=timedelta(hours=data.draw(st.integers(0, 5))),
        end_at=data.draw(st.none() | st.just(T0 + 30 * HOUR)),
    )
    minutes = st.integers(0, 400).map(lambda number: number * MINUTE)
    ends = st.sampled_from([State.SUCCEEDED, State.FAILED, State.LOST])
    job = a_job(schedule, retry=Retry(limit=data.draw(st.integers(0, 2)), delay=timedelta(minutes=25)))
    world = World(job, takes=lambda _: (data.draw(minutes) + timedelta(seconds=1), data.draw(ends)))
    for name, span in data.draw(st.lists(st.tuples(st.sampled_from(sorted(MOVES)), minutes), max_size=15)):
        MOVES[name](world, span)
    # World asserts on every start that nothing overlaps and nothing starts twice.
    unsettled = {slot: records for slot, records in world.verdicts().items() if len(records) != 1}
    assert not unsettled


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_every_start_is_on_the_grid_or_at_the_end_of_the_previous_execution(lengths: list[int]) -> None:
    left = iter(lengths)
    world = World(a_job(), takes=lambda _: (next(left, 1) * MINUTE, State.SUCCEEDED)).until(T0 + 60 * HOUR)
    ends = {world.records[one.id].ended_at for one in world.started}
    for start in world.starts:
        assert (start - T0) % HOUR == timedelta(0) or start in ends


def story(
    lengths: list[int], disturb: Callable[[World], None], instants: list[int], schedule: Schedule
) -> list[datetime]:
    """Return the starts of a day in which executions take these minutes and `disturb` happens at these minutes."""
    left = iter(lengths)
    world = World(a_job(schedule), takes=lambda _: (next(left, 7) * MINUTE, State.SUCCEEDED))
    for minute in sorted(instants):
        disturb(world.until(T0 + minute * MINUTE))
    return world.until(T0 + 24 * HOUR).starts


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), max_size=20),
    instants=st.lists(st.integers(0, 24 * 60), max_size=12),
    schedule=st.sampled_from(
        [
            hourly(),
            hourly(overrun=Overrun.SKIP),
            Schedule(interval=timedelta(minutes=45)),
            Schedule(cron="*/20 9-17 * * *", timezone="America/Sao_Paulo"),
            Schedule(cron="30 2 * * *", timezone="Europe/Lisbon"),
        ]
    ),
)
@pytest.mark.parametrize(
    "disturb",
    [
        lambda world: world.restart(world.now),
        lambda world: world.define(replace(world.job, description=str(world.now))),
    ],
    ids=["restart", "reload"],
)
def test_a_restart_or_reload_at_any_instant_changes_nothing(
    disturb: Callable[[World], None], lengths: list[int], instants: list[int], schedule: Schedule
) -> None:
    assert story(lengths, disturb, instants, schedule) == story(lengths, disturb, [], schedule)


@pytest.mark.parametrize("pieces", [999, 1000, 1001, 2500])
def test_thousands_of_slots_are_settled_in_pieces_and_all_counted(pieces: int) -> None:
    schedule = Schedule(interval=timedelta(seconds=1), start_at=T0, catch_up=CatchUp.LAST)
    world = World(a_job(schedule)).until(T0 + timedelta(seconds=1))
    world.restart(T0 + timedelta(seconds=1 + pieces))
    world.until(world.now)
    assert len(world.starts) == 2  # at T0, and once for everything that was missed
    assert all(len(records) == 1 for records in world.verdicts().values())
