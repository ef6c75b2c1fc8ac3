"""Nothing but values reaches the store, whatever is sent: no operator, and no type that was not asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builders import a_job, a_running_execution
from tests.support.dashboard import Site
from windmill.core.ports import Batch, ExecutionFilter, Store
from windmill.dashboard.access import Role
from windmill.store.sqlite import SqliteStore

PARAM: Final[dict[str, Any]] = {"type": "string", "default": None, "required": False, "enum": [], "description": ""}
OPERATORS: Final = st.sampled_from(["$gt", "$ne", "$where", "$regex", "a.b", "$", "__proto__", "\0"])
TEXTS: Final = st.text(max_size=20) | OPERATORS
VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
QUERIES: Final = (
    "q", "project", "job", "state", "trigger", "label", "last", "from", "to", "revision", "longer_than", "contains",
    "cursor", "limit", "attention", "hours", "count", "days", "after", "tail", "stream", "format",
)  # fmt: skip
READS: Final = (
    "executions",
    "jobs",
    "audit",
    "upcoming",
    "projects/p/jobs/hello/revisions",
    "projects/p/jobs/hello/stats",
)
ACTS: Final = ("projects/p/jobs/hello/executions", "projects/p/jobs/hello/pause", "projects/p/sync")


class Watched:
    """A store that keeps what it is asked for."""

    def __init__(self, store: Store, asked: list[Any]) -> None:
        self._store, self._asked = store, asked

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def ask(*arguments: Any, **named: Any) -> Any:
            self._asked.extend([*arguments, *named.values()])
            return method(*arguments, **named)

        return ask


def flawed(value: Any, *, key: bool = False) -> bool:
    """Whether a database would take a part of it for more than a value."""
    if isinstance(value, ExecutionFilter):
        return any(flawed(getattr(value, name)) for name in value.__slots__)
    if isinstance(value, Mapping):
        return any(flawed(name, key=True) or flawed(one) for name, one in value.items())
    if isinstance(value, list | tuple | frozenset):
        return any(map(flawed, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return not -(2**63) <= value < 2**63
    return key and (not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, list[Any]]:
    asked: list[Any] = []
    database: Path = tmp_path_factory.mktemp("site") / "windmill.db"
    site = Site(
        database,
        anonymous=Role.ACT,
        open_store=lambda readonly: Watched(SqliteStore(database, readonly=readonly), asked),
    )
    params = [{"name": name, **PARAM} for name in ("a", "b")]
    site.put(Batch(jobs=[a_job(params=params)], executions=[a_running_execution()]))
    return site, asked


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(READS), query=st.dictionaries(st.sampled_from(QUERIES) | OPERATORS, TEXTS, max_size=4))
def test_no_address_reaches_the_store_but_as_values(
    watched: tuple[Site, list[Any]], path: str, query: dict[str, str]
) -> None:
    site, asked = watched
    asked.clear()
    assert site.client.get(f"/api/v1/{path}", query_string=query).status_code in {200, 422}
    assert not any(map(flawed, asked))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(ACTS),
    body=VALUES
    | st.fixed_dictionaries({"params": st.dictionaries(st.sampled_from(["a", "b"]) | TEXTS, VALUES, max_size=3)})
    | st.fixed_dictionaries({"until": VALUES, "note": VALUES}),
)
def test_no_body_reaches_the_store_but_as_values(watched: tuple[Site, list[Any]], path: str, body: Any) -> None:
    site, asked = watched
    asked.clear()
    assert site.client.post(f"/api/v1/{path}", json=body).status_code in {202, 400, 409, 422}
    assert not any(map(flawed, asked))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(identity=st.text(max_size=40) | OPERATORS)
def test_only_what_looks_like_an_id_is_looked_up(watched: tuple[Site, list[Any]], identity: str) -> None:
    site, asked = watched
    for kind, form in (("executions", "[0-9a-f]{16}"), ("requests", "[0-9a-f]{32}")):
        asked.clear()
        assert site.client.get(f"/api/v1/{kind}/{identity.replace('/', '')}x").status_code == 404
        assert all(re.fullmatch(form, one) for one in asked)
