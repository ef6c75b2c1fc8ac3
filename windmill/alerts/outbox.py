"""Messages on their way: which one goes next, to whom, and what came of those that went. Pure.

A channel gets at most LIMIT messages within WINDOW; the last of them tells in one of all that wait. While a channel
does not take a message, all of its messages wait, longer and longer, and none is tried out of order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from windmill.alerts.rules import Alert, Rule
from windmill.core.documents import Document, from_text, to_text

LIMIT: Final = 10
WINDOW: Final = timedelta(minutes=10)
GATHER: Final = timedelta(seconds=10)  # that the last message of a window waits for others to join it
BACK_OFF: Final = timedelta(seconds=5)  # after the first failure; doubles
BACK_OFF_MAX: Final = timedelta(minutes=10)
GIVE_UP: Final = timedelta(days=3)  # after which a message is of no use
PENDING_MAX: Final = 1000  # of a channel; what is beyond is only counted
KEPT: Final = 200  # of what was sent or given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An alert that waits for its channel, since it was found."""

    alert: Alert
    found_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel's messages: those that wait, when others were sent, and how it does.

    `uncounted` alerts were too many to keep. `failures` in a row say when `retry_at` is.
    """

    pending: tuple[Pending, ...] = ()
    uncounted: int = 0
    sent: tuple[datetime, ...] = ()
    failures: int = 0
    retry_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """All channels by name, and what was sent or given up, newest first."""

    channels: dict[str, Channel] = field(default_factory=dict)
    recent: tuple[Document, ...] = ()

    def __bool__(self) -> bool:
        return any(channel.pending for channel in self.channels.values())


def queued(outbox: Outbox, alert: Alert, channels: Iterable[str], now: datetime) -> Outbox:
    """Return the outbox with the alert for these channels; what waits or went there already is not told twice."""
    known = dict(outbox.channels)
    gone = {(one["channel"], one["key"]) for one in outbox.recent}
    for name in dict.fromkeys(channels):
        channel = known.get(name, Channel())
        if (name, alert.key) in gone or any(one.alert.key == alert.key for one in channel.pending):
            continue
        if len(channel.pending) >= PENDING_MAX:
            known[name] = replace(channel, uncounted=channel.uncounted + 1)
        else:
            waiting = Pending(alert=alert, found_at=now)
            known[name] = replace(channel, pending=(*channel.pending, waiting))
    return replace(outbox, channels=known)


def next_message(channel: Channel, now: datetime) -> tuple[Alert, ...]:
    """Return what the channel is sent now: one alert, all that wait as a summary, or nothing yet."""
    if not channel.pending or (channel.retry_at is not None and now < channel.retry_at):
        return ()
    left = LIMIT - sum(now - WINDOW < at for at in channel.sent)
    if left <= 0:
        return ()
    alerts = tuple(one.alert for one in channel.pending)
    if left > 1:
        return alerts[:1]
    return alerts if now - channel.pending[0].found_at >= GATHER else ()


def delivered(outbox: Outbox, name: str, alerts: tuple[Alert, ...], now: datetime) -> Outbox:
    """Return the outbox after the channel took these alerts in one message."""
    channel = outbox.channels[name]
    recent = [at for at in channel.sent if now - WINDOW < at]
    kept = _without(channel, alerts)
    all_told = len(alerts) > 1
    uncounted = 0 if all_told else channel.uncounted
    healthy = replace(kept, sent=(*recent, now), uncounted=uncounted, failures=0, retry_at=None, error="")
    return _noted(outbox, name, healthy, alerts, now=now, outcome="sent", error="")


def failed(outbox: Outbox, name: str, now: datetime, error: str) -> Outbox:
    """Return the outbox after the channel did not take a message; `error` says why, without its address."""
    channel = outbox.channels[name]
    wait = min(BACK_OFF * 2 ** min(channel.failures, 20), BACK_OFF_MAX)
    ill = replace(channel, failures=channel.failures + 1, retry_at=now + wait, error=error)
    old = tuple(one.alert for one in channel.pending if now - one.found_at >= GIVE_UP)
    if not old:
        return replace(outbox, channels={**outbox.channels, name: ill})
    return _noted(outbox, name, _without(ill, old), old, now=now, outcome="given up", error=error)


def _without(channel: Channel, alerts: tuple[Alert, ...]) -> Channel:
    keys = {alert.key for alert in alerts}
    return replace(channel, pending=tuple(one for one in channel.pending if one.alert.key not in keys))


def _noted(
    outbox: Outbox, name: str, channel: Channel, alerts: tuple[Alert, ...], *, now: datetime, outcome: str, error: str
) -> Outbox:
    notes = [
        {
            "channel": name,
            "key": alert.key,
            "rule": str(alert.rule),
            "about": alert.about,
            "at": to_text(now),
            "outcome": outcome,
            "error": error,
        }
        for alert in reversed(alerts)
    ]
    return Outbox(channels={**outbox.channels, name: channel}, recent=(*notes, *outbox.recent)[:KEPT])


def outbox_to_document(outbox: Outbox) -> Document:
    """Return the outbox as a JSON-ready document without names as keys, as databases want it."""
    channels = [
        {
            "channel": name,
            "pending": [_alert(one.alert) | {"found_at": to_text(one.found_at)} for one in channel.pending],
            "uncounted": channel.uncounted,
            "sent": [to_text(at) for at in channel.sent],
            "failures": channel.failures,
            "retry_at": to_text(channel.retry_at),
            "error": channel.error,
        }
        for name, channel in outbox.channels.items()
    ]
    return {"channels": channels, "recent": [dict(one) for one in outbox.recent]}


def outbox_from_document(document: Document) -> Outbox:
    """Return the outbox written by `outbox_to_document`."""
    channels = {
        one["channel"]: Channel(
            pending=tuple(_pending(waiting) for waiting in one["pending"]),
            uncounted=one["uncounted"],
            sent=tuple(filter(None, map(from_text, one["sent"]))),
            failures=one["failures"],
            retry_at=from_text(one["retry_at"]),
            error=one["error"],
        )
        for one in document.get("channels", ())
    }
    return Outbox(channels=channels, recent=tuple(document.get("recent", ())))


def _alert(alert: Alert) -> Document:
    return asdict(alert) | {"rule": str(alert.rule), "since": to_text(alert.since)}


def _pending(document: Document) -> Pending:
    facts: dict[str, Any] = {name: value for name, value in document.items() if name != "found_at"}
    alert = Alert(**{**facts, "rule": Rule(facts["rule"]), "since": _instant(facts["since"])})
    return Pending(alert=alert, found_at=_instant(document["found_at"]))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
