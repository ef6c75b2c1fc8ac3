from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from windmill.execution.ladder import DRAIN, GIVE_UP, Act, Ladder

GRACE = 30.0
ALONE = {"alive": True, "held": True}  # the entry point runs and its output is open
NOTHING = {"alive": False, "held": False}


def running(timeout_at: float | None = None) -> Ladder:
    ladder = Ladder(GRACE)
    if timeout_at is not None:
        ladder.limit(timeout_at)
    return ladder


def stopping() -> Ladder:
    ladder = running()
    ladder.stop(100.0, by="ann")
    assert ladder.look(100.0, **ALONE) is Act.TERM
    return ladder


def test_nothing_is_done_to_what_runs() -> None:
    ladder = running()
    assert ladder.look(1e9, **ALONE) is Act.WAIT
    assert ladder.due is None


def test_an_end_with_nothing_left_is_the_end_at_once() -> None:
    ladder = running()
    ladder.exited(5.0)
    assert ladder.due == 5.0
    assert ladder.look(5.0, **NOTHING) is Act.OVER
    assert ladder.cause == ""


def test_what_is_left_behind_gets_a_second_and_is_killed() -> None:
    ladder = running()
    ladder.exited(5.0)
    assert ladder.look(5.0, **ALONE) is Act.WAIT
    assert ladder.look(5.0 + DRAIN / 2, **ALONE) is Act.WAIT
    assert ladder.look(5.0 + DRAIN, **ALONE) is Act.KILL
    assert ladder.look(5.1 + DRAIN, **NOTHING) is Act.OVER


def test_an_output_held_by_a_stranger_is_waited_for_a_second() -> None:
    ladder = running()
    ladder.exited(5.0)
    assert ladder.look(5.0, alive=False, held=True) is Act.WAIT
    assert ladder.look(5.0 + DRAIN, alive=False, held=True) is Act.OVER


def test_a_timeout_asks_at_its_instant() -> None:
    ladder = running(timeout_at=60.0)
    assert ladder.look(59.9, **ALONE) is Act.WAIT
    assert ladder.due == 60.0
    assert ladder.look(60.0, **ALONE) is Act.TERM
    assert ladder.cause == "timeout"


def test_a_stop_asks_at_once() -> None:
    ladder = stopping()
    assert ladder.cause == "stopped by ann"
    assert ladder.due == 100.0 + GRACE


def test_after_the_grace_comes_the_kill_until_nothing_is_left() -> None:
    ladder = stopping()
    assert ladder.look(100.0 + GRACE - 0.1, **ALONE) is Act.WAIT
    assert ladder.look(100.0 + GRACE, **ALONE) is Act.KILL
    assert ladder.look(100.1 + GRACE, **ALONE) is Act.KILL
    ladder.exited(100.2 + GRACE)
    assert ladder.look(100.2 + GRACE, **NOTHING) is Act.OVER


def test_what_survives_the_kill_is_given_up() -> None:
    ladder = stopping()
    ladder.look(100.0 + GRACE, **ALONE)
    assert ladder.look(100.0 + GRACE + GIVE_UP, **ALONE) is Act.OVER


def test_children_have_the_grace_too() -> None:
    ladder = stopping()
    ladder.exited(101.0)
    assert ladder.look(101.0, **ALONE) is Act.WAIT
    assert ladder.look(102.0, **NOTHING) is Act.OVER


def test_the_first_wish_to_stop_counts() -> None:
    ladder = stopping()
    ladder.stop(101.0, by="ben")
    assert ladder.cause == "stopped by ann"
    assert ladder.due == 100.0 + GRACE


def test_a_timeout_during_a_stop_changes_nothing() -> None:
    ladder = running(timeout_at=101.0)
    ladder.stop(100.0, by="ann")
    assert ladder.look(100.0, **ALONE) is Act.TERM
    assert ladder.look(102.0, **ALONE) is Act.WAIT
    assert ladder.cause == "stopped by ann"


def test_an_end_at_the_instant_of_the_timeout_is_no_timeout() -> None:
    ladder = running(timeout_at=60.0)
    ladder.exited(60.0)
    assert ladder.look(60.0, **NOTHING) is Act.OVER
    assert ladder.cause == ""


def test_a_stop_after_the_end_is_no_stop() -> None:
    ladder = running()
    ladder.exited(5.0)
    ladder.stop(5.1, by="ann")
    assert ladder.cause == ""


@given(
    timeout=st.none() | st.floats(0, 100),
    stop=st.none() | st.floats(0, 100),
    exit_at=st.floats(0, 200),
    tree_gone=st.floats(0, 300),
    output_closed=st.floats(0, 300),
    grace=st.floats(0, 50),
)
def test_every_execution_comes_to_its_end_in_bounded_time_and_not_before(
    *, timeout: float | None, stop: float | None, exit_at: float, tree_gone: float, output_closed: float, grace: float
) -> None:
    """Played by the rule that `look` is called at `due`, at the exit and at the stop, and never otherwise."""
    ladder = Ladder(grace)
    if timeout is not None:
        ladder.limit(timeout)
    facts = sorted({at for at in (exit_at, stop) if at is not None})
    now, asked, looks = 0.0, None, 0
    while looks < 10_000:
        wakes = [at for at in (ladder.due, *facts) if at is not None]
        now = max(now, min(wakes))
        facts = [at for at in facts if at > now]
        if stop is not None and stop <= now:
            ladder.stop(now, by="ann")
        if exit_at <= now and not ladder.gone:
            ladder.exited(now)
        alive = not ladder.gone or now < tree_gone
        act = ladder.look(now, alive=alive, held=now < output_closed)
        looks += 1
        asked = now if act is Act.TERM else asked
        if act is Act.KILL:
            assert ladder.gone or asked is not None
            assert asked is None or now >= asked + grace
        if act is Act.OVER:
            break
    begun = min(at for at in (exit_at, stop, timeout) if at is not None)
    assert act is Act.OVER
    assert now <= begun + max(grace, DRAIN) + GIVE_UP + 2 * DRAIN
    assert looks < 500, "a look costs a walk through all processes"
