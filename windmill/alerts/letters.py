"""The words of a message: plain text, bounded, in English. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from windmill.alerts.rules import Alert, Rule
from windmill.core.documents import Document, from_text
from windmill.core.tracebacks import Fault

LINES: Final = 20  # of output
WIDTH: Final = 200  # characters of one
COMMITS: Final = 5
SUMMED_UP: Final = 20  # alerts that a summary names
SUBJECT: Final = 120  # characters
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|[@-Z\\-_])")
_WORDS: Final = {
    Rule.FAILED: "failed",
    Rule.RECOVERED: "works again",
    Rule.LATE: "is late",
    Rule.OLD: "has not succeeded for too long",
    Rule.SLOW: "takes longer than usual",
    Rule.LOST: "was lost",
    Rule.SYNC: "cannot be synced",
    Rule.SILENT: "is silent",
}
_STATES: Final = {
    "timed_out": "its time ran out",
    "lost": "lost: its processes are gone and did not say how it ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as channels take it."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a message can say beyond its alert; empty where nothing is known."""

    execution: Document | None = None
    fault: Fault | None = None
    alike: tuple[int, Document] | None = None  # see core.failures.repeated
    suspects: Sequence[Document] = ()
    tail: str = ""
    owner: str = ""


def letter(alert: Alert, context: Context, *, link: str, zone: tzinfo) -> Letter:
    """Return the message about one alert; `link` leads to the page that has more."""
    subject = f"{plain(alert.about)} {_WORDS[alert.rule]}"
    if alert.count > 1 and alert.rule is Rule.FAILED:
        subject += f", {alert.count} times in a row"
    parts = ["\n".join(_facts(alert, context, zone)), _commits(context.suspects), _tail(context.tail), link]
    return Letter(subject=_subject(subject), body="\n\n".join(filter(None, parts)) + "\n")


def summary(alerts: Sequence[Alert], *, more: int, link: str, zone: tzinfo) -> Letter:
    """Return one message about many alerts, and `more` that are not among them."""
    count = len(alerts) + more
    lines = [f"- {plain(one.about)} {_WORDS[one.rule]}, since {local(one.since, zone)}" for one in alerts[:SUMMED_UP]]
    if count > SUMMED_UP:
        lines.append(f"and {count - len(lines)} more")
    body = "\n".join(["Too many messages for one each:", "", *lines, "", link]) + "\n"
    return Letter(subject=_subject(f"{count} more alerts"), body=body)


def trial(channel: str, now: datetime, *, link: str, zone: tzinfo) -> Letter:
    """Return the message that tries a channel out."""
    body = f"This is a test of the channel {channel}, sent at {local(now, zone)}.\n\n{link}\n"
    return Letter(subject=_subject(f"test of {channel}"), body=body)


def plain(text: object) -> str:
    """Return the text on one line without anything that could steer a program that shows it."""
    return _line(str(text)).strip()


def _line(text: str) -> str:
    return _UNSAFE.sub(" ", _ESCAPE.sub("", text)).rstrip()


def local(instant: datetime, zone: tzinfo) -> str:
    """Return the instant as read on a wall clock of the zone: 2026-01-01 05:00:00 Europe/Madrid."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone}"


def _subject(text: str) -> str:
    return f"[WindMill] {text}"[:SUBJECT]


def _facts(alert: Alert, context: Context, zone: tzinfo) -> list[str]:
    lines = [f"{plain(alert.about)} {_WORDS[alert.rule]}."]
    if context.execution is not None and alert.rule in {Rule.FAILED, Rule.LOST}:
        lines.append(f"What: {_what(context.execution)}")
    if alert.detail:
        lines.append(f"What: {plain(alert.detail)[:WIDTH]}")
    times = f" ({alert.count} failures in a row)" if alert.count > 1 else ""
    lines.append(f"Since: {local(alert.since, zone)}{times}")
    if context.fault is not None:
        fault = context.fault
        place = f" at {fault.place}" + (f" in {fault.function}" if fault.function else "") if fault.place else ""
        lines.append(f"Error: {plain(fault.error)}{plain(place) and ' ' + plain(place)}")
    if context.alike is not None and context.alike[0] > 1:
        lines.append(f"Alike: {_alike(*context.alike, zone)}")
    if context.execution is not None and context.execution.get("revision"):
        lines.append(f"Revision: {plain(context.execution['revision'])}")
    if context.owner:
        lines.append(f"Owner: {plain(context.owner)[:WIDTH]}")
    return lines


def _what(execution: dict[str, Any]) -> str:
    word, _, sentence = str(execution.get("reason") or "").partition(":")
    if word == "exit_code" and not sentence:
        said = f"exit code {execution.get('exit_code')}"
    elif word == "signal" and not sentence:
        said = f"ended by signal {execution.get('signal')}"
    else:
        said = ":".join(filter(None, (word.replace("_", " "), sentence))) or _STATES.get(execution["state"], "")
    attempt = f", after {execution['attempt']} attempts" if execution["attempt"] > 1 else ""
    return plain(said)[:WIDTH] + attempt


def _alike(count: int, first: Document, zone: tzinfo) -> str:
    _, mark, commit = str(first.get("revision") or "").rpartition("@sha1:")
    since = f" since commit {plain(commit)[:10]}" if mark else ""
    at = from_text(first["queued_at"])
    return f"it failed in this way {count} times{since}" + (f", first {local(at, zone)}" if at else "")


def _commits(suspects: Sequence[Document]) -> str:
    if not suspects:
        return ""
    lines = [
        f"- {plain(one['commit'])[:10]} {plain(one['author'])[:60]}: {plain(one['subject'])[:WIDTH]}"
        + (" (touches the job)" if one["touches"] else "")
        for one in suspects[:COMMITS]
    ]
    if len(suspects) > COMMITS:
        lines.append(f"and {len(suspects) - COMMITS} more")
    return "\n".join(["Commits since it succeeded last:", *lines])


def _tail(output: str) -> str:
    lines = [_line(line.rpartition("\r")[2])[:WIDTH] for line in output.replace("\r\n", "\n").split("\n")]
    kept = [line for line in lines if line][-LINES:]
    return "\n".join(["Last lines of output:", *(f"  {line}" for line in kept)]) if kept else ""
