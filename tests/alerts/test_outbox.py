from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from windmill.alerts import outbox as box
from windmill.alerts.outbox import (
    BACK_OFF,
    BACK_OFF_MAX,
    GATHER,
    GIVE_UP,
    LIMIT,
    PENDING_MAX,
    WINDOW,
    Outbox,
    delivered,
    failed,
    next_message,
    outbox_from_document,
    outbox_to_document,
    queued,
)
from windmill.alerts.rules import Alert, Rule

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def an_alert(number: int = 1) -> Alert:
    return Alert(rule=Rule.FAILED, about=f"p/j{number}", first=f"{number:016x}", since=NOON)


def with_alerts(count: int, now: datetime = NOON) -> Outbox:
    outbox = Outbox()
    for number in range(count):
        outbox = queued(outbox, an_alert(number), ["team"], now)
    return outbox


def sent_until(outbox: Outbox, now: datetime) -> tuple[Outbox, list[int]]:
    """Send all that goes now; return how many alerts each message told of."""
    sizes = []
    while alerts := next_message(outbox.channels["team"], now):
        outbox = delivered(outbox, "team", alerts, now)
        sizes.append(len(alerts))
    return outbox, sizes


def test_a_message_goes_to_each_of_its_channels() -> None:
    outbox = queued(Outbox(), an_alert(), ["team", "ops", "team"], NOON)
    assert {name: next_message(channel, NOON) for name, channel in outbox.channels.items()} == {
        "team": (an_alert(),),
        "ops": (an_alert(),),
    }


def test_what_waits_or_was_told_is_not_told_twice() -> None:
    outbox = queued(with_alerts(1), an_alert(0), ["team"], NOON)
    assert len(outbox.channels["team"].pending) == 1
    outbox = delivered(outbox, "team", (an_alert(0),), NOON)
    assert not queued(outbox, an_alert(0), ["team"], NOON)


def test_a_flood_is_a_bounded_number_of_messages_and_nothing_of_it_is_left_out() -> None:
    outbox, sizes = sent_until(with_alerts(200), NOON)
    assert sizes == [1] * (LIMIT - 1)
    outbox, more = sent_until(outbox, NOON + GATHER)
    assert more == [200 - (LIMIT - 1)]
    assert not outbox
    assert sent_until(queued(outbox, an_alert(999), ["team"], NOON + GATHER), NOON + WINDOW - SECOND)[1] == []
    assert sent_until(queued(outbox, an_alert(999), ["team"], NOON + GATHER), NOON + WINDOW)[1] == [1]


def test_what_is_beyond_the_bound_is_counted() -> None:
    outbox = with_alerts(PENDING_MAX + 7)
    assert (len(outbox.channels["team"].pending), outbox.channels["team"].uncounted) == (PENDING_MAX, 7)
    outbox, _ = sent_until(outbox, NOON)
    outbox, _ = sent_until(outbox, NOON + GATHER)
    assert outbox.channels["team"].uncounted == 0


def test_a_channel_that_takes_nothing_is_tried_less_and_less_often() -> None:
    outbox, now, waits = with_alerts(1), NOON, []
    for _ in range(12):
        outbox = failed(outbox, "team", now, "the server cannot be reached")
        retry_at = outbox.channels["team"].retry_at
        assert retry_at is not None
        assert next_message(outbox.channels["team"], retry_at - SECOND) == ()
        assert next_message(outbox.channels["team"], retry_at) == (an_alert(0),)
        waits.append(retry_at - now)
        now = retry_at
    assert waits[:3] == [BACK_OFF, 2 * BACK_OFF, 4 * BACK_OFF]
    assert waits[-1] == BACK_OFF_MAX


def test_a_channel_that_takes_one_is_well_again() -> None:
    outbox = failed(with_alerts(1), "team", NOON, "refused")
    outbox = delivered(outbox, "team", (an_alert(0),), NOON + BACK_OFF)
    assert (outbox.channels["team"].failures, outbox.channels["team"].error) == (0, "")
    assert [(note["outcome"], note["about"]) for note in outbox.recent] == [("sent", "p/j0")]


def test_a_message_is_given_up_after_days() -> None:
    outbox = queued(with_alerts(1), an_alert(5), ["team"], NOON + GIVE_UP)
    outbox = failed(outbox, "team", NOON + GIVE_UP, "refused")
    assert [one.alert for one in outbox.channels["team"].pending] == [an_alert(5)]
    assert [(note["outcome"], note["error"], note["about"]) for note in outbox.recent] == [
        ("given up", "refused", "p/j0")
    ]


def test_only_the_newest_notes_are_kept() -> None:
    outbox = with_alerts(box.KEPT + 50)
    outbox, _ = sent_until(outbox, NOON)
    outbox, _ = sent_until(outbox, NOON + GATHER)
    assert len(outbox.recent) == box.KEPT


steps = st.lists(
    st.one_of(
        st.tuples(st.just("alert"), st.integers(0, 400)),
        st.tuples(st.just("wait"), st.integers(1, 400)),
        st.tuples(st.just("dead"), st.integers(1, 3)),
    ),
    max_size=60,
)


@given(steps)
def test_every_alert_is_told_once_and_never_more_messages_than_the_limit(steps: list[tuple[str, int]]) -> None:
    outbox, now, sent, told, dead = Outbox(), NOON, [], [], 0
    for what, number in [*steps, *[("wait", 600)] * 200]:
        if what == "alert":
            outbox = queued(outbox, an_alert(number), ["team"], now)
        elif what == "dead":
            dead = number
        else:
            now += timedelta(seconds=number)
        outbox = outbox_from_document(json.loads(json.dumps(outbox_to_document(outbox))))  # as after a restart
        while "team" in outbox.channels and (alerts := next_message(outbox.channels["team"], now)):
            if dead:
                dead -= 1
                outbox = failed(outbox, "team", now, "dead")
                continue
            outbox = delivered(outbox, "team", alerts, now)
            sent.append(now)
            told += [alert.key for alert in alerts]
    wanted = {an_alert(number).key for what, number in steps if what == "alert"}
    assert sorted(told) == sorted(wanted)
    assert all(sum(at - WINDOW < other <= at for other in sent) <= LIMIT for at in sent)
