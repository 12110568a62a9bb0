"""Books written by hand: rows of snapshots and flows as a table of text."""

from __future__ import annotations

import pandas as pd


def snapshots(text: str, *, user: str = "alice", interval: int = 60) -> pd.DataFrame:
    """Rows of `portfolio_snapshots`: `2026-01-01T00:00 1000` or `2026-01-01T00:00 partial`."""
    rows = [line.split("#")[0].split() for line in text.strip().splitlines()]
    equity = [float(word) if word[0].isdigit() or word[0] == "-" else None for _, word in rows]
    slots = pd.DatetimeIndex([slot for slot, _ in rows]).tz_localize("UTC").as_unit("us")
    return pd.DataFrame(
        {
            "user": user,
            "slot": slots,
            "grade": ["partial" if amount is None else "complete" for amount in equity],
            "equity": pd.Series(equity, dtype="float64"),
            "interval_seconds": interval,
            "currency": "USD",
        }
    )


def cash_flows(text: str, *, user: str = "alice") -> pd.DataFrame:
    """Rows of `cash_flows`: `2026-01-01T12:00 500`; `?` is a flow of unknown value."""
    rows = [line.split("#")[0].split() for line in text.strip().splitlines()]
    at = pd.DatetimeIndex([instant for instant, _ in rows]).tz_localize("UTC").as_unit("us")
    value = [float("nan") if word == "?" else float(word) for _, word in rows]
    return pd.DataFrame({"user": user, "at": at, "value": pd.Series(value, dtype="float64")})
