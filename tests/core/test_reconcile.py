from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from windmill.core.model import Catalog, Job
from windmill.core.reconcile import Diff, diff, suspicious

Jobs = dict[str, Job]


def jobs(**digests: str) -> Jobs:
    made = (Job(project="p", name=name, entry_point="a.py", file="f", digest=digests[name]) for name in digests)
    return {job.key: job for job in made}


def catalog(*names: str) -> Catalog:
    return Catalog(jobs=jobs(**dict.fromkeys(names, "1")))


some_jobs = st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from("12")).map(lambda digests: jobs(**digests))


def test_a_new_key_is_added_a_missing_one_removed_and_another_digest_is_a_change() -> None:
    found = diff(jobs(gone="1", same="1", other="1"), jobs(same="1", other="2", new="1"))
    assert found == Diff(added=("p/new",), changed=("p/other",), removed=("p/gone",))


def test_a_job_that_only_moved_to_another_file_is_unchanged() -> None:
    here = jobs(a="1")
    there = {"p/a": Job(project="p", name="a", entry_point="a.py", file="elsewhere", line=9, digest="1")}
    assert not diff(here, there)


def test_keys_come_sorted() -> None:
    assert diff({}, jobs(c="1", a="1", b="1")).added == ("p/a", "p/b", "p/c")


@given(current=some_jobs, wanted=some_jobs)
def test_applying_the_difference_gives_what_is_wanted(current: Jobs, wanted: Jobs) -> None:
    found = diff(current, wanted)
    kept = {key: job for key, job in current.items() if key not in found.removed}
    kept |= {key: wanted[key] for key in (*found.added, *found.changed)}
    assert {key: job.digest for key, job in kept.items()} == {key: job.digest for key, job in wanted.items()}


@given(current=some_jobs)
def test_nothing_differs_from_itself(current: Jobs) -> None:
    assert not diff(current, current)


def test_more_than_half_of_the_jobs_vanishing_at_once_is_suspicious() -> None:
    assert suspicious(catalog("a", "b", "c"), catalog("a"))


def test_exactly_half_of_the_jobs_vanishing_is_believed() -> None:
    assert not suspicious(catalog("a", "b"), catalog("a"))


def test_the_only_job_vanishing_is_believed() -> None:
    assert not suspicious(catalog("a"), catalog())


def test_new_jobs_do_not_make_up_for_vanished_ones() -> None:
    assert suspicious(catalog("a", "b"), catalog("x", "y"))


def test_a_first_look_is_never_suspicious() -> None:
    assert not suspicious(None, catalog())


def test_an_unreadable_directory_says_nothing_about_vanished_jobs() -> None:
    assert not suspicious(catalog("a", "b", "c"), Catalog(jobs={}, unreadable=True))
