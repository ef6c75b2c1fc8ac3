"""The judge of searches says no where MongoDB would have to look through documents."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.commands import reads_more

INDEXES = [
    [("_id", 1)],
    [("queued_at", -1), ("_id", -1), ("trigger", 1)],
    [("job", 1), ("state", 1), ("queued_at", -1), ("_id", -1)],
]
NEWEST = {"queued_at": -1, "_id": -1}


def find(wanted: dict[str, Any], order: dict[str, int] | None = None) -> dict[str, Any]:
    return {"find": "executions", "filter": wanted, **({"sort": order} if order else {})}


def count(wanted: dict[str, Any], field: str) -> dict[str, Any]:
    group = {"$group": {"_id": {"field": field}, "count": {"$sum": 1}}}
    return {"aggregate": "executions", "pipeline": [{"$match": wanted}, group, {"$sort": {"_id": 1}}]}


@pytest.mark.parametrize(
    "command",
    [
        find({"_id": "a", "state": {"$in": ["queued"]}}),
        find({"_id": {"$gte": "a", "$lt": "b"}}, {"_id": 1}),
        find({}, NEWEST),
        find({}, {"queued_at": 1, "_id": 1}),
        find({"queued_at": {"$lt": 5}, "trigger": {"$in": ["manual"]}}, NEWEST),
        find({"queued_at": 5, "_id": {"$lt": "b"}}, NEWEST),
        find({"state": "failed", "job": "p/a"}, NEWEST),
        find({"job": "p/a", "state": {"$in": ["failed", "lost"]}, "queued_at": {"$gte": 3}}, NEWEST),
        {"distinct": "executions", "key": "job"},
        {**find({"job": "p/a", "state": "failed"}, NEWEST), "projection": {"state": True, "_id": True}},
        count({"queued_at": {"$gte": 5}}, "$trigger"),
    ],
)
def test_what_an_index_answers_reads_no_more(command: dict[str, Any]) -> None:
    assert reads_more(command, INDEXES) == ""


@pytest.mark.parametrize(
    "command",
    [
        find({"day": "2026-01-01"}),  # on no index
        find({"trigger": "manual"}),  # on an index that does not begin with it
        find({"queued_at": {"$lt": 5}, "day": "2026-01-01"}, NEWEST),  # one condition only documents know
        find({"job": "p/a"}, NEWEST),  # the order does not follow what is equal
        find({"job": "p/a", "state": "failed"}, {"ended_at": -1}),  # an order of no index
        find({}, {"queued_at": -1, "_id": 1}),  # half against the index
        find({"state": "failed"}, NEWEST),  # what is equal does not lead
        find({"$or": [{"queued_at": 5}, {"job": "p/a"}]}, NEWEST),
        {"distinct": "executions", "key": "state"},
        {"distinct": "executions", "key": "job", "query": {"state": "failed"}},
        {**find({"job": "p/a", "state": "failed"}, NEWEST), "projection": {"ended_at": True}},
        count({"queued_at": {"$gte": 5}}, "$day"),  # which only documents know
        count({"trigger": "manual"}, "$trigger"),
        {"aggregate": "executions", "pipeline": []},
        {"aggregate": "executions", "pipeline": [{"$group": {"_id": "$trigger"}}]},
    ],
)
def test_what_no_index_answers_is_said(command: dict[str, Any]) -> None:
    assert reads_more(command, INDEXES) != ""
