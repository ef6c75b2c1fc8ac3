from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_job, a_running_execution, an_execution
from tests.support.command import make_home, remember, windmill
from tests.support.stand_in import done, scheduler
from windmill.app.home import Home
from windmill.core.documents import Document, to_text
from windmill.core.model import State
from windmill.scheduler.clock import now

HOURLY = "entry_point: hello.py\nschedule: {cron: '0 * * * *', timezone: UTC}\n"


def add(home: Path, name: str, text: str) -> None:
    make_home(home, {f"jobs.d/{name}.yaml": f"project: p\n{text}"})


def listed(home: Path) -> dict[str, Document]:
    return {job["name"]: job for job in windmill(home, "jobs", "--json").json}


def test_without_a_scheduler_the_files_say_which_jobs_there_are(home: Path) -> None:
    add(home, "manual", "entry_point: hello.py\n")
    assert listed(home).keys() == {"hello", "manual"}


def test_with_a_scheduler_the_store_says_so(home: Path) -> None:
    with scheduler(home, done(), jobs=[a_job(id="p/other"), a_job(id="p/gone", deleted=True)]):
        assert listed(home).keys() == {"other"}


def test_what_an_earlier_scheduler_left_behind_does_not_hide_the_files(home: Path) -> None:
    remember(home, jobs=[a_job(id="p/old")], status={"catalog": {"id": "catalog", "problems": []}})
    assert listed(home).keys() == {"hello"}


def test_a_job_has_its_next_start_and_its_last_execution(home: Path) -> None:
    add(home, "cron", HOURLY)
    remember(home, executions=[an_execution(job="p/cron", state=State.FAILED)])
    job = listed(home)["cron"]
    assert job["state"] == "failed"
    assert 0 <= (datetime.fromisoformat(job["next"]) - now()).total_seconds() <= 3600


def test_a_start_that_was_only_skipped_is_no_last_execution(home: Path) -> None:
    remember(home, executions=[an_execution(state=State.SKIPPED, reason="paused")])
    assert listed(home)["hello"]["last"] is None


@pytest.mark.parametrize(
    ("facts", "flag"),
    [
        ({"enabled": False}, "disabled"),
        ({"paused": {"until": None, "by": "ana", "note": ""}}, "paused"),
        ({"stale": True}, "stale"),
    ],
)
def test_what_sets_a_job_apart_is_a_flag(home: Path, facts: Document, flag: str) -> None:
    with scheduler(home, done(), jobs=[a_job(**facts)]):
        assert listed(home)["hello"]["flags"] == [flag]


@pytest.mark.parametrize(
    "facts",
    [
        {"enabled": False},
        {"paused": {"until": None, "by": "ana", "note": ""}},
        {"document": {"schedule": {"interval": "1h", "max_runs": 2}}, "runs": 2},
        {"document": {"entry_point": "hello.py"}},
    ],
)
def test_a_job_that_will_not_start_has_no_next_start(home: Path, facts: Document) -> None:
    with scheduler(home, done(), jobs=[a_job(**facts)]):
        assert listed(home)["hello"]["next"] is None


def test_the_next_start_of_a_paused_job_is_after_the_pause(home: Path) -> None:
    until = now() + timedelta(days=3)
    with scheduler(home, done(), jobs=[a_job(paused={"until": to_text(until), "by": "ana", "note": ""})]):
        assert datetime.fromisoformat(listed(home)["hello"]["next"]) > until


def test_the_next_starts_of_all_jobs_come_in_order_of_time(home: Path) -> None:
    add(home, "often", "entry_point: hello.py\nschedule: {cron: '*/10 * * * *'}\n")
    add(home, "hourly", HOURLY)
    found = windmill(home, "next", "-n", "8", "--json").json
    assert len(found) == 8
    assert found == sorted(found, key=lambda start: (start["slot"], start["job"]))
    assert {start["job"] for start in found} >= {"p/often", "p/hourly"}


def test_the_next_starts_of_one_job_are_its_own(home: Path) -> None:
    add(home, "hourly", HOURLY)
    found = windmill(home, "next", "hourly", "-n", "3").out.splitlines()
    assert [line.split("\t")[1] for line in found] == ["p/hourly"] * 3


def test_an_unknown_job_has_no_next_start_but_near_names(home: Path) -> None:
    assert windmill(home, "next", "helo").status == 4


def test_show_tells_why_slots_did_or_did_not_start(home: Path) -> None:
    remember(
        home,
        executions=[
            an_execution(
                id=f"{1:016x}", coalesced=2, coalesced_from=NOON.replace(hour=9), coalesced_to=NOON.replace(hour=11)
            ),
            an_execution(id=f"{2:016x}", queued_at=NOON.replace(hour=13), state=State.SKIPPED, reason="paused"),
        ],
    )
    verdicts = [execution["verdict"] for execution in windmill(home, "show", "hello", "--json").json["verdicts"]]
    assert verdicts[0] == "Skipped: the job was paused"
    assert "2 more slots between 2026-01-01T09:00:00.000Z" in verdicts[1]


def test_show_tells_the_next_ten_starts_and_the_definition(home: Path) -> None:
    shown = windmill(home, "show", "hello", "--json").json
    assert len(shown["next"]) == 10
    assert shown["job"]["document"]["entry_point"] == "hello.py"


def test_show_prints_a_job_for_people_too(home: Path) -> None:
    out = windmill(home, "show", "p/hello").out
    assert "jobs.d/hello.yaml:1" in out
    assert "every 1 h" in out
    assert "  entry_point: hello.py" in out


def test_show_of_an_id_tells_all_facts(home: Path) -> None:
    execution = a_running_execution(params={"region": "PT"})
    remember(home, executions=[execution])
    assert windmill(home, "show", "00000000", "--json").json.items() >= execution.items()
    assert "running" in windmill(home, "show", "00000000").out


def test_a_broken_file_is_a_problem_with_its_place(home: Path) -> None:
    add(home, "bad", "entry_point: hello.py\nschdule: {}\n")
    outcome = windmill(home, "validate")
    assert outcome.status == 3
    assert "jobs.d/bad.yaml:3:1" in outcome.out


def test_good_files_are_no_problem(home: Path) -> None:
    outcome = windmill(home, "validate")
    assert (outcome.status, outcome.out) == (0, "")


def test_validation_can_be_of_some_files_only(home: Path) -> None:
    add(home, "bad", "schdule: {}\n")
    assert windmill(home, "validate", str(home / "jobs.d" / "hello.yaml")).status == 0
    assert windmill(home, "validate", str(home / "jobs.d")).status == 3


def test_validation_speaks_json(home: Path) -> None:
    add(home, "bad", "entry_point: hello.py\nschdule: {}\n")
    found = windmill(home, "validate", "--format", "json").json
    assert found["jobs"] == ["p/hello"]
    assert found["problems"][0]["line"] == 3


def test_a_channel_that_is_not_there_is_a_problem(home: Path) -> None:
    add(home, "late", "entry_point: hello.py\nnotify: {on_late: [tem]}\n")
    (home / "windmill.toml").write_text('[channels.team]\nurl = {from_env = "PATH"}\n')
    outcome = windmill(home, "validate")
    assert (outcome.status, 'there is no channel "tem"' in outcome.out, 'rename it to "team"' in outcome.out) == (
        3,
        True,
        True,
    )


def test_a_channel_without_a_url_that_can_be_is_a_problem_that_does_not_show_it(home: Path) -> None:
    (home / "url").write_text("nonsense://HUSH")
    (home / "windmill.toml").write_text(
        '[channels.a]\nurl = {from_env = "NOT_THERE"}\n[channels.b]\nurl = {from_file = "url"}\n'
    )
    outcome = windmill(home, "validate")
    assert outcome.status == 3
    assert "channels.a: the URL of the channel a is not set: there is no variable NOT_THERE" in outcome.out
    assert "channels.b: the URL is none that apprise knows" in outcome.out
    assert "HUSH" not in outcome.out + outcome.err + windmill(home, "doctor").out


def test_problems_are_those_the_scheduler_sees(home: Path) -> None:
    problem = {"file": "jobs.d/x.yaml", "line": 2, "column": 1, "message": "no", "severity": "error"}
    catalog = {"id": "catalog", "at": "", "files": 1, "problems": [problem], "stale": [], "unreadable": False}
    with scheduler(home, done(), status={"catalog": catalog}):
        outcome = windmill(home, "problems")
    assert (outcome.status, outcome.out) == (3, "jobs.d/x.yaml:2:1: no\n")


def test_without_a_scheduler_problems_are_those_of_the_files(home: Path) -> None:
    assert windmill(home, "problems").status == 0
    add(home, "bad", "schdule: {}\n")
    assert windmill(home, "problems").status == 3


def test_a_plan_names_what_the_files_add_change_and_remove(home: Path) -> None:
    add(home, "new", HOURLY)
    remember(home, jobs=[a_job(digest="another"), a_job(id="p/old")])
    plan = windmill(home, "plan", "--json").json
    assert {what: [change["job"] for change in plan[what]] for what in ("added", "changed", "removed")} == {
        "added": ["p/new"],
        "changed": ["p/hello"],
        "removed": ["p/old"],
    }


def test_a_plan_leaves_out_what_stays_as_it_is(home: Path) -> None:
    remember(home, jobs=[a_job(digest=Home(home, {}).catalog().jobs["p/hello"].digest)])
    plan = windmill(home, "plan", "--json").json
    assert (plan["added"], plan["changed"], plan["removed"]) == ([], [], [])


def test_a_plan_gives_the_next_starts_before_and_after(home: Path) -> None:
    add(home, "hello", HOURLY)
    remember(home, jobs=[a_job(digest="another")])
    (change,) = windmill(home, "plan", "--json").json["changed"]
    assert len(change["before"]) == len(change["after"]) == 3


def test_a_plan_with_a_broken_file_ends_with_three(home: Path) -> None:
    add(home, "bad", "schdule: {}\n")
    outcome = windmill(home, "plan")
    assert (outcome.status, "+ p/hello" in outcome.out) == (3, True)


def test_a_schedule_is_explained_with_its_next_starts(home: Path) -> None:
    explained = windmill(home, "schedule", "explain", "1h30m", "-n", "2", "--json").json
    first, second = map(datetime.fromisoformat, explained["next"])
    assert (explained["words"], second - first) == ("every 1 h 30 min", timedelta(minutes=90))


def test_a_schedule_is_explained_in_a_zone(home: Path) -> None:
    out = windmill(home, "schedule", "explain", "30 6 * * mon-fri", "--tz", "America/Sao_Paulo").out
    assert out.count("06:30:00 America/Sao_Paulo") == 10


def test_a_schedule_with_a_surprise_ends_with_three(home: Path) -> None:
    outcome = windmill(home, "schedule", "explain", "30 2 * * *", "--tz", "Europe/Lisbon")
    assert outcome.status in (0, 3)
    assert windmill(home, "schedule", "explain", "0 0 31 * *").status == 3


def test_an_expression_that_is_none_says_why(home: Path) -> None:
    outcome = windmill(home, "schedule", "explain", "every day")
    assert (outcome.status, "every day" in outcome.err) == (1, True)


def test_the_schema_of_a_job_is_json(home: Path) -> None:
    assert "entry_point" in windmill(home, "schema", "job").json["properties"]


def test_the_schema_of_a_project_is_json(home: Path) -> None:
    assert "git" in windmill(home, "schema", "project").json["properties"]


def test_the_contract_of_the_api_needs_no_home(tmp_path: Path) -> None:
    assert "/api/v1/status" in windmill(tmp_path, "openapi").json["paths"]
