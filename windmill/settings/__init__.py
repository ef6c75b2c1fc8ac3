"""windmill.toml and WINDMILL_* -> frozen settings, every mistake named with its key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from windmill.core.errors import WindmillError
from windmill.core.paths import mistake_in
from windmill.jobs.complaints import describe, dotted, expectation
from windmill.jobs.fields import Name, PositiveDuration, Size, Zone, mistake
from windmill.jobs.spec import default_mistakes
from windmill.jobs.words import nearest
from windmill.projects.settings import ProjectSettings, SecretSource, Signers
from windmill.settings.alerts import AlertsTable, ChannelTable
from windmill.settings.dashboard import DashboardSettings, DashboardTable, OidcTable, ProxyTable, UserTable
from windmill.settings.heartbeat import HeartbeatSettings, HeartbeatTable
from windmill.settings.tables import Source, Table, from_home, secret

FILE: Final = "windmill.toml"
MAX_BYTES: Final = 256 * 1024
JOURNAL_MIN: Final = 64 << 20  # bytes: what is shipped goes in whole segments, some are always in use
_VARIABLES: Final = {
    "WINDMILL_TIMEZONE": ("timezone",),
    "WINDMILL_MAX_RUNNING": ("scheduler", "max_running"),
    "WINDMILL_STORE_URI": ("store", "uri"),
    "WINDMILL_DASHBOARD_HOST": ("dashboard", "host"),
    "WINDMILL_DASHBOARD_PORT": ("dashboard", "port"),
}
_NUMBERS: Final = ("WINDMILL_MAX_RUNNING", "WINDMILL_DASHBOARD_PORT")
_STORE_SCHEMES: Final = ("mongodb://", "mongodb+srv://")
_PLAIN, _SECRET = ("git", "ref", "path", "poll", "python", "source_builds"), ("token", "webhook")
_ZONE_FILES: Final = "/zoneinfo/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a home can be told. `alerts` are the channels that hear of what is not about one job."""

    timezone: str = "UTC"
    max_running: int = 8
    journal_max_size: int = 1 << 30  # bytes
    log_format: Literal["text", "json"] = "text"
    store_uri: str | None = field(default=None, repr=False)  # may hold a password
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    projects: Mapping[str, ProjectSettings] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    channels: Mapping[str, SecretSource] = field(default_factory=dict)
    heartbeat: HeartbeatSettings = field(default_factory=HeartbeatSettings)
    alerts: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _journal_size(size: int) -> int:
    if size < JOURNAL_MIN:
        raise mistake("a size of at least 64MiB")
    return size


class _Scheduler(Table):
    max_running: int = Field(default=8, ge=1, le=10_000)
    journal_max_size: Annotated[Size, AfterValidator(_journal_size)] = 1 << 30


class _Log(Table):
    format: Literal["text", "json"] = "text"


class _Store(Table):
    uri: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None


class _Verify(Table):
    mode: Literal["commit"] = "commit"
    allowed_signers: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    gpg_home: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None


class _Project(Table):
    git: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    ref: Annotated[str, StringConstraints(min_length=1, max_length=255)] = "main"
    path: Annotated[str, StringConstraints(max_length=1024)] = ""
    poll: PositiveDuration = timedelta(seconds=60)
    token: Source | None = None
    webhook: Source | None = None
    verify: _Verify | None = None
    python: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    source_builds: bool = False


class _File(Table):
    timezone: Zone | None = None
    scheduler: _Scheduler = Field(default_factory=_Scheduler)
    log: _Log = Field(default_factory=_Log)
    store: _Store = Field(default_factory=_Store)
    dashboard: DashboardTable = Field(default_factory=DashboardTable)
    projects: dict[Name, _Project] = Field(default={})
    groups: dict[Name, Annotated[int, Field(ge=1, le=10_000)]] = Field(default={})
    channels: dict[Name, ChannelTable] = Field(default={})
    alerts: AlertsTable = Field(default_factory=AlertsTable)
    heartbeat: HeartbeatTable = Field(default_factory=HeartbeatTable)
    defaults: dict[str, Any] = Field(default={})


_TABLES: Final[dict[tuple[str, ...], type[BaseModel]]] = {  # "*" is a name of the user's
    (): _File,
    ("scheduler",): _Scheduler,
    ("log",): _Log,
    ("store",): _Store,
    ("dashboard",): DashboardTable,
    ("dashboard", "users", "*"): UserTable,
    ("dashboard", "proxy"): ProxyTable,
    ("dashboard", "oidc"): OidcTable,
    ("projects", "*"): _Project,
    ("projects", "*", "verify"): _Verify,
    ("channels", "*"): ChannelTable,
    ("alerts",): AlertsTable,
    ("heartbeat",): HeartbeatTable,
}
_NOT_SHOWN: Final = (
    ("store",),
    ("dashboard", "users"),
    ("dashboard", "oidc"),
    ("heartbeat",),
)  # may hold a secret by mistake


def load(home: Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a home: variables over the file over defaults. A missing file is an empty one.

    Raises WindmillError naming every mistake at once; never with the value of the store's URI.
    """
    data = _read(home / FILE)
    variables = _merge_variables(data, environ)
    mistakes = []
    try:
        parsed = _File.model_validate(data)
    except ValidationError as error:
        mistakes = [_mistake(detail, variables) for detail in error.errors(include_url=False)]
        parsed = None
    defaults = data.get("defaults")
    mistakes += [f"{FILE}: {text}" for text in default_mistakes(defaults if isinstance(defaults, dict) else {})]
    if parsed is not None:
        mistakes += _semantic_mistakes(parsed, variables)
    if mistakes or parsed is None:
        raise WindmillError("\n".join(mistakes))
    return _settings(parsed, environ, home.absolute())


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WindmillError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise WindmillError(f"{path} is too large", hint="at most 256 KiB are read")
    try:
        text = content.decode("utf-8-sig")
        return tomllib.loads(text)
    except UnicodeDecodeError:
        raise WindmillError(f"{FILE} is not UTF-8", hint="save the file as UTF-8") from None
    except RecursionError:
        raise WindmillError(f"{FILE} is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        numbers = re.findall(r"\d+", place) or [str(len(text.splitlines()))]  # without numbers: the end of the file
        raise WindmillError(f"{FILE}:{':'.join(numbers)}: not valid TOML: {message}") from None


def _merge_variables(data: dict[str, Any], environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Put the variables that are set and not empty into the data; return which key came from which variable."""
    sources = {}
    for variable, path in _VARIABLES.items():
        text = environ.get(variable)
        if not text:
            continue
        target = data
        for section in path[:-1]:
            inner = target.setdefault(section, {})
            target = inner if isinstance(inner, dict) else {}
        decimal = variable in _NUMBERS and text.isascii() and text.isdecimal() and len(text) <= 9  # noqa: PLR2004
        target[path[-1]] = int(text) if decimal else text
        sources[path] = variable
    return sources


def _mistake(error: ErrorDetails, variables: Mapping[tuple[str, ...], str]) -> str:
    path = tuple(str(part) for part in error["loc"] if part != "[key]")
    where = variables.get(path, FILE)
    if error["type"] == "extra_forbidden":
        return f'{where}: unknown key "{dotted(path)}": {nearest(path[-1], _known_keys(path[:-1]))}'
    if error["type"] == "missing":
        return f"{where}: {dotted(path)} is missing"
    expected, hint = expectation(error)
    hidden = any(path[: len(table)] == table for table in _NOT_SHOWN)
    found = "a value that is not shown" if hidden else describe(error["input"])
    return f"{where}: {dotted(path)} is not valid (expected {expected}, found {found})" + (
        f": {hint}" if hint else ""
    )


def _known_keys(table: tuple[str, ...]) -> list[str]:
    """Return the keys that the table at this path may hold."""
    for path, model in _TABLES.items():
        if len(path) == len(table) and all(one in ("*", other) for one, other in zip(path, table, strict=True)):
            return [known.alias or name for name, known in model.model_fields.items()]
    return list(Source.model_fields)


def _semantic_mistakes(parsed: _File, variables: Mapping[tuple[str, ...], str]) -> list[str]:
    mistakes = []
    if parsed.timezone is not None and not _is_zone(parsed.timezone):
        where = variables.get(("timezone",), FILE)
        mistakes.append(
            f"{where}: unknown timezone {describe(parsed.timezone)}: write an IANA name, as Europe/Lisbon"
        )
    if parsed.store.uri is not None and not parsed.store.uri.startswith(_STORE_SCHEMES):
        where = variables.get(("store", "uri"), FILE)
        mistakes.append(
            f"{where}: store.uri is not a MongoDB URI (expected mongodb://HOST/DATABASE or mongodb+srv://..., found a"
            " value that is not shown): leave it out to keep everything in the home's own file"
        )
    secrets = {f"channels.{name}.url": channel.url for name, channel in parsed.channels.items()}
    secrets |= parsed.dashboard.sources()
    mistakes += [f"{FILE}: {mistake}" for mistake in (*parsed.dashboard.mistakes(), *parsed.heartbeat.mistakes())]
    mistakes += [f"{FILE}: {mistake}" for mistake in parsed.alerts.mistakes(parsed.channels)]
    for name, project in parsed.projects.items():
        secrets |= {f"projects.{name}.token": project.token} if project.token else {}
        secrets |= {f"projects.{name}.webhook": project.webhook} if project.webhook else {}
        mistakes += [f"{FILE}: projects.{name}.{mistake}" for mistake in _project_mistakes(project)]
    for key, source in secrets.items():
        if (source.from_env is None) == (source.from_file is None):
            mistakes.append(f"{FILE}: {key} needs exactly one of from_env, from_file")
    return mistakes


def project_schema() -> dict[str, Any]:
    """Return the JSON Schema of what windmill.toml says of one project."""
    return _Project.model_json_schema()


def _project_mistakes(project: _Project) -> list[str]:
    """Return what is wrong with one project, each beginning with its key; never with the URL."""
    from windmill.projects.source import check_ref, check_url  # noqa: PLC0415 - most homes need neither

    mistakes = []
    if project.git is not None:
        if wrong := check_url(project.git):
            mistakes.append(f"git {wrong}")
        if wrong := check_ref(project.ref):
            mistakes.append(f"ref {wrong}")
        if project.path and (wrong := mistake_in(project.path)):
            mistakes.append(f"path {wrong}")
    else:
        only = {"ref", "path", "poll", "token", "webhook", "verify"} & project.model_fields_set
        mistakes += [f"{key} needs git, the URL of the repository" for key in sorted(only)]
    if (verify := project.verify) and (verify.allowed_signers is None) == (verify.gpg_home is None):
        mistakes.append("verify needs exactly one of allowed_signers, gpg_home")
    return mistakes


def _settings(parsed: _File, environ: Mapping[str, str], home: Path) -> Settings:
    return Settings(
        timezone=parsed.timezone or machine_zone(environ),
        max_running=parsed.scheduler.max_running,
        journal_max_size=parsed.scheduler.journal_max_size,
        log_format=parsed.log.format,
        store_uri=parsed.store.uri,
        dashboard=parsed.dashboard.settings(home),
        projects={name: _project_settings(project, home) for name, project in parsed.projects.items()},
        groups=parsed.groups,
        channels={name: secret(channel.url, home) for name, channel in parsed.channels.items()},
        heartbeat=parsed.heartbeat.settings(home),
        alerts=tuple(parsed.alerts.notify),
        defaults=parsed.defaults,
    )


def _project_settings(project: _Project, home: Path) -> ProjectSettings:
    plain: dict[str, Any] = {name: getattr(project, name) for name in _PLAIN}
    secrets: dict[str, Any] = {name: secret(source, home) for name in _SECRET if (source := getattr(project, name))}
    files = {name: from_home(home, path) for name, path in dict(project.verify or {}).items() if name != "mode"}
    return ProjectSettings(**plain, **secrets, verify=Signers(**files) if files else None)


def machine_zone(environ: Mapping[str, str], localtime: Path = Path("/etc/localtime")) -> str:
    """Return the machine's IANA zone: TZ, else where the link /etc/localtime leads, else UTC."""
    named = environ.get("TZ", "").removeprefix(":")
    try:
        linked = str(localtime.readlink()).rpartition(_ZONE_FILES)[2]
    except OSError:
        linked = ""
    return next((name for name in (named, linked) if name and _is_zone(name)), "UTC")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
