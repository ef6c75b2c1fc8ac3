from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from windmill.app.migration import dagu, yacron
from windmill.app.migration.model import Found, Names, Reading


def of_dagu(text: str) -> Reading:
    return dagu.read(yaml.safe_load(text), stem="etl", names=Names())


def of_yacron(text: str) -> Reading:
    return yacron.read(yaml.safe_load(text), stem="jobs", names=Names())


def only(reading: Reading) -> Found:
    assert (len(reading.found), reading.left) == (1, [])
    return reading.found[0]


def output(found: Found) -> list[str]:
    ran = subprocess.run(["sh", "-c", found.script], capture_output=True, text=True, check=False)
    return [*ran.stdout.split(), str(ran.returncode)]


def test_a_workflow_becomes_a_job_whose_steps_run_in_their_order() -> None:
    text = """
        schedule: "CRON_TZ=UTC 0 2 * * *"
        type: graph
        env: [A: one, "B=two"]
        timeout_sec: 60
        steps:
          - {name: last, command: echo last, depends: [first]}
          - {name: first, command: echo, args: ["first $A"]}
        """
    found = only(of_dagu(text))
    assert found.keys == {
        "schedule": {"cron": "0 2 * * *", "timezone": "UTC"},
        "env": {"A": "one", "B": "two"},
        "timeout": "60s",
    }
    assert output(found) == ["first", "$A", "last", "0"]


def test_a_step_that_fails_ends_the_workflow() -> None:
    assert output(only(of_dagu("steps: [{command: echo one}, {command: 'false'}, {command: echo three}]"))) == [
        "one",
        "1",
    ]


def test_a_step_has_a_directory_of_its_own() -> None:
    assert output(only(of_dagu("steps: [{command: pwd, dir: /usr}, {command: pwd, dir: /bin}]")))[0] == "/usr"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "not a workflow"),
        ("steps: [{name: a, command: x, executor: docker}]", "executor"),
        ("steps: [{name: a, command: x, depends: b}]", "not there"),
        ("{type: graph, steps: [{name: a, command: x, depends: b}, {name: b, command: x, depends: a}]}", "circle"),
        ("steps: [{name: a}]", "no command"),
    ],
)
def test_a_workflow_that_cannot_be_turned_is_left_out_whole(text: str, why: str) -> None:
    reading = of_dagu(text)
    assert reading.found == []
    assert why in reading.left[0].why


def test_what_a_workflow_has_and_a_job_has_not_is_said() -> None:
    reading = of_dagu("{mail_on: {failure: true}, schedule: ['1 * * * *', '2 * * * *'], steps: [{command: x}]}")
    assert [one.text for one in reading.left] == ["mail_on", "schedule"]
    assert "schedule" not in reading.found[0].keys


YACRON: dict[str, Any] = {"name": "sales", "command": "echo hi", "schedule": "0 2 * * *"}


def test_a_job_of_yacron_becomes_a_job() -> None:
    text = """
        defaults: {timezone: America/Sao_Paulo, concurrencyPolicy: Forbid}
        jobs:
          - name: sales
            command: [echo, "two words"]
            schedule: {minute: "*/5", hour: 2}
            environment: [{key: A, value: 1}]
            executionTimeout: 90
            onFailure: {retry: {maximumRetries: 3, initialDelay: 5, backoffMultiplier: 2}}
            enabled: false
        """
    found = only(of_yacron(text))
    assert found.keys == {
        "schedule": {"cron": "*/5 2 * * *", "timezone": "America/Sao_Paulo"},
        "enabled": False,
        "env": {"A": "1"},
        "timeout": "90s",
        "retry": {"limit": 3, "delay": "5s", "backoff": 2},
    }
    assert output(found) == ["two", "words", "0"]


def test_times_are_in_utc_unless_said_otherwise() -> None:
    jobs = [YACRON, YACRON | {"name": "b", "utc": False}]
    first, second = yacron.read({"jobs": jobs}, stem="x", names=Names()).found
    assert (first.keys["schedule"], second.keys["schedule"]) == (
        {"cron": "0 2 * * *", "timezone": "UTC"},
        "0 2 * * *",
    )


def test_jobs_that_overlapped_are_said_not_to_any_more() -> None:
    (found,) = yacron.read({"jobs": [YACRON]}, stem="x", names=Names()).found
    assert "never overlaps" in found.remarks[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schedule": "@reboot"}, "@reboot"),
        ({"schedule": {"year": 2030}}, "year"),
        ({"schedule": None}, "no schedule"),
        ({"command": ""}, "no command"),
    ],
)
def test_a_job_that_cannot_be_turned_is_said(change: dict[str, Any], why: str) -> None:
    reading = yacron.read({"jobs": [YACRON | change]}, stem="x", names=Names())
    assert reading.found == []
    assert why in reading.left[0].why


def test_keys_that_mean_nothing_here_are_said() -> None:
    reading = yacron.read(
        {"jobs": [YACRON | {"user": "www", "streamPrefix": ""}], "web": {}}, stem="x", names=Names()
    )
    assert [one.text for one in reading.left] == ["web", "sales: streamPrefix", "sales: user"]
