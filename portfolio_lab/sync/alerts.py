"""Alerts: one message when something breaks, one when it is over, nothing in between.

What is broken is remembered by (user, account, cause) in `runs/alerts.json`, together with the
parts that broke; it is over when all those parts were read again. A message that a channel
did not take stays in the outbox and is tried again in the next cycle. Channels are written
down by fingerprint only: their addresses carry tokens.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portfolio_lab.security.private_files import write_private
from portfolio_lab.security.redaction import redact
from portfolio_lab.settings import Settings
from portfolio_lab.sync.report import CycleReport, WalletLine

logger = logging.getLogger(__name__)

FILE_NAME = "alerts.json"
MOST_WAITING = 200
LONGEST_MESSAGE = 1_500

Send = Callable[[str, str, str], bool]
"""(channel address, title, body) -> whether the channel took it."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """What is wrong with one account; `user` and `account` are empty for the lab itself."""

    user: str
    account: str
    code: str

    @property
    def key(self) -> str:
        return f"{self.user}/{self.account}/{self.code}"

    @classmethod
    def from_key(cls, key: str) -> _Cause:
        return cls(*key.split("/", 2))


@dataclass(slots=True)
class _Page:
    """alerts.json: open causes with the parts that broke and since when, and messages still to deliver."""

    open: dict[str, dict[str, object]] = field(default_factory=dict)
    outbox: list[dict[str, object]] = field(default_factory=list)


class Alerts:
    """The alerts of one lab."""

    def __init__(self, runs_path: Path, channels: Sequence[str], *, send: Send | None = None) -> None:
        self._path = runs_path / FILE_NAME
        self._channels = {_fingerprint(channel): channel for channel in channels}
        self._send = send or send_through_apprise

    def tell(self, report: CycleReport) -> tuple[str, ...]:
        """Open and close alerts by what the report says, deliver what waits, return the new messages."""
        if not report.is_new:
            return ()
        page = _load(self._path)
        lines = (*report.wallets, *report.activity)
        since = report.slot.isoformat()
        messages = [*_opened(page, lines, since), *_closed(page, lines)]
        return self._deliver(page, messages)

    def tell_run_failed(self, *, slot: str, reason: str) -> tuple[str, ...]:
        """Open the alert that a scheduled run failed, unless it is open already; return the new messages."""
        page = _load(self._path)
        key = _RUN.key
        if key in page.open:
            return self._deliver(page, [])
        page.open[key] = {"parts": ["run"], "since": slot}
        return self._deliver(page, [f"scheduled run failed at {slot}: {reason}"])

    def tell_run_worked(self) -> tuple[str, ...]:
        """Close the alert that a scheduled run failed, if there is one; return the new messages."""
        page = _load(self._path)
        if _RUN.key not in page.open:
            return ()
        since = page.open.pop(_RUN.key)["since"]
        return self._deliver(page, [f"scheduled runs work again (failed since {since})"])

    def _deliver(self, page: _Page, messages: Iterable[str]) -> tuple[str, ...]:
        safe = tuple(redact(message)[:LONGEST_MESSAGE] for message in messages)
        for message in safe:
            logger.warning("alert %s", json.dumps(message))
            page.outbox.append({"body": message, "channels": list(self._channels)})
        # A channel that refused once is left alone until the next cycle: each try may cost seconds.
        closed: set[str] = set()
        page.outbox = [left for waiting in page.outbox[-MOST_WAITING:] if (left := self._left(waiting, closed))]
        self._save(page)
        return safe

    def _left(self, waiting: dict[str, object], closed: set[str]) -> dict[str, object] | None:
        body = str(waiting["body"])
        names = [name for name in _texts(waiting["channels"]) if name in closed or not self._took(name, body, closed)]
        return {"body": body, "channels": names} if names else None

    def _save(self, page: _Page) -> None:
        content = json.dumps({"open": page.open, "outbox": page.outbox}, indent=1).encode() + b"\n"
        if not self._path.is_file() or self._path.read_bytes() != content:
            write_private(self._path, content)

    def _took(self, name: str, body: str, closed: set[str]) -> bool:
        channel = self._channels.get(name)
        if channel is None:
            return True  # it was taken out of lab.toml: nobody waits for this any more
        if self._send(channel, "Portfolio Lab", body):
            return True
        closed.add(name)
        logger.warning("alert_not_delivered channel=%s: it is tried again in the next cycle", name)
        return False


def send_test_alert(settings: Settings, *, send: Send | None = None) -> dict[str, bool]:
    """Send one message through every channel of lab.toml; return whether each took it, by `scheme://...` name."""
    deliver = send or send_through_apprise
    body = "This is a test of Portfolio Lab's alerts: nothing is wrong."
    return {
        f"{number}: {channel.partition('://')[0]}://...": deliver(channel, "Portfolio Lab", body)
        for number, channel in enumerate(settings.alert_channels, start=1)
    }


def send_through_apprise(channel: str, title: str, body: str) -> bool:
    """Return whether the channel took the message. An address that apprise does not know takes nothing."""
    # apprise writes the addresses it calls, tokens included, at DEBUG.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its plugins import what Python 3.13 drops
        import apprise  # noqa: PLC0415  a second of import that a cycle without alerts does not pay

        messenger = apprise.Apprise()
        return bool(messenger.add(channel)) and bool(messenger.notify(title=title, body=body))


_RUN = _Cause("", "", "run_failed")


def _opened(page: _Page, lines: Sequence[WalletLine], since: str) -> list[str]:
    broken: dict[_Cause, list[WalletLine]] = {}
    for line in lines:
        if not line.is_ok:
            broken.setdefault(_Cause(line.user, line.account, line.code), []).append(line)
    fresh = {cause: found for cause, found in broken.items() if cause.key not in page.open}
    for cause, found in broken.items():
        entry = page.open.setdefault(cause.key, {"parts": [], "since": since})
        entry["parts"] = sorted({*_texts(entry["parts"]), *(line.wallet for line in found)})
    return _grouped(fresh)


def _grouped(fresh: dict[_Cause, list[WalletLine]]) -> list[str]:
    # A venue that is down for a hundred accounts is one message, not a hundred.
    groups: dict[tuple[str, str], list[_Cause]] = {}
    for cause in fresh:
        groups.setdefault((cause.account.partition(":")[0], cause.code), []).append(cause)
    messages = []
    for (venue, code), causes in groups.items():
        if len(causes) == 1:
            messages.append(_single(causes[0], fresh[causes[0]]))
            continue
        names = ", ".join(f"{cause.user} {cause.account}" for cause in causes[:10])
        more = f" and {len(causes) - 10} more" if len(causes) > 10 else ""  # noqa: PLR2004  as above
        reason = fresh[causes[0]][0].reason
        messages.append(f"{venue}: {code} on {len(causes)} accounts ({names}{more}): {reason}")
    return messages


def _single(cause: _Cause, lines: Sequence[WalletLine]) -> str:
    parts = ", ".join(sorted({line.wallet for line in lines}))
    return f"{cause.user} {cause.account}: {cause.code} ({parts}): {lines[0].reason}"


def _closed(page: _Page, lines: Sequence[WalletLine]) -> list[str]:
    seen = {(line.user, line.account) for line in lines}
    reported = {(line.user, line.account, line.wallet) for line in lines}
    failing = {(line.user, line.account, line.wallet) for line in lines if not line.is_ok}
    messages = []
    for key, entry in list(page.open.items()):
        cause = _Cause.from_key(key)
        parts = [(cause.user, cause.account, part) for part in _texts(entry["parts"])]
        still = any(part in failing for part in parts)
        unknown = (cause.user, cause.account) in seen and not all(part in reported for part in parts)
        if cause == _RUN or still or unknown:  # what was not asked this time is not over
            continue
        del page.open[key]
        ending = "is over" if (cause.user, cause.account) in seen else "ended: the account is no longer configured"
        messages.append(f"{cause.user} {cause.account}: {cause.code} {ending} (since {entry['since']})")
    return messages


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _fingerprint(channel: str) -> str:
    return hashlib.sha256(channel.encode()).hexdigest()[:12]


def _load(path: Path) -> _Page:
    try:
        content = json.loads(path.read_bytes())
        return _Page(dict(content["open"]), list(content["outbox"]))
    except FileNotFoundError:
        return _Page()
    except (ValueError, KeyError, TypeError):
        # Better to say a thing twice than never to say anything again.
        logger.warning("alerts_file_damaged path=%s: it is begun anew", path)
        return _Page()
