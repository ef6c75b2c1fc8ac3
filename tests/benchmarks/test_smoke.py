"""The benchmarks still run; what they measure is for people to read."""

from __future__ import annotations

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.machine import percentile
from tests.benchmarks.table import Row, lines


def test_a_quick_run_measures_a_real_home_and_finds_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["core", "--quick", "--only", "alone", "--only", "output"])
    assert (status, capsys.readouterr().out.count("WRONG")) == (0, 0)


def test_pages_are_measured_on_a_store_of_any_size(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["pages", "--quick"])
    assert (status, capsys.readouterr().out.count("WRONG")) == (0, 0)


def test_viewers_see_what_a_real_home_prints(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["viewers", "--quick"])
    assert (status, capsys.readouterr().out.count("WRONG")) == (0, 0)


def test_a_measure_that_nobody_knows_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["core", "--only", "nonsense"])
    assert "same-second-100" in capsys.readouterr().err


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile([30, 10, 20, 40], share) for share in (0.25, 0.5, 0.99)] == [10, 20, 40]


def test_columns_are_aligned_and_something_wrong_outweighs_a_kept_budget() -> None:
    rows = [Row(measure="a", measured="1", within=True, wrong="lost"), Row(measure="longer", measured="2")]
    assert lines(rows)[1:] == ["a        1                 WRONG         lost", "longer   2"]
