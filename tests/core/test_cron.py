"""Cron in zones: against a minute-by-minute simulation of Debian's rules, and the rules one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.debian_cron import Transition, due_between, transitions
from windmill.core.cron import Cron, parse_cron
from windmill.core.errors import WindmillError
from windmill.core.triggers import slots

ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "America/Asuncion",
    "America/Bogota",
    "America/Caracas",
    "America/Godthab",
    "America/Havana",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/Miquelon",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Damascus",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Asia/Ulaanbaatar",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Chisinau",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Europe/Lisbon",
    "Europe/London",
    "Europe/Moscow",
    "Europe/Paris",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Norfolk",
)
WINDOW = timedelta(hours=30)


@st.composite
def changes(draw: st.DrawFn) -> Transition:
    years = draw(st.sampled_from([(1985, 1988), (2005, 2012), (2024, 2027), (2040, 2042)]))
    found = [change for name in draw(st.permutations(ZONES))[:3] for change in transitions(name, *years)]
    return draw(st.sampled_from(found or transitions("Europe/Paris", 2026, 2026)))


def field(low: int, high: int, usual: list[str]) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, high).map(str)
    term = st.one_of(
        number.map(str), span, st.builds("{}/{}".format, span, step), st.builds("{}/{}".format, number, step)
    )
    stars = st.one_of(st.just("*"), st.builds("*/{}".format, step))
    return st.one_of(st.sampled_from(usual), stars, st.lists(term, min_size=1, max_size=3).map(",".join))


EXPRESSIONS = st.builds(
    "{} {} {} {} {}".format,
    field(0, 59, ["0", "30", "15,45", "*", "*/10", "59"]),
    field(0, 23, ["0", "1", "2", "3", "23", "*", "*/2", "0-23", "1-3"]),
    st.one_of(st.just("*"), field(1, 31, ["*", "1", "25-31", "*/2"])),
    st.just("*"),
    st.one_of(st.just("*"), field(0, 7, ["*", "0", "7", "1-5", "0,6"])),
)


def parsed(expression: str) -> str | None:
    try:
        return parse_cron(expression)
    except WindmillError:
        return None


@settings(max_examples=400, deadline=None, database=None)
@given(
    change=changes(),
    expression=EXPRESSIONS.filter(parsed),
    offset=st.timedeltas(timedelta(hours=-5), timedelta(hours=5)),
)
def test_slots_around_a_change_of_clock_are_those_of_debian(
    change: Transition, expression: str, offset: timedelta
) -> None:
    asked = change.instant + timedelta(milliseconds=offset // timedelta(milliseconds=1))
    until = change.instant + WINDOW
    expected = [due for due in due_between(expression, change.zone, change.instant - WINDOW, until) if due > asked]
    cron = Cron(parse_cron(expression), change.zone)
    assert slots(cron, after=asked, until=until, limit=50) == expected[:50]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize(
    "expression", ["30 1 * * *", "15 0,2,3 * * *", "*/15 0-3 * * *", "45 */2 * * *", "0 23,0 * * *"]
)
def test_every_question_around_a_change_has_the_answer_of_debian(name: str, expression: str) -> None:
    *_, change = transitions(name, 1985, 2026)
    until = change.instant + WINDOW
    due = due_between(expression, change.zone, change.instant - WINDOW, until)
    cron = Cron(expression, change.zone)
    questions = [change.instant + timedelta(minutes=7 * step) for step in range(-34, 35)]
    assert [cron.next_after(asked) for asked in questions] == [
        next(at for at in due if at > asked) for asked in questions
    ]


def local(expression: str, name: str, after: str, count: int = 3) -> list[str]:
    zone = ZoneInfo(name)
    start = datetime.fromisoformat(after).replace(tzinfo=zone).astimezone(UTC)
    found = slots(
        Cron(parse_cron(expression), zone), after=start, until=datetime.max.replace(tzinfo=UTC), limit=count
    )
    return [due.astimezone(zone).strftime("%m-%d %H:%M%z") for due in found]


@pytest.mark.parametrize(
    ("expression", "name", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            "2026-03-28T12:00",
            ["03-29 03:00+0200", "03-30 02:30+0200"],
            id="a skipped time is due right after the gap",
        ),
        pytest.param(
            "0,30 2 * * *",
            "Europe/Paris",
            "2026-03-28T12:00",
            ["03-29 03:00+0200", "03-30 02:00+0200"],
            id="several skipped times are one slot",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Paris",
            "2026-03-28T12:00",
            ["03-30 02:00+0200", "03-30 02:30+0200"],
            id="a wildcard leaves skipped times out",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            "2026-10-24T12:00",
            ["10-25 02:30+0200", "10-26 02:30+0100"],
            id="a repeated time is due the first time",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Paris",
            "2026-10-24T12:00",
            ["10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100"],
            id="a wildcard follows the repeated hour",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00",
            ["10-04 02:30+1100", "10-05 02:15+1100"],
            id="a gap of half an hour",
        ),
        pytest.param(
            "@hourly",
            "Australia/Lord_Howe",
            "2026-04-05T00:30",
            ["04-05 01:00+1100", "04-05 02:00+1030", "04-05 03:00+1030"],
            id="an overlap of half an hour",
        ),
        pytest.param(
            "@daily",
            "Asia/Beirut",
            "2026-03-28T12:00",
            ["03-29 01:00+0300", "03-30 00:00+0300"],
            id="a day without midnight in Beirut",
        ),
        pytest.param(
            "@daily",
            "America/Santiago",
            "2026-09-05T12:00",
            ["09-06 01:00-0300", "09-07 00:00-0300"],
            id="a day without midnight in Santiago",
        ),
        pytest.param(
            "@daily",
            "America/Havana",
            "2026-10-31T12:00",
            ["11-01 00:00-0400", "11-02 00:00-0500"],
            id="a day with two midnights in Havana",
        ),
        pytest.param(
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T13:00",
            ["12-31 00:00+1400", "12-31 12:00+1400"],
            id="the day that Apia left out",
        ),
        pytest.param(
            "0 * * * *",
            "Antarctica/Troll",
            "2026-10-25T01:30",
            ["10-25 02:00+0200", "10-25 01:00+0000", "10-25 02:00+0000"],
            id="two repeated hours in Troll",
        ),
        pytest.param(
            "0 30 2 * * *",
            "Europe/Paris",
            "2026-10-24T12:00",
            ["10-25 02:30+0200", "10-26 02:30+0100"],
            id="six fields obey the same rules",
        ),
        pytest.param(
            "30 2 * * *",
            "America/New_York",
            "2099-03-07T12:00",
            ["03-08 03:00-0400", "03-09 02:30-0400"],
            id="rules hold after 2037",
        ),
    ],
)
def test_a_change_of_clock(expression: str, name: str, after: str, expected: list[str]) -> None:
    assert local(expression, name, after, len(expected)) == expected


def test_a_fixed_time_asked_for_inside_the_repeated_hour_is_not_due_again() -> None:
    cron = Cron("30 1 * * *", ZoneInfo("America/New_York"))
    inside = datetime(2024, 11, 3, 6, tzinfo=UTC)
    assert cron.next_after(inside) == datetime(2024, 11, 4, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 29 2 *", ["02-29", "02-29"]),
        ("0 0 L * *", ["01-31", "02-28", "03-31"]),
        ("0 0 LW * *", ["01-30", "02-27", "03-31"]),
        ("0 0 * * MON#2", ["01-12", "02-09"]),
        ("0 0 * * 5L", ["01-30", "02-27"]),
        ("0 0 13 * FRI", ["01-02", "01-09", "01-13", "01-16"]),
        ("0 0 */2 * FRI", ["01-09", "01-23"]),
        ("0 0 * jan sun", ["01-04", "01-11"]),
        ("0 0 * * 7", ["01-04"]),
        ("@yearly", ["01-01"]),
        ("@annually", ["01-01"]),
        ("@monthly", ["02-01"]),
        ("@weekly", ["01-04"]),
        ("@daily", ["01-02"]),
        ("@midnight", ["01-02"]),
    ],
)
def test_days(expression: str, expected: list[str]) -> None:
    assert [text[:5] for text in local(expression, "UTC", "2026-01-01T06:00", len(expected))] == expected


def test_six_fields_begin_with_seconds() -> None:
    cron = Cron(parse_cron("10,40 5 * * * *"), ZoneInfo("UTC"))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = slots(cron, after=start, until=start + timedelta(hours=1), limit=9)
    assert [due.strftime("%H:%M:%S") for due in found] == ["00:05:10", "00:05:40"]


@pytest.mark.parametrize(
    ("expression", "name"),
    [("*/10 2 * 3 SUN#2", "America/New_York"), ("0 0 29 2 *", "UTC")],
    ids=["only ever in a gap", "no leap year left"],
)
def test_a_search_without_end_ends(expression: str, name: str) -> None:
    start = datetime(2026 if name != "UTC" else 9996, 3, 1, tzinfo=UTC)
    assert Cron(parse_cron(expression), ZoneInfo(name)).next_after(start) is None


@pytest.mark.parametrize("name", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Paris"])
@pytest.mark.parametrize("expression", ["* * * * *", "30 2 * * *"])
@pytest.mark.parametrize("hours", [0, 1, 13, 40])
def test_the_ends_of_the_calendar_are_no_error(name: str, expression: str, hours: int) -> None:
    cron = Cron(expression, ZoneInfo(name))
    for instant in (
        datetime.min.replace(tzinfo=UTC) + timedelta(hours=hours),
        datetime.max.replace(tzinfo=UTC) - timedelta(hours=hours),
    ):
        due = cron.next_after(instant)
        assert due is None or due > instant


@pytest.mark.parametrize(
    ("expression", "complaint", "hint"),
    [
        ("61 * * * *", "Bad minute", "0-59"),
        ("0 22-3 * * *", "Bad hour", "22-23,0-3"),
        ("0 0 30 2 *", "Bad day-of-month", "month given has"),
        ("0 0 * 13 *", "Bad month", "1-12"),
        ("0 0 * * 8", "Bad day-of-week", "0-7"),
        ("99 * * * * *", "Bad second", "0-59"),
        ("? * * * *", "Bad minute", "* instead of ?"),
        ("0 0 15W * *", "Bad day-of-month", "only LW"),
        ("0 0 L-3 * *", "Bad day-of-month", "only L, LW"),
        ("H * * * *", "Bad minute", "spread"),
        ("~ * * * *", "Bad minute", "spread"),
        ("* * * * * * 2026", "Wrong number of fields", "year"),
        ("* * *", "Wrong number of fields", "minute hour day month weekday"),
        ("", "Wrong number of fields", "minute hour day month weekday"),
        ("@reboot", "Wrong number of fields", "@daily"),
        ("TZ=UTC 0 0 * * *", "Bad second", "timezone"),
        ("0 0 */20 * MON#2", "no date matches", "exclude"),
        ("0," * 400, "500 characters", ""),
    ],
)
def test_a_mistake_is_named_with_its_remedy(expression: str, complaint: str, hint: str) -> None:
    with pytest.raises(WindmillError) as caught:
        parse_cron(expression)
    assert complaint in caught.value.message
    assert hint in caught.value.hint


def test_an_expression_is_normalised() -> None:
    assert parse_cron("  0  9 * jan  mon-fri\n") == "0 9 * JAN MON-FRI"


def test_a_range_of_one_with_a_step_is_that_one() -> None:
    assert parse_cron("15-15/5 3-10/3 * * MON-MON/2") == "15 3-10/3 * * MON"


@settings(max_examples=300, deadline=None, database=None)
@given(st.text("0123456789*/,-#LWlw@? \t²mon", max_size=30))
def test_any_text_is_an_expression_or_a_mistake(text: str) -> None:
    normal = parsed(text)
    assert normal is None or parse_cron(normal) == normal
