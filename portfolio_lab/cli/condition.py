"""The condition of a lab: how fresh and complete its numbers are, read from the store and `runs/` alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from portfolio_lab.lab import Lab
from portfolio_lab.settings import Settings

FRESH_INTERVALS = 3
"""A newest snapshot that is older than so many intervals is not fresh."""

DAY = timedelta(days=1)
LONGEST_LOG = 500_000
"""Bytes from the end of the log in which the last alert is looked for."""

_CALM = frozenset({"ok", "absent"})
_ALERT = "portfolio_lab.sync.alerts alert "
_NOTHING = "nothing: the next cycle tries again"
_REMEDIES = {
    "credentials": "look after the key at the venue; `portfolio-lab accounts check` tells what it says",
    "permission": "let the key read this wallet, or take the wallet out of lab.toml",
    "not_read_only": "make a read-only key, or set allow_trading_keys = true in lab.toml",
    "duplicate_account": "remove one of the two accounts with `portfolio-lab accounts remove`",
    "identity_unknown": "nothing: the next cycle asks again; if it stays so, `portfolio-lab accounts check` tells why",
    "clock": "set this machine's clock",
    "rate_limited": "wait: the venue says when",
    "banned": "wait until the ban ends, and find out what else asks from this address",
    "maintenance": "wait: the venue is being maintained",
    "bad_shape": "report it: the venue answers in a way that we do not know",
    "venue_error": "report it: the venue refuses in a way that we do not know",
    "internal": "report it, with the lines of runs/sync.log",
    "unpriced": "nothing, unless the coin has a market: its quantity is kept, its value unknown",
    "unreachable": "look at the network if it stays so; the next cycle tries again",
    "timeout": "look at the network if it stays so; the next cycle tries again",
}
_BY_GRADE = {
    "stale": "look at the load of this machine if it stays so",
    "suspect": "look at the account at the venue: a ledger entry or three sightings decide",
}
_GROUPS = {
    "cash flows": ("deposits", "withdrawals", "fiat", "pay"),
    "fills": ("fills",),
    "transfers": ("transfers",),
    "estimates": ("estimate", "snapshots"),
}


def condition(lab: Lab, settings: Settings, *, now: datetime) -> dict[str, Any]:
    """Return everything that `portfolio-lab status` tells but the budgets: plain values and instants.

    `is_well` is True when every user with an account has a newest snapshot that is complete and
    at most FRESH_INTERVALS of its own intervals old.
    """
    states = lab.users()
    users = [user_condition(lab, str(user), states.loc[user], now=now) for user in states.index]
    return {
        "at": now,
        "is_well": all(one["is_well"] for one in users if one["accounts"]),
        "users": users,
        "last_alert": last_alert(settings.runs_path),
        "open_alerts": open_alerts(settings.runs_path),
    }


def user_condition(lab: Lab, user: str, state: pd.Series, *, now: datetime) -> dict[str, Any]:
    """Return the condition of one user; `state` is a row of Lab.users."""
    slot = known(state["slot"])
    age = None if slot is None else (now - slot).total_seconds()
    fresh = age is not None and age <= FRESH_INTERVALS * _interval(lab, user, slot)
    return {
        "user": user,
        "accounts": int(state["accounts"]),
        "grade": str(state["grade"]) or "no snapshot",
        "slot": slot,
        "age_seconds": age,
        "is_fresh": fresh,
        "is_well": fresh and str(state["grade"]) == "complete",
        "complete_slot": known(state["complete_slot"]),
        "equity": known(state["equity"]),
        "currency": lab.currency,
        "wallets": _troubles(lab.wallets(user)),
        "attestation": _attestation(lab.facts("attestations", user, since=now - DAY)),
        "suspicions": _suspicions(lab.facts("suspicions", user)),
        "restatements": _restatements(lab.facts("restatements", user), now - DAY),
        "backfill": _backfill(lab.facts("cursors", user)),
    }


def _interval(lab: Lab, user: str, slot: datetime) -> float:
    taken = lab.facts("portfolio_snapshots", user, since=slot)
    return float(taken["interval_seconds"].iloc[-1]) if len(taken) else float(lab.settings.interval_seconds)


def known(value: Any) -> Any:  # noqa: ANN401 - any cell of a frame
    """Return a cell as a plain value: None for what is unknown, a datetime for an instant."""
    if value is None or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


def _rows(frame: pd.DataFrame, columns: Iterable[str]) -> list[dict[str, Any]]:
    return [{str(name): known(cell) for name, cell in row.items()} for row in frame[list(columns)].to_dict("records")]


def _troubles(wallets: pd.DataFrame) -> list[dict[str, Any]]:
    ill = wallets[~wallets["grade"].isin(list(_CALM))]
    rows = _rows(ill, ("account", "wallet", "grade", "code", "reason", "received_at"))
    return [row | {"remedy": remedy(row["code"] or "", row["grade"])} for row in rows]


def remedy(code: str, grade: str) -> str:
    """Return what to do about a wallet that is not ok."""
    return _REMEDIES.get(code) or _BY_GRADE.get(grade) or _NOTHING


def _attestation(told: pd.DataFrame) -> list[dict[str, Any]]:
    """The newest word on each account and scope, where it is not that both agree."""
    newest = told.sort_values("slot", kind="stable").groupby(["account", "scope"]).tail(1)
    ill = newest[newest["verdict"].isin(["differs", "unknown_wallet"])]
    return _rows(ill, ("account", "scope", "slot", "ours", "theirs", "difference", "share", "verdict", "reason"))


def _suspicions(found: pd.DataFrame) -> list[dict[str, Any]]:
    pending = found[found["state"] == "pending"]
    return _rows(pending, ("account", "wallet", "asset", "kind", "before", "seen", "sightings", "first_slot"))


def _restatements(found: pd.DataFrame, since: datetime) -> list[dict[str, Any]]:
    fresh = found[found["known_at"] >= since]
    counted = fresh.groupby(["account", "table", "reason"]).agg(rows=("row_id", "size"), oldest=("at", "min"))
    return _rows(counted.reset_index(), ("account", "table", "reason", "rows", "oldest"))


def _backfill(cursors: pd.DataFrame) -> list[dict[str, Any]]:
    """By account and group of streams: the mean share that is done, and the oldest instant reached."""
    grouped = cursors.assign(group=cursors["stream"].map(group_of)).groupby(["account", "group"])
    done = grouped.agg(
        streams=("stream", "size"),
        share=("progress", "mean"),
        is_done=("is_backfilled", "all"),
        oldest=("known_since", "min"),
        asked=("at", "max"),
    )
    return _rows(done.reset_index(), ("account", "group", "streams", "share", "is_done", "oldest", "asked"))


def group_of(stream: str) -> str:
    """Return the group that a stream is told under.

    >>> group_of("usd_m_fills"), group_of("withdrawals"), group_of("bills")
    ('fills', 'cash flows', 'ledgers')
    """
    for group, words in _GROUPS.items():
        if any(word in stream for word in words):
            return group
    return "ledgers"


# ---------------------------------------------------------------- alerts


def open_alerts(runs_path: Path) -> list[dict[str, Any]]:
    """Return what is broken and not over yet, oldest first, as the alerts' file has it."""
    try:
        found = json.loads((runs_path / "alerts.json").read_bytes())["open"]
        rows = [_alert(key, entry) for key, entry in found.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return sorted(rows, key=lambda row: str(row["since"]))


def _alert(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    user, account, code = key.split("/", 2)
    return {"user": user, "account": account, "code": code, "parts": entry["parts"], "since": entry["since"]}


def last_alert(runs_path: Path) -> str | None:
    """Return the last alert that the log has, with its time; None where there is none."""
    try:
        with (runs_path / "sync.log").open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - LONGEST_LOG))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    told = [line for line in lines if _ALERT in line]
    return " ".join(told[-1].replace(f"WARNING {_ALERT}", "").split()) if told else None
