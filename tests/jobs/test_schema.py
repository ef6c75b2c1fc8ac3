from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from windmill.jobs.models import JobKeys
from windmill.jobs.schema import job_schema


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for section in (schema, *schema["$defs"].values()):
        yield from section.get("properties", {}).items()


def test_the_schema_names_its_dialect_and_refuses_unknown_keys() -> None:
    schema = job_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["entry_point"]


def test_the_schema_has_every_key_of_a_job() -> None:
    assert job_schema()["properties"].keys() == JobKeys.model_fields.keys()


@pytest.mark.parametrize(("key", "schema"), list(keys(job_schema())))
def test_every_key_is_described(key: str, schema: dict[str, Any]) -> None:
    section = schema.get("$ref", "").rpartition("/")[2]
    assert schema.get("description") or job_schema()["$defs"][section]["description"], key


def test_a_schedule_may_be_plain_text() -> None:
    assert {"string", "object"} <= {
        choice.get("type", "object") for choice in job_schema()["properties"]["schedule"]["anyOf"]
    }


def test_defaults_are_shown_as_people_write_them() -> None:
    assert job_schema()["properties"]["kill_grace"]["default"] == "30s"
