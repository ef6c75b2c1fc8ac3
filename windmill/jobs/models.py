"""The shape of a job file, key by key: what pydantic checks at the door and editors get as a schema."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema

from windmill.core.model import CatchUp, Keep, Overrun
from windmill.core.retention import MAX_DAYS, MAX_RUNS
from windmill.jobs.fields import (
    Day,
    Duration,
    Instant,
    Name,
    PositiveDuration,
    Size,
    Zone,
    mistake,
    read_duration,
    read_size,
)

Text = Annotated[str, StringConstraints(max_length=100_000)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]
FOREVER: Final = "forever"
ExitCode = Annotated[int, Field(ge=0, le=255)]


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise mistake("text, a number, true or false")
    return value


def _percentage(value: Any) -> float:
    if isinstance(value, str) and value.endswith("%"):
        digits = value.removesuffix("%").removeprefix("+")
        if digits.isascii() and digits.isdecimal() and int(digits[:9]) > 0:
            return int(digits[:9]) / 100
    raise mistake('a percentage such as "50%"')


def _days(value: Any) -> int | None:
    if value == FOREVER:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_DAYS:
        return value
    raise mistake(f"a number of days from 1 to {MAX_DAYS}, or {FOREVER}")


def _schedule(value: Any) -> Any:
    return {"cron": value} if isinstance(value, str) else value


Scalar = Annotated[
    str | int | float | bool,
    PlainValidator(_scalar),
    WithJsonSchema({"type": ["string", "integer", "number", "boolean"]}),
]
Days = Annotated[
    int | None,
    PlainValidator(_days),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_DAYS}, {"const": FOREVER}]}),
]
Percentage = Annotated[float, PlainValidator(_percentage), WithJsonSchema({"type": "string", "pattern": "^[0-9]+%$"})]


def _preset(written: str, description: str) -> Any:
    """Return the field of a duration or size with its default, which the schema shows as people write it."""
    value = read_size(written) if written.endswith("B") else read_duration(written)
    return Field(default=value, description=description, json_schema_extra={"default": written})


class Strict(BaseModel):
    """Every mapping of a job file: no unknown key, no conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ScheduleKeys(Strict):
    """When the job is due: exactly one of interval, cron and at."""

    interval: PositiveDuration | None = Field(default=None, description="Elapsed time between slots.")
    cron: Annotated[str, StringConstraints(max_length=500)] | None = Field(
        default=None, description="Cron expression of 5 fields, 6 with seconds first, or an alias such as @daily."
    )
    at: Instant | None = Field(default=None, description="One single slot.")
    start_at: Instant | None = Field(default=None, description="First slot; anchors the grid of an interval.")
    end_at: Instant | None = Field(default=None, description="No slot after it.")
    timezone: Zone | None = Field(default=None, description="IANA name; default: that of windmill.toml.")
    max_runs: int | None = Field(default=None, ge=1, description="No slot after this many starts.")
    overrun: Annotated[Overrun, Field(strict=False)] = Field(
        default=Overrun.RUN_NOW, description="What a slot does that comes due while the job still runs."
    )
    catch_up: Annotated[CatchUp, Field(strict=False)] = Field(
        default=CatchUp.NONE, description="Which slots missed while the scheduler was away are started."
    )
    catch_up_window: PositiveDuration = _preset("1d", "Older slots are not caught up.")
    spread: Duration = _preset("0s", "Fixed offset below this, by hash of the job's name.")
    skip_dates: list[Day] = Field(
        default_factory=list, max_length=5000, description="Days, in the timezone, without slots."
    )


class RetryKeys(Strict):
    """Whether and when a failed execution is tried again."""

    limit: int = Field(default=0, ge=0, le=1000, description="Further attempts after the first.")
    delay: Duration = _preset("10s", "Wait before the second attempt.")
    backoff: float = Field(default=2.0, ge=1, le=100, description="Factor on the delay for each further attempt.")
    max_delay: Duration = _preset("5m", "Longest wait.")
    exit_codes: list[ExitCode] = Field(
        default_factory=list, max_length=256, description="Only after these; empty: any failure."
    )


class ParamKeys(Strict):
    """A typed input of a manual start."""

    name: Variable = Field(description="Used as ${params.NAME} in args and env.")
    type: Literal["string", "integer", "number", "boolean"] = Field(
        default="string", description="Type of its value."
    )
    default: Scalar | None = Field(default=None, description="Value when none is given.")
    required: bool = Field(default=False, description="A start without it is refused.")
    enum: list[Scalar] = Field(default_factory=list, max_length=1000, description="The values allowed.")
    description: Text = Field(default="", description="Shown in the form.")


class SecretKeys(Strict):
    """An environment variable whose value is masked in output: exactly one of from_env and from_file."""

    name: Variable = Field(description="Name the job sees.")
    from_env: Variable | None = Field(default=None, description="Variable of the scheduler's environment.")
    from_file: Text | None = Field(default=None, description="File with the value: absolute, or inside the project.")


class LimitKeys(Strict):
    """Resource limits of an execution."""

    memory: Size | None = Field(default=None, description="Address space, e.g. 2GiB.")
    cpu_time: PositiveDuration | None = Field(default=None, description="CPU time.")


class OutputKeys(Strict):
    """How much output is kept."""

    max_size: Size = _preset("10MiB", "Beyond it head and tail are kept.")


class AfterKeys(Strict):
    """A job that must have ended first."""

    job: Text = Field(description="Name, or project/name.")
    when: Literal["success", "failure", "any"] = Field(default="success", description="How it must have ended.")


class KeepKeys(Strict):
    """How long executions are kept; the newest success and failure always stay."""

    days: Days = Field(default=Keep().days, description="Age in days, or forever.")
    runs: int | None = Field(
        default=Keep().runs, ge=1, le=MAX_RUNS, description="Number of executions; skipped ones are counted apart."
    )


class ExpectKeys(Strict):
    """What is normal for this job."""

    late_after: PositiveDuration | None = Field(
        default=None, description="Late when not started this long after its slot."
    )
    max_age: PositiveDuration | None = Field(default=None, description="Late when the last success is older.")
    slower_than: Percentage | None = Field(
        default=None, description="Slow when it takes this much longer than usual."
    )


class NotifyKeys(Strict):
    """Which channels hear of what."""

    on_failure: list[Name] = Field(default_factory=list, max_length=100, description="Channels told of a failure.")
    after_failures: int = Field(default=1, ge=1, description="Failures in a row after which they are told.")
    on_recovery: list[Name] = Field(
        default_factory=list, max_length=100, description="Channels told of the first success after."
    )
    on_late: list[Name] = Field(
        default_factory=list, max_length=100, description="Channels told of a job that is late, too old or slow."
    )


class HeartbeatKeys(Strict):
    """A URL that is called at start and end: exactly one of from_env and from_file."""

    from_env: Variable | None = Field(default=None, description="Variable that holds the URL.")
    from_file: Text | None = Field(default=None, description="File that holds the URL, by its absolute path.")


class JobKeys(Strict):
    """A WindMill job: what to run and when."""

    name: Name | None = Field(default=None, description="Default: the file's name without its ending.")
    description: Text = Field(default="", description="First line short, the rest Markdown.")
    project: Name | None = Field(default=None, description="Default: the only project.")
    entry_point: Text = Field(description='File in the project, or "-m package.module".')
    args: list[Text] = Field(default_factory=list, max_length=1000, description="Arguments; ${...} is replaced.")
    working_dir: Text | None = Field(default=None, description="Folder in the project; default: that of entry_point.")
    env: dict[Variable, Text] = Field(
        default_factory=dict, max_length=1000, description="Environment variables; ${...} is replaced."
    )
    env_file: list[Text] = Field(
        default_factory=list, max_length=100, description="Files of NAME=value lines in the project; later wins."
    )
    secrets: list[SecretKeys] = Field(
        default_factory=list, max_length=100, description="Variables whose values are masked."
    )
    params: list[ParamKeys] = Field(
        default_factory=list, max_length=100, description="Typed inputs of a manual start."
    )
    schedule: Annotated[ScheduleKeys, BeforeValidator(_schedule)] | None = Field(
        default=None, description="A cron expression, or a mapping; absent: manual only."
    )
    timeout: PositiveDuration | None = Field(default=None, description="Longest time an execution may take.")
    kill_grace: Duration = _preset("30s", "Time between TERM and KILL.")
    retry: RetryKeys = Field(default_factory=RetryKeys, description="Whether a failed execution is tried again.")
    success_exit_codes: list[ExitCode] = Field(
        default=[0], min_length=1, max_length=256, description="What counts as success."
    )
    fail_on_stderr: bool = Field(default=False, description="true: a success that wrote to stderr is a failure.")
    group: Name | None = Field(default=None, description="Shares the cap of this group in windmill.toml.")
    priority: int = Field(default=0, ge=-100, le=100, description="Each point is worth a minute of waiting.")
    after: list[AfterKeys] = Field(
        default_factory=list, max_length=100, description="Jobs that must have ended first."
    )
    limits: LimitKeys = Field(default_factory=LimitKeys, description="Resource limits.")
    output: OutputKeys = Field(default_factory=OutputKeys, description="How much output is kept.")
    keep: KeepKeys = Field(default_factory=KeepKeys, description="How long executions are kept.")
    expect: ExpectKeys = Field(default_factory=ExpectKeys, description="What is normal for this job.")
    notify: NotifyKeys = Field(default_factory=NotifyKeys, description="Which channels hear of what.")
    heartbeat: HeartbeatKeys | None = Field(default=None, description="A URL called at start and end.")
    terminal: bool = Field(default=False, description="Give the job a pseudo-terminal.")
    enabled: bool = Field(default=True, description="false: checked and shown, never started by schedule.")
    labels: dict[Text, Text] = Field(default_factory=dict, max_length=100, description="Free words to filter by.")
    owner: Text = Field(default="", description="Whom to ask.")
