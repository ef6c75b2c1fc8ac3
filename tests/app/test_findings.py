from __future__ import annotations

from typing import Any

import pytest

from windmill.app.findings import github, sarif
from windmill.core.errors import Problem

HERE = Problem(file="jobs.d/a.yaml", line=3, column=7, message="unknown key", hint="rename it", code="unknown-key")
THERE = Problem(file="jobs.d/b c.yaml", message="odd", severity="warning", code="never-fires")


def run_of(*problems: Problem) -> dict[str, Any]:
    (run,) = sarif(problems)["runs"]
    found: dict[str, Any] = run
    return found


def test_github_is_told_the_place_and_the_words() -> None:
    assert github([HERE]) == [
        "::error file=jobs.d/a.yaml,line=3,col=7,title=unknown-key::unknown key%0Ahint: rename it"
    ]


def test_a_warning_of_a_whole_file_names_no_line_to_github() -> None:
    assert github([THERE]) == ["::warning file=jobs.d/b c.yaml,title=never-fires::odd"]


@pytest.mark.parametrize(
    ("text", "written"), [("50%", "50%25"), ("a\nb", "a%0Ab"), ("a\r\n::set-env::b", "a%0D%0A::set-env::b")]
)
def test_words_can_begin_no_command_of_their_own(text: str, written: str) -> None:
    (line,) = github([Problem(file="a", message=text, code="c")])
    assert line == f"::error file=a,title=c::{written}"


def test_a_file_name_can_add_no_property() -> None:
    (line,) = github([Problem(file="a,line=9::x%\n.yaml", message="m", code="c")])
    assert line == "::error file=a%2Cline=9%3A%3Ax%25%0A.yaml,title=c::m"


def test_what_was_expected_and_found_is_told() -> None:
    (line,) = github([Problem(file="a", message="m", expected="a number", found="text", code="c")])
    assert line.endswith("::m (expected a number, found text)")


def test_sarif_names_its_version_and_its_tool() -> None:
    log = sarif([])
    assert (log["version"], log["runs"][0]["tool"]["driver"]["name"]) == ("2.1.0", "windmill")
    assert log["runs"][0]["results"] == []


def test_sarif_has_a_rule_per_code_and_every_result_points_at_its_own() -> None:
    run = run_of(HERE, THERE, HERE)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["never-fires", "unknown-key"]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])


def test_sarif_tells_line_and_column() -> None:
    (location,) = run_of(HERE)["results"][0]["locations"]
    assert location["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 7}


def test_sarif_gives_no_region_to_a_problem_of_a_whole_file() -> None:
    (location,) = run_of(THERE)["results"][0]["locations"]
    assert "region" not in location["physicalLocation"]


def test_sarif_paths_are_uris_relative_to_a_base_that_the_run_describes() -> None:
    run = run_of(THERE)
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "jobs.d/b%20c.yaml"
    assert place["uriBaseId"] in run["originalUriBaseIds"]


def test_a_problem_without_a_code_has_a_rule_all_the_same() -> None:
    result = run_of(Problem(file="a", message="m"))["results"][0]
    assert (result["ruleId"], result["level"]) == ("job-file", "error")


# What the published schema of SARIF 2.1.0 allows and asks of each object that is written.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema", "version", "runs"}),
    "run": ({"tool"}, {"tool", "results", "columnKind", "originalUriBaseIds"}),
    "driver": ({"name"}, {"name", "semanticVersion", "rules"}),
    "rule": ({"id"}, {"id", "shortDescription", "defaultConfiguration"}),
    "result": ({"message"}, {"ruleId", "ruleIndex", "level", "message", "locations"}),
    "place": (set(), {"artifactLocation", "region"}),
    "region": (set(), {"startLine", "startColumn"}),
}


def fits(name: str, written: dict[str, Any]) -> bool:
    needed, allowed = OBJECTS[name]
    return needed <= written.keys() <= allowed


def test_sarif_writes_no_object_that_the_schema_does_not_know() -> None:
    log = sarif([HERE, THERE])
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    places = [place["physicalLocation"] for result in run["results"] for place in result["locations"]]
    regions = [place["region"] for place in places if "region" in place]
    assert fits("log", log)
    assert fits("run", run)
    assert fits("driver", driver)
    assert all(fits("rule", rule) for rule in driver["rules"])
    assert all(fits("result", result) for result in run["results"])
    assert all(fits("place", place) for place in places)
    assert all(fits("region", region) and min(region.values()) >= 1 for region in regions)
    assert {result["level"] for result in run["results"]} <= {"none", "note", "warning", "error"}
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
