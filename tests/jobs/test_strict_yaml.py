from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.jobs.strict_yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS, read

plain_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**17), max_value=10**17)
    | st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz_", min_size=1), inner, max_size=4),
    max_leaves=20,
)


def data_of(text: str) -> object:
    documents, problems = read(text.encode(), file="f")
    assert not problems
    return documents[0].data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 1", {"a": 1}),
        ("a: -0.5", {"a": -0.5}),
        ("a: 1.5e+3", {"a": 1500.0}),
        ("a: true", {"a": True}),
        ("a: null", {"a": None}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 2026-01-01T00:00:00Z", {"a": "2026-01-01T00:00:00Z"}),
        ("a: 'yes'", {"a": "yes"}),
        ("a: '1:30'", {"a": "1:30"}),
        ("a: 1.2.3", {"a": "1.2.3"}),
        ("a: 12ab", {"a": "12ab"}),
        ("a: 10MiB", {"a": "10MiB"}),
        ("[a, [b, {c: d}]]", ["a", ["b", {"c": "d"}]]),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1\r\nb: |\r\n  x\r\n", {"a": 1, "b": "x\n"}),
    ],
)
def test_text_that_every_reader_understands_alike_is_plain_data(text: str, data: object) -> None:
    assert data_of(text) == data


@given(plain_data)
def test_json_means_the_same_as_yaml(data: object) -> None:
    if data is not None:
        assert data_of(json.dumps(data, ensure_ascii=False)) == data


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("a: on", (1, 4), "true or false"),
        ("a: [x, No]", (1, 8), "true or false"),
        ("on: 1", (1, 1), "true or false"),
        ("a: 1:30", (1, 4), "base 60"),
        ("a: 12:30:45", (1, 4), "base 60"),
        ("a: 010", (1, 4), "octal"),
        ("a: 08", (1, 4), "octal"),
        ("a: 0x1F", (1, 4), "text to others"),
        ("a: 0o17", (1, 4), "text to others"),
        ("a: 1_000", (1, 4), "text to others"),
        ("a: 1e3", (1, 4), "text to others"),
        ("a: .inf", (1, 4), "text to others"),
        ("a: " + "9" * 19, (1, 4), "too large"),
        ("a: " + "0" + "_" * 5000 + "x", (1, 4), "begins like a number"),
        ("a: 1.0e+999", (1, 4), "too large"),
        ("x: 1\na: 1\na: 2", (3, 1), "repeated"),
        ("1: x", (1, 1), "key must be text"),
        ("true: x", (1, 1), "key must be text"),
        ("? [a]\n: b", (1, 3), "key must be text"),
        ("a: &x 1", (1, 4), "anchors"),
        ("a: *x", (1, 4), "aliases"),
        ("<<: {a: 1}", (1, 1), "merge keys"),
        ("a: !!str 1", (1, 4), "tags"),
        ("a: !!python/object/apply:os.system [x]", (1, 4), "tags"),
        ("%YAML 1.1\n---\na: 1", (1, 1), "directives"),
        ('a: "x\\0y"', (1, 4), "NUL"),
        ("a: 1\nb: \0", (2, 4), "does not print"),
        ("a: x\x1b[0m", (1, 5), "does not print"),
        ("a: {", (1, 5), "not valid YAML"),
        ("a:\n\tb: 1", (2, 1), "not valid YAML"),
        ("a: @daily", (1, 4), "not valid YAML"),
        ("a: b: c", (1, 5), "not valid YAML"),
    ],
)
def test_everything_else_is_a_problem_at_its_place(text: str, place: tuple[int, int], word: str) -> None:
    _, problems = read(text.encode(), file="f")
    assert (problems[0].line, problems[0].column) == place
    assert word in problems[0].message


@pytest.mark.parametrize(
    "text", ["a: */5 * * * *", "a: @daily", "a: 010", "a: on", "a:\n\tb: 1", "a: b: c", "a: 1:30"]
)
def test_a_mistake_that_is_easily_made_comes_with_its_cure(text: str) -> None:
    _, problems = read(text.encode(), file="f")
    assert problems[0].hint


def test_text_that_is_not_utf_8_is_named_with_its_byte_and_place() -> None:
    _, problems = read(b"a: 1\nb: \xff", file="f")
    assert (problems[0].line, problems[0].column, problems[0].found) == (2, 4, "byte 0xff")


def test_all_problems_are_found_at_once() -> None:
    _, problems = read(b"a: on\nb: 010\na: 1\n", file="f")
    assert [problem.line for problem in problems] == [1, 2, 3]


def test_a_problem_breaks_its_own_document_only() -> None:
    documents, _ = read(b"a: 1\n---\na: on\n---\na: 2\n", file="f")
    assert [document.broken for document in documents] == [False, True, False]


def test_a_syntax_error_leaves_the_documents_before_it() -> None:
    documents, problems = read(b"a: 1\n---\nb: {\n", file="f")
    assert [document.data for document in documents] == [{"a": 1}]
    assert problems


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n", "null\n"])
def test_null_documents_are_none(text: str) -> None:
    assert read(text.encode(), file="f") == ([], [])


def test_the_place_of_every_key_and_value_is_known() -> None:
    document = read(b"a:\n  - b: x\n", file="f")[0][0]
    assert document.keys[("a", 0, "b")] == (2, 5)
    assert document.places[("a", 0, "b")] == (2, 8)


def test_the_place_of_a_value_that_is_not_written_is_that_of_the_nearest_around_it() -> None:
    assert read(b"x: 1\na:\n  b: 2\n", file="f")[0][0].place(("a", "nothing", 3)) == (3, 3)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"[" * MAX_BYTES, "deep"),
        (b"{a: " * (MAX_BYTES // 4), "deep"),
        (b"- " * (MAX_BYTES // 2), "deep"),
        (b"[\n" * (MAX_BYTES // 2), "deep"),
        (b"[" + b"1," * MAX_NODES + b"1]", "too many values"),
        (b"---\n" * (MAX_BYTES // 4), "too many values"),
        (b"a" * (MAX_BYTES + 1), "too large"),
    ],
)
def test_a_file_beyond_a_limit_has_no_documents_and_one_problem(content: bytes, word: str) -> None:
    documents, problems = read(content, file="f")
    assert not documents
    assert len(problems) == 1
    assert word in problems[0].message


def test_the_deepest_nesting_allowed_is_read() -> None:
    assert data_of("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_an_alias_bomb_is_not_expanded() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    _, problems = read(bomb.encode(), file="f")
    assert {problem.message for problem in problems} == {"anchors are not supported", "aliases are not supported"}


def test_endless_problems_are_cut() -> None:
    _, problems = read(b"a: 1\n" * 5000, file="f")
    assert len(problems) == MAX_PROBLEMS + 1


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(content: bytes) -> None:
    read(content, file="f")


@given(st.text(alphabet="[]{}:,-?&*!|>'\"%@` \n\t#abc01.~", max_size=200))
def test_no_punctuation_makes_it_raise(text: str) -> None:
    read(text.encode(), file="f")
