from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.builders import a_job
from tests.support.command import Outcome, anywhere, make_home, remember, windmill
from tests.support.git_server import ENVIRON, Upstream
from tests.support.hostile import hostile
from windmill.app.home import Home
from windmill.projects.git import Mirror
from windmill.projects.published import Published, Revision, write
from windmill.projects.source import Remote

NIGHTLY = "entry_point: main.py\nschedule: {cron: '7 3 * * *', timezone: UTC}\n"
LATER = "entry_point: main.py\nschedule: {cron: '9 4 * * *', timezone: UTC}\ntimeout: 1h\n"
GOOD = {"jobs.d/nightly.yaml": NIGHTLY, "main.py": "print(1)\n"}
CHANGES = ("added", "changed", "removed")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """Return a working copy of the project reports, which is where commands are started."""
    upstream = Upstream(tmp_path / "reports")
    upstream.commit(GOOD)
    monkeypatch.chdir(upstream.path)
    return upstream


def changes(outcome: Outcome) -> dict[str, list[str]]:
    return {what: [change["job"] for change in outcome.json[what]] for what in CHANGES}


def problems(outcome: Outcome) -> list[tuple[str, int, str]]:
    return [(problem["file"], problem["line"], problem["code"]) for problem in outcome.json["problems"]]


def test_a_repository_is_validated_without_a_home(repository: Upstream) -> None:
    outcome = anywhere("validate", "--json")
    assert (outcome.status, outcome.json["jobs"]) == (0, ["reports/nightly"])


def test_nothing_is_written_into_the_repository(repository: Upstream) -> None:
    before = sorted(repository.path.rglob("*"))
    anywhere("validate")
    anywhere("plan")
    assert sorted(repository.path.rglob("*")) == before


@pytest.mark.parametrize("place", ["jobs.d", "deep/er"])
def test_it_is_found_from_within(repository: Upstream, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository.path / place).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(repository.path / place)
    assert anywhere("validate", "--json").json["jobs"] == ["reports/nightly"]


def test_it_is_found_by_the_file_to_validate(
    repository: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"jobs.d/bad.yaml": "schdule: {}\n"})
    monkeypatch.chdir(tmp_path)
    outcome = anywhere("validate", "reports/jobs.d/bad.yaml", "--json")
    assert {problem["file"] for problem in outcome.json["problems"]} == {"jobs.d/bad.yaml"}


def test_only_the_files_asked_for_count(repository: Upstream) -> None:
    repository.write({"jobs.d/bad.yaml": "schdule: {}\n"})
    assert anywhere("validate", "jobs.d/nightly.yaml").status == 0
    assert anywhere("validate", "jobs.d/bad.yaml").status == 3


def test_the_project_may_be_named(repository: Upstream) -> None:
    repository.write({"jobs.d/nightly.yaml": NIGHTLY + "project: sales\n"})
    assert anywhere("validate").status == 3
    assert anywhere("validate", "--project", "sales", "--json").json["jobs"] == ["sales/nightly"]


def test_an_entry_point_that_is_missing_is_an_error_as_for_a_sync(repository: Upstream) -> None:
    (repository.path / "main.py").unlink()
    (problem,) = anywhere("validate", "--json").json["problems"]
    assert (problem["severity"], problem["code"], problem["line"]) == ("error", "no-entry-point", 1)


def test_code_that_does_not_compile_is_told_with_its_place(repository: Upstream) -> None:
    repository.write({"main.py": "print(1)\nprint(1\n"})
    outcome = anywhere("validate", "--json")
    assert (outcome.status, problems(outcome)) == (3, [("main.py", 2, "preflight")])


def test_code_for_a_newer_python_is_not_judged(repository: Upstream) -> None:
    repository.write({"main.py": "type X = (\n", "requirements.txt": "six\n", ".python-version": "3.99\n"})
    assert anywhere("validate").status == 0


def test_validation_runs_no_code_of_the_repository(repository: Upstream, tmp_path: Path) -> None:
    attack = f"open({str(tmp_path / 'witness')!r}, 'w')\n"
    repository.write(dict.fromkeys(("main.py", "sitecustomize.py", "json.py", "jobs.d/__init__.py"), attack))
    repository.write({"jobs.d/module.yaml": "entry_point: -m json\n"})
    anywhere("validate")
    anywhere("plan")
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize(("codec", "module"), [("idna", "stringprep"), ("bz2", "bz2"), ("quopri", "quopri")])
def test_a_codec_that_the_code_names_runs_no_code_of_the_repository(
    repository: Upstream, tmp_path: Path, codec: str, module: str
) -> None:
    attack = f"open({str(tmp_path / 'witness')!r}, 'w')\n"
    repository.write({"main.py": f"# coding: {codec}\n", f"{module}.py": attack})
    anywhere("validate")
    assert not (tmp_path / "witness").exists()


def test_requirements_that_cannot_be_used_are_a_problem(repository: Upstream) -> None:
    repository.write({"requirements.txt": "-e .\n"})
    assert problems(anywhere("validate", "--json")) == [("requirements.txt", 0, "requirements")]


def test_places_are_relative_to_the_repository_also_for_a_project_inside_it(
    repository: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"sub/jobs.d/bad.yaml": "entry_point: main.py\nschdule: {}\n", "sub/main.py": "print(\n"})
    monkeypatch.chdir(repository.path / "sub")
    places = problems(anywhere("validate", "--json"))
    assert {file for file, _, _ in places} == {"sub/jobs.d/bad.yaml"}
    repository.write({"sub/jobs.d/bad.yaml": "entry_point: main.py\n"})
    assert problems(anywhere("validate", "--json")) == [("sub/main.py", 1, "preflight")]


def test_github_is_told_places_in_the_repository_around_a_home(
    repository: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(repository.path / "ops", {"projects/p/x.py": "", "jobs.d/bad.yaml": "schdule: {}\n"})
    monkeypatch.chdir(home)
    assert "::error file=ops/jobs.d/bad.yaml,line=1,col=1," in anywhere("validate", "--format", "github").out


def test_sarif_is_one_json_document(repository: Upstream) -> None:
    repository.write({"jobs.d/bad.yaml": "schdule: {}\n"})
    outcome = anywhere("validate", "--format", "sarif")
    assert (outcome.status, outcome.json["version"]) == (3, "2.1.0")


def test_a_home_that_is_named_counts_before_the_repository(repository: Upstream, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", {"jobs.d/x.yaml": "entry_point: x.py\n", "projects/p/x.py": ""})
    assert windmill(home, "validate", "--json").json["jobs"] == ["p/x"]


def test_a_plain_project_of_a_home_is_checked_with_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"projects/p/jobs.d/x.yaml": "entry_point: x.py\n", "projects/p/x.py": "", "projects/q/y.py": ""}
    home = make_home(tmp_path, {**files, "jobs.d/y.yaml": "project: q\nentry_point: y.py\n"})
    monkeypatch.chdir(home / "projects" / "p")
    assert sorted(anywhere("validate", "--json").json["jobs"]) == ["p/x", "q/y"]


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_where_there_is_neither_a_home_nor_a_repository_both_are_named(
    tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = anywhere(verb)
    assert (outcome.status, "windmill init --git" in outcome.err) == (4, True)


def test_a_plan_names_what_the_working_copy_changes(repository: Upstream) -> None:
    repository.commit({"jobs.d/old.yaml": NIGHTLY})
    (repository.path / "jobs.d" / "old.yaml").unlink()
    repository.write({"jobs.d/nightly.yaml": LATER, "jobs.d/new.yaml": NIGHTLY})
    outcome = anywhere("plan", "--json")
    assert changes(outcome) == {
        "added": ["reports/new"],
        "changed": ["reports/nightly"],
        "removed": ["reports/old"],
    }


def test_a_plan_names_the_keys_and_the_next_starts_before_and_after(repository: Upstream) -> None:
    repository.write({"jobs.d/nightly.yaml": LATER})
    (change,) = anywhere("plan", "--json").json["changed"]
    assert change["keys"] == ["schedule.cron", "timeout"]
    assert [start[11:16] for start in change["before"]] == ["03:07"] * 3
    assert [start[11:16] for start in change["after"]] == ["04:09"] * 3


def test_a_plan_compares_with_any_ref(repository: Upstream) -> None:
    repository.git("tag", "v1.0")
    repository.commit({"jobs.d/new.yaml": NIGHTLY})
    assert changes(anywhere("plan", "--json"))["added"] == []
    assert changes(anywhere("plan", "v1.0", "--json"))["added"] == ["reports/new"]
    assert changes(anywhere("plan", "HEAD~1", "--json"))["added"] == ["reports/new"]


def test_a_plan_of_a_path_is_of_the_working_copy_there(
    repository: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Upstream(tmp_path / "other")
    other.commit(GOOD)
    other.write({"jobs.d/new.yaml": NIGHTLY})
    assert changes(anywhere("plan", str(other.path), "--json"))["added"] == ["other/new"]


def test_an_unknown_ref_is_told(repository: Upstream) -> None:
    outcome = anywhere("plan", "origin/nothing")
    assert (outcome.status, 'no branch, tag or commit "origin/nothing"' in outcome.err) == (4, True)


def test_outside_of_git_there_is_nothing_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.d").mkdir()
    monkeypatch.chdir(tmp_path)
    outcome = anywhere("plan")
    assert (outcome.status, "no git repository" in outcome.err) == (1, True)


def test_an_environment_is_to_be_built_when_requirements_change(repository: Upstream) -> None:
    repository.commit({"requirements.txt": "six==1\n"})
    assert anywhere("plan", "--json").json["environments"] == []
    repository.write({"requirements.txt": "six==2\n"})
    (environment,) = anywhere("plan", "--json").json["environments"]
    assert environment["file"] == "requirements.txt"


def test_a_file_that_broke_removes_nothing_as_for_a_sync(repository: Upstream) -> None:
    repository.write({"jobs.d/nightly.yaml": "schdule: {}\n"})
    outcome = anywhere("plan", "--json")
    assert (outcome.status, changes(outcome)) == (3, {"added": [], "changed": [], "removed": []})


def test_a_plan_says_that_a_missing_entry_point_keeps_all_of_it_from_going_live(repository: Upstream) -> None:
    repository.write({"jobs.d/new.yaml": "entry_point: nowhere.py\n"})
    outcome = anywhere("plan", "--json")
    assert [(one["code"], one["severity"]) for one in outcome.json["problems"]] == [("no-entry-point", "error")]
    assert (outcome.status, outcome.json["outcome"]) == (3, "refused")


@pytest.mark.parametrize("change", [{"main.py": "print(\n"}, {"requirements.txt": "-e .\n"}])
def test_a_plan_says_what_else_a_sync_would_refuse(repository: Upstream, change: dict[str, str]) -> None:
    repository.write(change)
    assert anywhere("plan", "--json").json["outcome"] == "refused"


def test_a_plan_says_that_most_jobs_going_would_be_held(repository: Upstream) -> None:
    (repository.path / "jobs.d/nightly.yaml").unlink()
    assert anywhere("plan", "--json").json["outcome"] == "held"


def test_a_broken_job_file_keeps_nothing_else_from_going_live(repository: Upstream) -> None:
    repository.write({"jobs.d/nightly.yaml": "schdule: {}\n"})
    assert anywhere("plan", "--json").json["outcome"] == "published"


def test_a_plan_says_in_words_that_it_would_not_go_live(repository: Upstream) -> None:
    repository.write({"jobs.d/new.yaml": "entry_point: nowhere.py\n"})
    assert "This would not go live" in anywhere("plan").err


def test_an_odd_schedule_is_told_by_the_plan(repository: Upstream) -> None:
    repository.write({"jobs.d/odd.yaml": "entry_point: main.py\nschedule: '*/7 * * * *'\n"})
    assert ("jobs.d/odd.yaml", 1, "uneven-step") in problems(anywhere("plan", "--json"))


@pytest.mark.parametrize(("change", "statuses"), [(NIGHTLY, (0, 0)), (LATER, (0, 3)), ("schdule: {}\n", (3, 3))])
def test_check_ends_with_three_when_something_would_change(
    repository: Upstream, change: str, statuses: tuple[int, int]
) -> None:
    repository.write({"jobs.d/nightly.yaml": change})
    assert (anywhere("plan").status, anywhere("plan", "--check").status) == statuses


def test_a_hostile_repository_gets_nothing_run(repository: Upstream, tmp_path: Path) -> None:
    hostile(repository, tmp_path / "witness")
    assert [anywhere(*verb.split()).status for verb in ("validate", "plan", "plan main")] == [0, 0, 0]
    assert not (tmp_path / "witness").exists()


@pytest.fixture
def home(repository: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home where the first commit of the repository is live, and the newest was fetched."""
    live = repository.head()
    repository.commit({"jobs.d/nightly.yaml": LATER, "jobs.d/new.yaml": NIGHTLY, "requirements.txt": "six\n"})
    home = make_home(tmp_path / "home", {"windmill.toml": f'[projects.reports]\ngit = "{repository.url}"\n'})
    state = Home(home, {}).state
    Home(home, {}).make_state()
    mirror = Mirror(state / "mirrors" / "reports.git", environ=ENVIRON, say=lambda _: None)
    mirror.fetch(Remote(url=repository.url), timeout=30)
    root = state / "revisions" / "reports" / live
    root.mkdir(parents=True)
    mirror.export(live, root)
    revision = Revision(name=f"main@sha1:{live}", key=live, root=str(root), python=sys.executable, commit=live)
    good = {"nightly.yaml": live}
    write(state, Published(project="reports", applied=revision, good=good, revisions={live: revision}))
    monkeypatch.chdir(home)
    return home


PLANNED = {"added": ["reports/new"], "changed": ["reports/nightly"], "removed": []}


@pytest.mark.parametrize("arguments", [["main"], ["--project", "reports"], ["--project", "reports", "main"]])
def test_a_home_plans_a_fetched_ref_against_what_is_live(home: Path, arguments: list[str]) -> None:
    outcome = anywhere("plan", *arguments, "--json")
    assert (outcome.status, changes(outcome)) == (0, PLANNED)
    assert [one["file"] for one in outcome.json["environments"]] == ["requirements.txt"]


def test_a_home_plans_a_commit_that_was_fetched(home: Path, repository: Upstream) -> None:
    before = repository.git("rev-parse", "HEAD~1")
    assert not any(changes(anywhere("plan", before, "--json")).values())
    assert changes(anywhere("plan", repository.head()[:10], "--json")) == PLANNED


def test_a_home_plans_a_working_copy_against_what_is_live(home: Path, repository: Upstream) -> None:
    (repository.path / "jobs.d" / "new.yaml").unlink()
    outcome = anywhere("plan", "--project", "reports", str(repository.path), "--json")
    assert changes(outcome) == {**PLANNED, "added": []}


def test_a_ref_that_was_never_fetched_is_told_with_what_fetches_it(home: Path) -> None:
    outcome = anywhere("plan", "other")
    assert (outcome.status, "windmill sync reports" in outcome.err) == (4, True)


def test_a_project_that_is_none_is_told(home: Path) -> None:
    assert anywhere("plan", "--project", "nothing", "main").status == 4


def test_a_home_with_more_than_one_source_asks_which(home: Path) -> None:
    with (home / "windmill.toml").open("a") as file:
        file.write('[projects.other]\ngit = "/nowhere"\n')
    outcome = anywhere("plan", "main")
    assert (outcome.status, "other, reports" in outcome.err) == (1, True)


def test_what_the_store_remembers_counts_for_the_next_starts(home: Path) -> None:
    paused = a_job(id="reports/nightly", paused={"until": None, "by": "", "reason": ""})
    remember(home, jobs=[paused])
    (change,) = anywhere("plan", "main", "--json").json["changed"]
    assert (change["before"], change["after"]) == ([], [])


def test_a_plan_of_saved_files_leaves_out_jobs_of_windmill_itself(home: Path) -> None:
    remember(home, jobs=[a_job(id="reports/@sync")])
    assert changes(windmill(home, "plan", "--json"))["removed"] == []


def test_a_plan_says_all_of_it_in_words(repository: Upstream) -> None:
    repository.write({"jobs.d/nightly.yaml": LATER, "requirements.txt": "six\n"})
    outcome = anywhere("plan")
    assert "~ reports/nightly  (jobs.d/nightly.yaml): schedule.cron, timeout\n" in outcome.out
    assert "! environment of requirements.txt is to be built\n" in outcome.out
    assert outcome.err == "0 added, 1 changed, 0 removed, 1 environment to build, 0 problems\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what init --git made, committed on main, with the origin it would have in CI."""
    assert anywhere("init", "--git", str(tmp_path / "sales")).status == 0
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tmp_path / "sales", env=ENVIRON, check=True)
    commit(tmp_path / "sales")
    git(tmp_path / "sales", "update-ref", "refs/remotes/origin/main", "HEAD")
    monkeypatch.chdir(tmp_path / "sales")
    return tmp_path / "sales"


def git(place: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=place, env=ENVIRON, check=True)


def commit(place: Path) -> None:
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "x")


def test_init_git_makes_a_repository_whose_jobs_are_clean(made: Path) -> None:
    outcome = anywhere("validate", "--json")
    assert (outcome.status, outcome.json["jobs"]) == (0, ["sales/hello"])


def test_init_git_says_what_the_home_has_to_say(tmp_path: Path) -> None:
    outcome = anywhere("init", "--git", str(tmp_path / "my.sales"))
    home = make_home(tmp_path / "home", {"windmill.toml": outcome.out})
    assert list(Home(home, {}).settings.projects) == ["my-sales"]


def test_init_git_overwrites_nothing_and_says_what_stayed(made: Path) -> None:
    (made / ".pre-commit-config.yaml").write_text("mine")
    (made / "README.md").unlink()
    outcome = anywhere("init", "--git", str(made))
    assert ".pre-commit-config.yaml" in outcome.err
    assert ((made / ".pre-commit-config.yaml").read_text(), (made / "README.md").exists()) == ("mine", True)


def test_init_git_adds_no_example_to_jobs_that_are_there(repository: Upstream) -> None:
    anywhere("init", "--git", str(repository.path))
    assert not (repository.path / "jobs.d" / "hello.yaml").exists()
    assert (repository.path / ".gitlab-ci.yml").exists()


def test_init_git_is_refused_in_a_home(tmp_path: Path) -> None:
    assert anywhere("init", "--git", str(make_home(tmp_path, {}))).status == 1


def test_the_editor_finds_the_schema_beside_the_job(made: Path) -> None:
    (modeline, *_) = (made / "jobs.d" / "hello.yaml").read_text().splitlines()
    schema = json.loads((made / "jobs.d" / modeline.partition("$schema=")[2]).read_text())
    assert "entry_point" in schema["properties"]


def in_ci(place: Path, command: str, **environ: str) -> int:
    """Return the exit status of a command of the CI files, with the program of this interpreter."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=place,
        env={**ENVIRON, "PATH": path, **environ},
        capture_output=True,
        timeout=60,
        check=False,
    ).returncode


def test_the_hook_lets_good_files_pass_and_stops_bad_ones(made: Path) -> None:
    home = {"PRE_COMMIT_HOME": str(made.parent / "cache")}
    assert in_ci(made, "pre-commit run --all-files", **home) == 0
    (made / "jobs.d" / "hello.yaml").write_text("schdule: {}\n")
    git(made, "add", "-A")
    assert in_ci(made, "pre-commit run", **home) == 1


def test_the_hook_does_not_look_when_nothing_of_the_jobs_is_committed(made: Path) -> None:
    (made / "jobs.d" / "hello.yaml").write_text("schdule: {}\n")
    commit(made)
    (made / "notes.md").write_text("x")
    git(made, "add", "-A")
    assert in_ci(made, "pre-commit run", PRE_COMMIT_HOME=str(made.parent / "cache")) == 0


def commands(made: Path) -> dict[str, list[str]]:
    """Return what both CI files run of WindMill."""
    github: dict[str, Any] = yaml.safe_load((made / ".github" / "workflows" / "jobs.yml").read_text())
    gitlab: dict[str, Any] = yaml.safe_load((made / ".gitlab-ci.yml").read_text())
    found = {
        "github": [step["run"] for step in github["jobs"]["check"]["steps"] if "run" in step],
        "gitlab": gitlab["check-jobs"]["script"],
    }
    return {name: [line for line in lines if line.startswith("windmill")] for name, lines in found.items()}


@pytest.mark.parametrize("host", ["github", "gitlab"])
@pytest.mark.parametrize(("text", "status"), [(None, 0), (LATER.replace("main", "hello"), 0), ("schdule: {}\n", 3)])
def test_the_commands_of_ci_pass_good_changes_and_stop_bad_ones(
    made: Path, host: str, text: str | None, status: int
) -> None:
    if text:
        (made / "jobs.d" / "hello.yaml").write_text(text)
        commit(made)
    validate, plan = commands(made)[host]
    environ = {"GITHUB_BASE_REF": "main", "CI_MERGE_REQUEST_DIFF_BASE_SHA": "origin/main"}
    assert (in_ci(made, validate, **environ), in_ci(made, plan, **environ)) == (status, status)
