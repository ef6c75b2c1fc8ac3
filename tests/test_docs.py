from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.support.repository import ROOT, first_cells, page, section
from windmill.app.git_setup import set_up
from windmill.cli.check import FORMS
from windmill.cli.root import VERBS, Verbs
from windmill.core.model import State
from windmill.jobs.schema import job_schema


def floors() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "floors")
    return [name.strip() for layer in layers for name in layer.split("|")]


@pytest.mark.parametrize("state", State)
def test_every_state_is_drawn_in_the_architecture(state: State) -> None:
    drawing = section(page("architecture.md"), "States of an execution").split("```")[1]
    assert re.search(rf"\b{state}\b", drawing)


def test_the_floors_of_the_architecture_are_those_the_linter_holds_from_top_to_bottom() -> None:
    rows = re.findall(r"^\| [a-z ]+ \| (`.+?) \|", section(page("architecture.md"), "Floors"), re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == floors()


def keys(schema: dict[str, Any]) -> Iterator[str]:
    """Yield every key of a job file, those of nested mappings with a dot."""
    for name, inner in schema["properties"].items():
        yield name
        for mapping in mappings(schema, inner):
            yield from (f"{name}.{nested}" for nested in mapping.get("properties", {}))


def mappings(schema: dict[str, Any], inner: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in inner:
        inner = schema["$defs"][inner["$ref"].rpartition("/")[2]]
    for choice in (*inner.get("anyOf", ()), *inner.get("oneOf", ())):
        yield from mappings(schema, choice)
    if "properties" in inner:
        yield inner


IN_ONE_CELL = {"keep", "expect", "notify", "heartbeat", "params", "secrets", "after"}  # their keys share a row


def test_the_readme_has_a_row_for_every_key_of_a_job_file_and_no_other() -> None:
    wanted = {key for key in keys(job_schema()) if key.partition(".")[0] not in IN_ONE_CELL or "." not in key}
    assert set(first_cells(section(page("README.md"), "Job file reference"))) == wanted


@pytest.mark.parametrize("key", sorted({key.rpartition(".")[2] for key in keys(job_schema())}))
def test_the_manual_tells_about_every_key_of_a_job_file(key: str) -> None:
    manual = page("job-files.md") + section(page("README.md"), "Job file reference")
    assert re.search(rf"\b{key}\b", manual)


def test_the_manual_names_every_file_that_a_new_jobs_repository_gets(tmp_path: Path) -> None:
    made, _ = set_up(tmp_path)
    assert first_cells(section(page("jobs-repository.md"), "Begin")) == made


def test_the_manual_names_every_form_of_validation() -> None:
    assert tuple(first_cells(section(page("jobs-repository.md"), "Validate"))) == FORMS


COMMAND = re.compile(r"^(?:\$ )?windmill (\w+)(.*)$|`windmill (\w+)([^`]*)`", re.MULTILINE)


def test_every_command_of_the_page_on_jobs_repositories_has_the_options_it_is_shown_with() -> None:
    verbs, context = Verbs(), click.Context(Verbs())
    shown = [(one or two, more or rest) for one, more, two, rest in COMMAND.findall(page("jobs-repository.md"))]
    assert len(shown) > 10
    for verb, text in shown:
        assert verb in VERBS
        command = verbs.get_command(context, verb)
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", text)) <= known, f"{verb}{text}"
