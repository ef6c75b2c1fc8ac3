from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_job, an_execution
from tests.support.command import remember, windmill
from tests.support.stand_in import Answering, done, refused, scheduler
from windmill.core.documents import Document
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock, Store, Stream

ID = "0" * 15 + "1"


def running_to(state: State, **facts: object) -> Answering:
    """Return a scheduler that lets every run request end like this, after a line on each stream."""

    def answer(store: Store, request: Document) -> Document:
        output = [
            OutputBlock(ID, 1, 1, Stream.STDOUT, 0, b"out\n"),
            OutputBlock(ID, 2, 2, Stream.STDERR, 0, b"err\n"),
        ]
        store.write(Batch(executions=[an_execution(**({"id": ID, "state": state} | facts))], output=output))
        return done(execution=ID)(store, request)

    return answer


def test_a_run_is_a_request_with_the_job_its_params_and_who_asked(home: Path) -> None:
    with scheduler(home, running_to(State.SUCCEEDED), jobs=[a_job()]) as seen:
        windmill(home, "run", "hello", "-p", "region=PT", "-p", "note=a=b", "--wait")
    (request,) = seen
    facts = {"kind": "run", "job": "p/hello", "params": {"region": "PT", "note": "a=b"}, "wait": True}
    assert facts.items() <= request.items()
    assert "@" in request["by"]


def test_output_goes_where_the_job_wrote_it(home: Path) -> None:
    with scheduler(home, running_to(State.SUCCEEDED), jobs=[a_job()]):
        outcome = windmill(home, "run", "hello")
    assert outcome.out == "out\n"
    assert "err\n" in outcome.err


@pytest.mark.parametrize(
    ("state", "facts", "status"),
    [
        (State.SUCCEEDED, {}, 0),
        (State.FAILED, {"exit_code": 7}, 7),
        (State.FAILED, {"exit_code": None, "signal": "SIGKILL"}, 137),
        (State.FAILED, {"exit_code": None, "reason": "not_started: no such file"}, 1),
        (State.TIMED_OUT, {"exit_code": None, "signal": "SIGTERM"}, 1),
        (State.STOPPED, {"exit_code": None, "signal": "SIGTERM"}, 1),
        (State.LOST, {"exit_code": None}, 1),
    ],
)
def test_run_ends_like_the_job(home: Path, state: State, facts: dict[str, object], status: int) -> None:
    with scheduler(home, running_to(state, **facts), jobs=[a_job()]):
        assert windmill(home, "run", "hello").status == status


def test_an_end_that_is_no_success_is_told_with_its_reason_even_when_quiet(home: Path) -> None:
    with scheduler(
        home, running_to(State.FAILED, exit_code=None, reason="not_started: no such file"), jobs=[a_job()]
    ):
        outcome = windmill(home, "-q", "run", "hello")
    assert "Failed, not_started: no such file" in outcome.err


def test_detached_the_id_is_all_there_is(home: Path) -> None:
    with scheduler(home, running_to(State.FAILED, exit_code=7), jobs=[a_job()]):
        outcome = windmill(home, "run", "-d", "hello")
    assert (outcome.status, outcome.out) == (0, f"{ID}\n")


def test_a_refusal_names_the_execution_that_is_in_the_way(home: Path) -> None:
    with scheduler(home, refused("the job is running already", execution=ID), jobs=[a_job()]):
        outcome = windmill(home, "run", "hello")
    assert outcome.status == 1
    assert "the job is running already" in outcome.err
    assert f"windmill logs -f {ID}" in outcome.err


def test_a_job_that_is_not_known_is_not_found_and_nothing_is_asked(home: Path) -> None:
    with scheduler(home, done(), jobs=[a_job()]) as seen:
        assert windmill(home, "run", "helo").status == 4
    assert seen == []


def test_a_job_whose_file_is_broken_leads_to_the_mistake(home: Path) -> None:
    (home / "jobs.d" / "load.yaml").write_text("entry_pont: load.py\n")
    outcome = windmill(home, "run", "load")
    assert outcome.status == 4
    assert "jobs.d/load.yaml has a mistake: windmill problems" in outcome.err


def test_a_param_that_is_no_pair_is_a_mistake_of_usage(home: Path) -> None:
    outcome = windmill(home, "run", "hello", "-p", "region")
    assert (outcome.status, '"region" is not NAME=VALUE' in outcome.err) == (2, True)


def test_detached_without_a_scheduler_is_refused_with_the_way_out(home: Path) -> None:
    outcome = windmill(home, "run", "-d", "hello")
    assert (outcome.status, "windmill up" in outcome.err) == (1, True)


def test_a_rerun_of_the_job_as_it_stands_asks_for_the_same_job_and_params(home: Path) -> None:
    remember(home, executions=[an_execution(id="00000000000000aa", params={"region": "PT"})])
    with scheduler(home, running_to(State.SUCCEEDED), jobs=[a_job()]) as seen:
        windmill(home, "rerun", "--head", "00000000000000a")
    facts = {"kind": "run", "job": "p/hello", "params": {"region": "PT"}, "rerun_of": "00000000000000aa"}
    assert facts.items() <= seen[0].items()
    assert "definition" not in seen[0]


def test_a_rerun_names_what_the_execution_ran_with(home: Path) -> None:
    (home / "projects" / "p").mkdir(parents=True, exist_ok=True)
    definition = {
        "id": "d0", "job": "p/hello", "document": {"entry_point": "old.py"}, "file": "jobs.d/hello.yaml", "line": 1,
        "seen_at": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    ran = an_execution(id="00000000000000aa", job_digest="d0", revision=None)
    remember(home, executions=[ran], definitions=[definition])
    with scheduler(home, running_to(State.SUCCEEDED), jobs=[a_job()]) as seen:
        outcome = windmill(home, "rerun", "00000000000000a")
    assert {"definition": definition, "revision": None, "rerun_of": "00000000000000aa"}.items() <= seen[0].items()
    assert "what they were then is not known" in outcome.err


@pytest.mark.parametrize(
    ("facts", "why"),
    [({}, "ran with is not kept"), ({"state": State.SKIPPED, "started_at": None}, "was never started")],
)
def test_what_cannot_be_run_again_exactly_is_refused_with_the_way_out(
    home: Path, facts: dict[str, Any], why: str
) -> None:
    remember(home, executions=[an_execution(id="00000000000000aa", job_digest="unknown", **facts)])
    with scheduler(home, done(), jobs=[a_job()]) as seen:
        outcome = windmill(home, "rerun", "00000000000000a")
    assert (outcome.status, why in outcome.err, "rerun --head" in outcome.err) == (1, True, True)
    assert seen == []


def test_a_rerun_of_nothing_is_not_found(home: Path) -> None:
    assert windmill(home, "rerun", "abc").status == 4


def test_a_stop_names_the_execution_and_returns_when_it_has_ended(home: Path) -> None:
    remember(home, executions=[an_execution(id=ID, state=State.RUNNING, ended_at=None, exit_code=None)])

    def stop(store: Store, request: Document) -> Document:
        store.write(Batch(executions=[an_execution(id=ID, state=State.STOPPED, exit_code=None, signal="SIGTERM")]))
        return done(execution=ID)(store, request)

    with scheduler(home, stop, jobs=[a_job()]) as seen:
        outcome = windmill(home, "stop", "hello")
    assert {"kind": "stop", "execution": ID}.items() <= seen[0].items()
    assert (outcome.status, "Stopped, SIGTERM" in outcome.err) == (0, True)


def test_without_a_scheduler_nothing_can_be_stopped(home: Path) -> None:
    remember(home, executions=[an_execution(id=ID, state=State.RUNNING, ended_at=None, exit_code=None)])
    outcome = windmill(home, "stop", ID)
    assert (outcome.status, "windmill up" in outcome.err) == (1, True)


def test_a_sync_cannot_be_paused_and_what_holds_a_project_is_named(home: Path) -> None:
    (home / "windmill.toml").write_text('[projects.reports]\ngit = "/nowhere"\n')
    outcome = windmill(home, "pause", "reports/@sync")
    assert (outcome.status, "a sync, which cannot be paused" in outcome.err) == (1, True)
    assert "ref says" in outcome.err
    assert "poll how" in outcome.err


def test_a_pause_carries_its_end_and_its_note(home: Path) -> None:
    with scheduler(home, done(), jobs=[a_job()]) as seen:
        outcome = windmill(home, "pause", "hello", "--until", "2099-01-01T00:00:00Z", "--note", "upgrade")
    facts = {"kind": "pause", "job": "p/hello", "until": "2099-01-01T00:00:00.000Z", "note": "upgrade"}
    assert facts.items() <= seen[0].items()
    assert "windmill resume p/hello" in outcome.err


def test_a_pause_without_an_end_has_none(home: Path) -> None:
    with scheduler(home, done(), jobs=[a_job()]) as seen:
        windmill(home, "pause", "hello")
    assert seen[0]["until"] is None


@pytest.mark.parametrize("until", ["2020-01-01", "soon"])
def test_a_pause_until_the_past_or_nonsense_is_refused(home: Path, until: str) -> None:
    with scheduler(home, done(), jobs=[a_job()]) as seen:
        assert windmill(home, "pause", "hello", "--until", until).status == 1
    assert seen == []


def test_a_pause_without_a_scheduler_waits_for_one_and_says_so(home: Path) -> None:
    outcome = windmill(home, "pause", "hello", "--until", "2h")
    assert (outcome.status, "takes effect when windmill up starts" in outcome.err) == (0, True)
    with scheduler(home, done(), jobs=[a_job()]) as seen:
        windmill(home, "resume", "hello")
    assert [request["kind"] for request in seen] == ["pause", "resume"]
