from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from windmill.core.chain import cycles

KEYS = st.sampled_from("abcdef")
GRAPHS = st.dictionaries(KEYS, st.lists(KEYS, max_size=3, unique=True))


def reaches_itself(graph: dict[str, list[str]], key: str) -> bool:
    """Whether one comes back to the key: by walking everywhere."""
    seen: set[str] = set()
    waiting = list(graph.get(key, ()))
    while waiting:
        one = waiting.pop()
        if one == key:
            return True
        if one not in seen:
            seen.add(one)
            waiting += graph.get(one, ())
    return False


@given(GRAPHS)
def test_a_graph_has_circles_where_somebody_comes_back_to_where_they_began(graph: dict[str, list[str]]) -> None:
    found = cycles(graph)
    assert bool(found) == any(reaches_itself(graph, key) for key in graph)
    for circle in found:
        assert all(above in graph[key] for key, above in zip(circle, (*circle[1:], circle[0]), strict=True))


def test_a_circle_begins_with_its_first_key() -> None:
    assert cycles({"c": ["a"], "a": ["b"], "b": ["c"], "x": ["x"], "y": ["a"]}) == [("a", "b", "c"), ("x",)]
