from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.errors import WindmillError
from windmill.core.model import Job, Param
from windmill.core.params import as_text, bind, interpolate, references

SLOT = datetime(2026, 1, 1, tzinfo=UTC)


def job(*params: Param) -> Job:
    return Job(project="p", name="j", entry_point="a.py", file="f", digest="", params=params)


def fill(text: str, **params: object) -> str:
    return interpolate(text, params=params, slot=SLOT, execution="e1", attempt=2)


def test_defaults_are_bound_and_values_given_win() -> None:
    both = job(Param(name="a", default="x"), Param(name="b", default="y"))
    assert bind(both, {"b": "z"}) == {"a": "x", "b": "z"}


def test_a_parameter_without_a_value_is_left_out() -> None:
    assert bind(job(Param(name="a")), {}) == {}


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        ("string", "1", "1"),
        ("integer", "12", 12),
        ("integer", "-3", -3),
        ("integer", 3, 3),
        ("number", "1.5", 1.5),
        ("number", 2, 2.0),
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("boolean", False, False),
    ],
)
def test_values_are_of_the_type_of_their_parameter(kind: str, given_value: str | int, value: object) -> None:
    bound = bind(job(Param(name="a", type=kind)), {"a": given_value})["a"]
    assert (bound, type(bound)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "given_value"),
    [
        ("string", 1),
        ("integer", "x"),
        ("integer", "1.5"),
        ("integer", ""),
        ("integer", 1.5),
        ("integer", True),
        ("integer", "9" * 5000),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "1e999"),
        ("number", False),
        ("boolean", "yes"),
        ("boolean", 1),
    ],
)
def test_values_of_another_type_are_refused(kind: str, given_value: str | float) -> None:
    with pytest.raises(WindmillError, match='parameter "a": expected'):
        bind(job(Param(name="a", type=kind)), {"a": given_value})


def test_only_values_of_the_enum_are_taken() -> None:
    with pytest.raises(WindmillError, match="expected one of BR, PT"):
        bind(job(Param(name="a", enum=("BR", "PT"))), {"a": "ES"})


def test_all_mistakes_are_named_at_once() -> None:
    both = job(Param(name="a", required=True), Param(name="b", type="integer"))
    with pytest.raises(WindmillError) as caught:
        bind(both, {"b": "x", "c": "1"})
    assert caught.value.message == (
        'p/j: unknown parameter "c": expected a, b; parameter "a" is required: expected text; '
        "parameter \"b\": expected a whole number, found 'x'"
    )


def test_a_job_without_parameters_takes_none() -> None:
    with pytest.raises(WindmillError, match='unknown parameter "c": the job has none'):
        bind(job(), {"c": "1"})


@given(
    st.integers(-(10**17), 10**17).map(lambda value: ("integer", value))
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda value: ("number", value))
    | st.booleans().map(lambda value: ("boolean", value))
    | st.text().map(lambda value: ("string", value))
)
def test_what_a_job_sees_as_text_binds_to_the_same_value(pair: tuple[str, str | int | float | bool]) -> None:
    kind, value = pair
    assert bind(job(Param(name="a", type=kind)), {"a": as_text(value)}) == {"a": value}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("${params.a}", "x"),
        ("<${params.a}${params.a}>", "<xx>"),
        ("${slot}", "2026-01-01T00:00:00.000Z"),
        ("${execution}/${attempt}", "e1/2"),
        ("$${params.a}", "${params.a}"),
        ("$$${params.a}", "$${params.a}"),
        ("$HOME $ {a} }", "$HOME $ {a} }"),
        ("${params.flag} ${params.n}", "true 3"),
        ("${params.absent}", ""),
    ],
)
def test_references_are_replaced(text: str, result: str) -> None:
    assert fill(text, a="x", flag=True, n=3) == result


def test_without_a_slot_its_text_is_empty() -> None:
    assert interpolate("<${slot}>", params={}, slot=None, execution="e", attempt=1) == "<>"


@pytest.mark.parametrize("text", ["${nope}", "${}", "${params}", "${slot", "${"])
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(WindmillError):
        fill(text)


def test_values_are_not_read_for_references_again() -> None:
    assert fill("${params.a}", a="${slot}") == "${slot}"


@given(st.text())
def test_escaped_text_comes_back(text: str) -> None:
    assert fill(text.replace("${", "$${")) == text


@given(st.text(alphabet="${}a.params", max_size=30))
def test_references_found_are_those_replaced(text: str) -> None:
    try:
        found = references(text)
    except WindmillError:
        found = [""]
    if all(name.startswith("params.") for name in found):
        fill(text)
    else:
        with pytest.raises(WindmillError):
            fill(text)
