from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.app.migration.crontab import read
from windmill.app.migration.model import Found


def only(text: str, *, users: bool = False) -> Found:
    reading = read(text, users=users)
    assert (len(reading.found), reading.left) == (1, [])
    return reading.found[0]


def output(found: Found) -> str:
    return subprocess.run(["sh", "-c", found.script], capture_output=True, text=True, check=True).stdout


def test_an_entry_becomes_a_job_named_by_the_script_it_runs() -> None:
    found = only("0 2 * * mon-fri  /usr/bin/python3 /srv/reports/nightly_sales.py --full >/dev/null 2>&1\n")
    assert (found.name, found.keys, found.line) == ("nightly_sales", {"schedule": "0 2 * * mon-fri"}, 1)


@pytest.mark.parametrize(
    ("word", "cron"), [("@daily", "0 0 * * *"), ("@Hourly", "0 * * * *"), ("@annually", "0 0 1 1 *")]
)
def test_words_for_times_are_written_out(word: str, cron: str) -> None:
    assert only(f"{word}\techo x").keys["schedule"] == cron


def test_environment_lines_hold_for_the_entries_below_them() -> None:
    first, second, third = read(
        'A=1\n* * * * * echo "$A"\nA = " two "\n* * * * * echo b\n"B"=\'3\'\n* * * * * echo c\n', users=False
    ).found
    assert [one.keys["env"] for one in (first, second, third)] == [
        {"A": "1"},
        {"A": " two "},
        {"A": " two ", "B": "3"},
    ]


def test_a_command_with_an_assignment_is_no_environment_line() -> None:
    assert only("*/5 * * * * A=b echo x").script.endswith("A=b echo x\n")


def test_the_zone_of_the_crontab_is_that_of_the_schedule() -> None:
    found = only("CRON_TZ=America/Sao_Paulo\n30 6 * * * echo x")
    assert found.keys == {"schedule": {"cron": "30 6 * * *", "timezone": "America/Sao_Paulo"}}


def test_the_shell_runs_the_script() -> None:
    assert only("SHELL=/bin/bash\n* * * * * echo x").script.startswith("#!/bin/bash\n")


def test_what_follows_a_percent_sign_is_input_and_further_ones_end_lines() -> None:
    assert output(only("* * * * * cat%one%two 100\\%")) == "one\ntwo 100%\n"


def test_an_escaped_percent_sign_is_one() -> None:
    assert output(only("* * * * * echo 5\\%")) == "5%\n"


def test_input_cannot_end_itself() -> None:
    assert output(only("* * * * * cat%INPUT%INPUT_%echo bad")) == "INPUT\nINPUT_\necho bad\n"


def test_commands_start_at_home() -> None:
    assert output(only("* * * * * pwd")) == output(only("* * * * * cd $HOME && pwd"))


def test_the_comment_above_an_entry_describes_it_and_the_others_are_kept() -> None:
    found = only("# of the whole file\n\n# Sales\n#  by region\n0 2 * * * sales.sh\n# the end\n")
    assert found.keys["description"] == "Sales\nby region"
    assert found.comments == ("# of the whole file", "# the end")


def test_a_user_is_told_of_and_no_part_of_the_command() -> None:
    found = only("17 * * * *\troot\tcd / && run-parts /etc/cron.hourly", users=True)
    assert found.script.endswith("cd / && run-parts /etc/cron.hourly\n")
    assert "root" in found.remarks[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@reboot echo x", "@reboot"),
        ("* * * * *", "not an entry"),
        ("hello", "not an entry"),
        ("@fortnightly x", "not an entry"),
        ("MAILTO=ops@example.com", "notify"),
    ],
)
def test_what_cannot_be_turned_is_said_with_its_line(line: str, why: str) -> None:
    (left,) = read(f"\n{line}\n", users=False).left
    assert (left.line, left.text) == (2, line)
    assert why in left.why


def test_an_unknown_shell_leaves_its_entries_out() -> None:
    (left,) = read("SHELL=/usr/bin/python3\n* * * * * print(1)\n", users=False).left
    assert "SHELL" in left.why


LINES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40),
    st.builds(
        "{} {}".format, st.sampled_from(["* * * * *", "0 2 1-5 * mon", "@daily", "@reboot"]), st.text("ab %\\$'")
    ),
)


@given(st.lists(LINES, max_size=8))
def test_every_line_is_turned_kept_or_said(lines: list[str]) -> None:
    text = "\n".join(lines)
    reading = read(text, users=False)
    for number, line in enumerate(text.splitlines(), 1):
        told = [one.line for one in reading.found].count(number) + [one.line for one in reading.left].count(number)
        quiet = not line.strip() or line.strip().startswith("#") or "=" in line
        assert told == 1 or quiet, line
    assert len({one.name for one in reading.found}) == len(reading.found)
