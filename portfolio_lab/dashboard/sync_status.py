"""How far the data can be trusted: its age, its grade, and each wallet's own."""

from __future__ import annotations

from datetime import datetime

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import age, instant, money
from portfolio_lab.dashboard.html import Html, html_widget, joined, show, tag
from portfolio_lab.dashboard.tables import Column, chip, empty, panel_title, table

_CALM = frozenset({"complete", "ok"})
_SERIOUS = frozenset({"failed"})
OVERDUE_SECONDS = 900
"""From this age on a snapshot is told as old, whatever its grade: three of the longest intervals."""


class SyncStatus:
    """A line for the page's head, a banner when something is wrong, and a table of wallets."""

    def __init__(self) -> None:
        self.line: widgets.HTML = html_widget(None, "pl-status-line")
        self.banner: widgets.HTML = html_widget(None, "pl-banner-box")
        self.widget: widgets.HTML = html_widget(None, "pl-panel", "pl-sync")

    def draw(self, state: pd.Series, wallets: pd.DataFrame, *, currency: str, now: datetime) -> None:
        """Show `state` (a row of Lab.users) and `wallets` (Lab.wallets) as they are at `now`."""
        show(self.line, status_line(state, now))
        show(self.banner, banner_html(state, now))
        show(self.widget, wallets_html(wallets, currency, now))


def status_line(state: pd.Series, now: datetime) -> Html:
    """Return the dot, the grade, and the age of the newest snapshot."""
    grade = str(state.get("grade") or "no snapshot")
    dot = tag("i", class_=f"pl-dot pl-dot-{shade(grade)}")
    slot = state.get("slot")
    if pd.isna(slot):
        return tag("span", dot, "No snapshot yet", role="status")
    return tag("span", dot, f"{grade.capitalize()} · {instant(slot)} · ", age(slot, now), role="status")


def banner_html(state: pd.Series, now: datetime) -> Html:
    """Return what a reader must know before believing a figure; nothing when all is well."""
    if pd.isna(state.get("slot")):
        return Html("")
    grade = str(state.get("grade"))
    complete = state.get("complete_slot")
    if grade not in _CALM:
        return _banner(
            grade, tag("b", f"The newest snapshot is {grade}. "), _sentence(state.get("reason")), _shown(complete)
        )
    overdue = age_seconds(complete, now) > OVERDUE_SECONDS
    return (
        _banner(
            "stale",
            tag("b", "The data is old. "),
            "No newer snapshot has arrived: ",
            age(complete, now),
            ". Is the schedule running?",
        )
        if overdue
        else Html("")
    )


def wallets_html(wallets: pd.DataFrame, currency: str, now: datetime) -> Html:
    """Return the panel of wallets with their grades; a sentence when there are none."""
    if wallets.empty:
        return joined([panel_title("Sync"), empty("No wallet has been read yet.", "Run: portfolio-lab sync")])
    absent = int((wallets["grade"] == "absent").sum())
    wallets = wallets[wallets["grade"] != "absent"]
    calm = int(wallets["grade"].isin(list(_CALM)).sum())
    not_there = f" · {absent} the account does not have" if absent else ""
    title = panel_title("Sync", f"{calm} of {len(wallets)} wallets ok{not_there}")
    columns = [
        Column("Wallet", lambda row: row["wallet"]),
        Column("Account", lambda row: row["account"], tone=lambda _row: "pl-quiet"),
        Column("Grade", _grade),
        Column("Equity", lambda row: money(row["equity"], currency), figure=True),
        Column("Read", lambda row: age(row["received_at"], now), figure=True, tone=lambda _row: "pl-quiet"),
        Column("Venue's own total", _attestation, tone=lambda _row: "pl-quiet"),
        Column("Reason", _reason, tone=lambda _row: "pl-quiet pl-reason"),
    ]
    return joined([title, table(wallets, columns, label="Wallets and their grades")])


def shade(grade: str) -> str:
    """Return the CSS word of a grade: calm, serious or warning."""
    return "calm" if grade in _CALM else "serious" if grade in _SERIOUS else "warning"


def age_seconds(at: object, now: datetime) -> float:
    """Return the seconds from `at` to `now`; infinite when `at` is unknown."""
    return float("inf") if at is None or pd.isna(at) else (now - pd.Timestamp(at).to_pydatetime()).total_seconds()  # type: ignore[call-overload, arg-type]


def _banner(grade: str, *children: object) -> Html:
    return tag("div", *children, class_=f"pl-banner pl-banner-{shade(grade)}", role="alert")


def _shown(complete: object) -> str:
    if complete is None or pd.isna(complete):  # type: ignore[call-overload]
        return " There is no complete snapshot yet, so no equity is shown."
    return f" Equity shown is that of the last complete snapshot, {instant(complete)}."


def _sentence(reason: object) -> str:
    text = str(reason or "").strip()
    return text if not text or text.endswith(".") else f"{text}."


def _grade(row: pd.Series) -> Html:
    grade = str(row["grade"])
    return tag("span", tag("i", class_=f"pl-dot pl-dot-{shade(grade)}"), chip(grade))


def _attestation(row: pd.Series) -> str:
    """How far our figure lies from the venue's own, as a share of the account's equity."""
    verdict = str(row.get("verdict") or "")
    if verdict not in {"agrees", "differs"}:
        return ""
    return f"{verdict} ({row['difference_share']:.2%})"


def _reason(row: pd.Series) -> object:
    code, reason = str(row["code"] or ""), str(row["reason"] or "")
    return joined([chip(code), " ", reason]) if code else reason
