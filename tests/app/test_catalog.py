from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest

from windmill.app.catalog import HomeCatalog
from windmill.app.home import Home
from windmill.app.reading import catalog_reader
from windmill.core.model import is_system
from windmill.projects import published
from windmill.projects.published import Attempt, Outcome, Published, Removal, Revision

JOB = "project: reports\nentry_point: main.py\n"
COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "projects").mkdir()
    (tmp_path / "windmill.toml").write_text('[projects.reports]\ngit = "/nowhere"\n')
    return Home(tmp_path, {})


def revision(home: Home, key: str, **jobs: str) -> Revision:
    root = home.state / "revisions" / "reports" / key
    (root / "jobs.d").mkdir(parents=True)
    (root / "main.py").touch()
    for name, text in jobs.items():
        (root / "jobs.d" / f"{name}.yaml").write_text(text)
    return Revision(name=f"main@sha1:{key}", key=key, root=str(root), python=sys.executable)


def publish(home: Home, live: Revision, **more: object) -> Published:
    good = {path.name: live.key for path in (Path(live.root) / "jobs.d").iterdir()}
    state = replace(
        Published(project="reports", applied=live, good=good, revisions={live.key: live}),
        **more,  # type: ignore[arg-type]
    )
    published.write(home.state, state)
    return state


def plain(home: Home, name: str, **jobs: str) -> Path:
    directory = home.root / "projects" / name
    (directory / "jobs.d").mkdir(parents=True)
    (directory / "main.py").touch()
    for job, text in jobs.items():
        (directory / "jobs.d" / f"{job}.yaml").write_text(text)
    return directory


def own_job(home: Home, name: str, text: str = JOB) -> None:
    (home.root / "jobs.d" / f"{name}.yaml").write_text(text)


def reader(home: Home) -> HomeCatalog:
    return catalog_reader(home)


def test_jobs_of_the_home_and_of_a_revision_are_wanted(home: Home) -> None:
    publish(home, revision(home, COMMIT, nightly="entry_point: main.py\n"))
    own_job(home, "daily")
    assert {"reports/daily", "reports/nightly"} <= reader(home).load().jobs.keys()


def test_a_job_file_of_the_home_counts_before_one_of_a_revision(home: Home) -> None:
    publish(home, revision(home, COMMIT, nightly="entry_point: main.py\ndescription: theirs\n"))
    own_job(home, "nightly", JOB + "description: ours\n")
    catalog = reader(home).load()
    assert catalog.jobs["reports/nightly"].description == "ours"
    assert [problem.code for problem in catalog.problems] == ["claimed-twice"]


def test_a_project_that_syncs_has_a_system_job(home: Home) -> None:
    plain(home, "tools")
    assert [key for key in reader(home).load().jobs if key.endswith("/@sync")] == ["reports/@sync"]


def test_job_files_in_a_plain_directory_are_jobs_of_that_project(home: Home) -> None:
    plain(home, "tools", tidy="entry_point: main.py\n")
    assert "tools/tidy" in reader(home).load().jobs


def test_a_broken_file_in_a_plain_directory_keeps_its_last_good_version(home: Home) -> None:
    directory = plain(home, "tools", tidy="entry_point: main.py\n")
    reader(home).load()
    (directory / "jobs.d" / "tidy.yaml").write_text("entry_point: [\n")
    catalog = reader(home).load()
    assert "tools/tidy" in catalog.stale


def test_jobs_start_in_the_live_revision(home: Home) -> None:
    live = revision(home, COMMIT, nightly="entry_point: main.py\n")
    publish(home, live)
    assert reader(home).load().locations["reports"].root == live.root


def test_a_held_job_starts_in_the_revision_where_its_file_was_good(home: Home) -> None:
    old = revision(home, COMMIT, nightly="entry_point: main.py\n")
    new = revision(home, OTHER, nightly="entry_point: [\n")
    publish(home, new, good={"nightly.yaml": COMMIT}, revisions={COMMIT: old, OTHER: new})
    catalog = reader(home).load()
    assert catalog.locations["reports/nightly"].root == old.root
    assert catalog.locations["reports"].root == new.root
    assert "reports/nightly" in catalog.stale


def test_a_refused_revision_is_a_problem(home: Home) -> None:
    attempt = Attempt(fingerprint="x", revision="r", at="", outcome=Outcome.REFUSED, error="not signed")
    publish(home, revision(home, COMMIT), attempted=attempt)
    assert [problem.message for problem in reader(home).load().problems] == ["not signed"]


def test_a_job_that_was_removed_says_by_whom(home: Home) -> None:
    publish(home, revision(home, COMMIT), removed={"reports/nightly": Removal(author="Ada <a@x>")})
    assert reader(home).load().removed["reports/nightly"]["author"] == "Ada <a@x>"


def test_what_did_not_change_is_the_same_catalog(home: Home) -> None:
    publish(home, revision(home, COMMIT, nightly="entry_point: main.py\n"))
    catalogs = reader(home)
    assert catalogs.load() is catalogs.load()


def test_a_newly_published_revision_is_another_catalog(home: Home) -> None:
    publish(home, revision(home, COMMIT, nightly="entry_point: main.py\n"))
    catalogs = reader(home)
    before = catalogs.load()
    publish(home, revision(home, OTHER, daily="entry_point: main.py\n"))
    after = catalogs.load()
    assert ("reports/daily" in before.jobs, "reports/daily" in after.jobs) == (False, True)


def test_job_files_of_a_project_that_was_never_published_wait_with_a_warning(home: Home) -> None:
    own_job(home, "daily")
    catalog = reader(home).load()
    assert "reports/daily" in catalog.jobs
    assert [problem.severity for problem in catalog.problems] == ["warning"]


def test_settings_of_projects_are_read_again_when_the_file_changes(home: Home) -> None:
    catalogs = reader(home)
    catalogs.load()
    (home.root / "windmill.toml").write_text('[projects.billing]\ngit = "/elsewhere"\n')
    assert "billing/@sync" in catalogs.load().jobs


def test_while_windmill_toml_is_broken_the_projects_stay(home: Home) -> None:
    catalogs = reader(home)
    catalogs.load()
    (home.root / "windmill.toml").write_text("[projects.")
    assert "reports/@sync" in catalogs.load().jobs


def settings_problems(catalogs: HomeCatalog) -> list[str]:
    return [str(problem) for problem in catalogs.load().problems if problem.file == "windmill.toml"]


def test_a_broken_windmill_toml_is_a_problem_at_its_line(home: Home) -> None:
    catalogs = reader(home)
    catalogs.load()
    with (home.root / "windmill.toml").open("a") as file:
        file.write("[projects.x\n")
    assert [text.partition(": ")[0] for text in settings_problems(catalogs)] == ["windmill.toml:3:12"]


def test_every_mistake_in_windmill_toml_is_a_problem_of_its_own(home: Home) -> None:
    catalogs = reader(home)
    (home.root / "windmill.toml").write_text("[schedulr]\n[dashbord]\n")
    assert ["schedulr" in settings_problems(catalogs)[0], "dashbord" in settings_problems(catalogs)[1]] == [
        True,
        True,
    ]


def test_a_mended_windmill_toml_is_no_problem(home: Home) -> None:
    catalogs = reader(home)
    good = (home.root / "windmill.toml").read_text()
    (home.root / "windmill.toml").write_text("[projects.")
    before = settings_problems(catalogs)
    (home.root / "windmill.toml").write_text(good)
    assert (len(before), settings_problems(catalogs)) == (1, [])


def test_a_windmill_toml_that_is_gone_takes_no_project_with_it(home: Home) -> None:
    catalogs = reader(home)
    catalogs.load()
    (home.root / "windmill.toml").unlink()
    found = catalogs.load()
    assert ("reports/@sync" in found.jobs, [problem.message for problem in found.problems]) == (
        True,
        ["windmill.toml is gone"],
    )


def test_a_windmill_toml_that_is_about_to_be_written_takes_no_project_with_it(home: Home) -> None:
    catalogs = reader(home)
    catalogs.load()
    path, good = home.root / "windmill.toml", (home.root / "windmill.toml").read_text()
    path.write_text("")
    writer = Timer(0.02, path.write_text, [good])
    writer.start()
    found = catalogs.load()
    writer.join()
    assert "reports/@sync" in found.jobs


def test_a_windmill_toml_that_stays_empty_names_no_project(home: Home) -> None:
    catalogs = reader(home)
    catalogs.load()
    (home.root / "windmill.toml").write_text("")
    assert "reports/@sync" not in catalogs.load().jobs


def test_a_change_within_the_same_instant_is_seen_by_its_size(home: Home) -> None:
    catalogs = reader(home)
    catalogs.load()
    path = home.root / "windmill.toml"
    before = path.stat()
    path.write_text('[projects.billing]\ngit = "/elsewhere"\n')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "billing/@sync" in catalogs.load().jobs


def test_while_a_revision_is_not_on_disk_its_jobs_stay_and_that_is_told(home: Home) -> None:
    live = revision(home, COMMIT, nightly="entry_point: main.py\n")
    state = publish(home, live)
    catalogs = reader(home)
    catalogs.load()
    Path(live.root).rename(home.state / "elsewhere")
    published.write(home.state, replace(state, recent=(COMMIT,)))
    catalog = catalogs.load()
    assert "reports/nightly" in catalog.jobs
    assert "not on disk" in str(catalog.problems)


def test_after_a_restart_a_revision_that_is_not_on_disk_says_nothing_of_what_is_missing(home: Home) -> None:
    live = revision(home, COMMIT, nightly="entry_point: main.py\n")
    publish(home, live)
    Path(live.root).rename(home.state / "elsewhere")
    assert reader(home).load().unreadable


def test_a_revision_that_comes_back_is_read(home: Home) -> None:
    live = revision(home, COMMIT, nightly="entry_point: main.py\n")
    publish(home, live)
    Path(live.root).rename(home.state / "elsewhere")
    catalogs = reader(home)
    catalogs.load()
    (home.state / "elsewhere").rename(live.root)
    assert "reports/nightly" in catalogs.load().jobs


def test_what_keeps_a_sync_from_a_verdict_is_a_problem(home: Home) -> None:
    publish(home, revision(home, COMMIT), trouble="the token cannot be read")
    assert "the token cannot be read" in [problem.message for problem in reader(home).load().problems]


def test_a_group_without_a_cap_is_pointed_out_until_the_settings_have_it(home: Home) -> None:
    plain(home, "plain")
    own_job(home, "load", "project: plain\nentry_point: main.py\ngroup: warehouse\n")
    reader = catalog_reader(home)
    catalog = reader.load()
    assert [(problem.severity, problem.job) for problem in catalog.problems] == [("warning", "plain/load")]
    (home.root / "windmill.toml").write_text("[groups]\nwarehouse = 2\n")
    catalog = reader.load()
    assert (catalog.problems, catalog.caps and catalog.caps.groups) == ((), {"warehouse": 2})


def after(*names: str) -> str:
    return f"project: plain\nentry_point: main.py\nafter: [{', '.join(f'{{job: {name}}}' for name in names)}]\n"


def test_jobs_that_wait_for_each_other_are_refused_with_the_whole_circle(home: Home) -> None:
    plain(home, "plain")
    for name, above in (("a", "b"), ("b", "c"), ("c", "plain/a"), ("d", "a")):
        own_job(home, name, after(above))
    catalog = catalog_reader(home).load()
    errors = {problem.job: problem.message for problem in catalog.problems if problem.severity == "error"}
    assert errors["plain/b"] == "the job waits for itself: plain/b after plain/c after plain/a after plain/b"
    assert set(errors) == {"plain/a", "plain/b", "plain/c"}
    assert [key for key in catalog.jobs if not is_system(key)] == ["plain/d"]


def test_a_file_that_closes_a_circle_leaves_its_last_good_version(home: Home) -> None:
    plain(home, "plain")
    own_job(home, "a", after("b"))
    own_job(home, "b", "project: plain\nentry_point: main.py\n")
    reader = catalog_reader(home)
    good = reader.load()
    own_job(home, "b", after("a"))
    catalog = reader.load()
    assert catalog.jobs == good.jobs
    assert "plain/b" in catalog.stale
    own_job(home, "b", after())
    assert reader.load().stale == frozenset()


def test_an_upstream_that_is_not_there_is_pointed_out_with_what_it_may_be(home: Home) -> None:
    plain(home, "plain")
    own_job(home, "extract", "project: plain\nentry_point: main.py\n")
    own_job(home, "load", after("extrct"))
    (problem,) = catalog_reader(home).load().problems
    assert (problem.severity, "plain/extract" in problem.hint) == ("warning", True)
