"""sapi: what was put aside, taken back and earned - Simple Earn and flexible loans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Answer, Ask, Endpoint, Json, Span
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_windows import (
    MONTH_MS,
    QUARTER_MS,
    newest_first,
    rows_and_total,
    wanted,
    window,
    within,
)
from portfolio_lab.demo.facts import ZERO, Entry, Loan, Locked, Reason
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

FLEXIBLE, LOCKED = "flexible", "locked"
_REWARD_TYPES = frozenset({"BONUS", "REALTIME", "REWARDS", "ALL"})
_ASIDE = frozenset({Wallet.EARN, Wallet.LOANS, Wallet.BOTS, Wallet.COPY_TRADING})
_PAGED = 150
"""The weight of every page of these histories."""

Rows = Callable[[Ask, list[Entry]], list[dict[str, Json]]]


def _cash_side(entry: Entry) -> bool:
    """Whether an entry is the end of a move that lies in a cash wallet."""
    return entry.wallet not in _ASIDE


def _history(path: str, reason: Reason, kind: str, rows: Rows) -> Answer:
    """Answers one Simple Earn history: three months a window at most, a month by default, newest first."""

    def answer(ask: Ask) -> Json:
        span = window(ask, QUARTER_MS, MONTH_MS)
        meant = [
            entry
            for entry in ask.book.entries(since=span.since, until=ask.at)
            if entry.reason is reason and entry.note.split(":")[0] == kind
            if reason is Reason.REWARD or _cash_side(entry)
        ]
        found = newest_first(within(ask, path, meant, span))
        return rows_and_total(ask, wanted(ask, rows(ask, found), asset=lambda row: row["asset"]))

    return answer


# ---------------------------------------------------------------- flexible


def _product(entry: Entry) -> str:
    return f"{entry.asset}001"


def _source(entry: Entry) -> dict[str, Json]:
    """How much came from which cash wallet."""
    amount, funding = plain_text(abs(entry.amount)), entry.wallet is Wallet.FUNDING
    return {
        "sourceAccount": "FUND" if funding else "SPOT",
        "amtFromSpot": "0" if funding else amount,
        "amtFromFunding": amount if funding else "0",
        "status": "SUCCESS",
    }


def _flexible_subscriptions(_: Ask, entries: list[Entry]) -> list[dict[str, Json]]:
    return [
        {
            "amount": eight_text(-entry.amount),
            "asset": entry.asset,
            "time": entry.at,
            "purchaseId": entry.reference,
            "productId": _product(entry),
            "type": "NORMAL",
            **_source(entry),
        }
        for entry in entries
    ]


def _flexible_redemptions(_: Ask, entries: list[Entry]) -> list[dict[str, Json]]:
    return [
        {
            "amount": eight_text(entry.amount),
            "asset": entry.asset,
            "time": entry.at,
            "productId": _product(entry),
            "redeemId": entry.reference,
            "destAccount": "FUND" if entry.wallet is Wallet.FUNDING else "SPOT",
            "status": "PAID",
        }
        for entry in entries
    ]


def _flexible_rewards(ask: Ask, entries: list[Entry]) -> list[dict[str, Json]]:
    """All of them are real-time rewards here; the rows carry no id, as at the venue."""
    kind = ask.parameters.get("type", "ALL")
    if kind.upper() not in _REWARD_TYPES:
        raise refuse.parameter_invalid("type")
    if kind.upper() not in {"ALL", "REALTIME"}:
        return []
    return [
        {
            "asset": entry.asset,
            "rewards": eight_text(entry.amount),
            "projectId": _product(entry),
            "type": "REALTIME",
            "time": entry.at,
        }
        for entry in entries
    ]


# ---------------------------------------------------------------- locked


def _position(ask: Ask, entry: Entry) -> tuple[int, str]:
    """(position id, days of its lock) of an entry of a locked subscription."""
    number = int(entry.note.split(":")[1])
    near = [one for at in (entry.at, entry.at - 1) for one in ask.book.locked_at(at)]
    return number, next((_days(one) for one in near if one.position_id == number), "")


def _days(one: Locked) -> str:
    return str((one.until - one.since) // DAY_MS)


def _locked_subscriptions(ask: Ask, entries: list[Entry]) -> list[dict[str, Json]]:
    rows = []
    for entry in entries:
        number, days = _position(ask, entry)
        row = {
            "positionId": number,
            "purchaseId": entry.reference,
            "projectId": f"{entry.asset}*{days}",
            "time": entry.at,
            "asset": entry.asset,
            "amount": eight_text(-entry.amount),
            "lockPeriod": days,
            "type": "NORMAL",
        }
        rows.append(row | _source(entry))
    return rows


def _locked_redemptions(ask: Ask, entries: list[Entry]) -> list[dict[str, Json]]:
    rows = []
    for entry in entries:
        number, days = _position(ask, entry)
        rows.append(
            {
                "positionId": number,
                "redeemId": entry.reference,
                "time": entry.at,
                "asset": entry.asset,
                "lockPeriod": days,
                "amount": eight_text(entry.amount),
                "originalAmount": eight_text(entry.amount),
                "type": "MATURE",
                "deliverDate": str(entry.at),
                "lossAmount": "0",
                "isComplete": True,
                "rewardAsset": entry.asset,
                "rewardAmt": "0",
                "status": "PAID",
            }
        )
    return rows


def _locked_rewards(ask: Ask, entries: list[Entry]) -> list[dict[str, Json]]:
    rows = []
    for entry in entries:
        number, days = _position(ask, entry)
        rows.append(
            {
                "positionId": number,
                "time": entry.at,
                "asset": entry.asset,
                "lockPeriod": days,
                "amount": eight_text(entry.amount),
                "type": "Locked Rewards",
            }
        )
    return rows


# ---------------------------------------------------------------- flexible loans


@dataclass(frozen=True, slots=True)
class _LoanEvent:
    """One change of a flexible loan, both signed from the cash wallet's side (+ received)."""

    at: int
    loan: Loan
    borrowed: Decimal
    collateral: Decimal


def _loan_events(ask: Ask, path: str, span: Span) -> list[_LoanEvent]:
    """Changes of flexible loans inside a window, newest first: what moved at one instant is one change."""
    groups: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    moved = [
        entry
        for entry in ask.book.entries(since=span.since, until=ask.at)
        if entry.reason is Reason.LOAN and _cash_side(entry)
    ]
    for entry in within(ask, path, moved, span):
        groups[entry.at, entry.note].append(entry)
    found = (_loan_event(ask, at, note, entries) for (at, note), entries in groups.items())
    return newest_first([one for one in found if one is not None])


def _loan_event(ask: Ask, at: int, note: str, entries: list[Entry]) -> _LoanEvent | None:
    near = [loan for instant in (at, at - 1) for loan in ask.book.loans_at(instant)]
    loan = next((one for one in near if note == f"loan:{one.loan_id}"), None)
    if loan is None:
        return None
    borrowed = sum((entry.amount for entry in entries if entry.asset == loan.asset), ZERO)
    collateral = sum((entry.amount for entry in entries if entry.asset == loan.collateral_asset), ZERO)
    return _LoanEvent(at, loan, borrowed, collateral)


def _loan_rows(ask: Ask, path: str) -> list[_LoanEvent]:
    events = _loan_events(ask, path, window(ask, 180 * DAY_MS, QUARTER_MS))
    return wanted(
        ask,
        events,
        loanCoin=lambda one: one.loan.asset,
        collateralCoin=lambda one: one.loan.collateral_asset,
    )


def _loan_borrowing(ask: Ask) -> Json:
    rows = [
        {
            "loanCoin": one.loan.asset,
            "initialLoanAmount": plain_text(one.borrowed),
            "collateralCoin": one.loan.collateral_asset,
            "initialCollateralAmount": plain_text(-one.collateral),
            "borrowTime": one.at,
            "status": "SUCCESS",
        }
        for one in _loan_rows(ask, "/sapi/v2/loan/flexible/borrow/history")
        if one.borrowed > ZERO
    ]
    return rows_and_total(ask, rows, size="limit")


def _loan_repayment(ask: Ask) -> Json:
    rows = [
        {
            "loanCoin": one.loan.asset,
            "repayAmount": plain_text(-one.borrowed),
            "collateralCoin": one.loan.collateral_asset,
            "collateralReturn": plain_text(one.collateral),
            "repayStatus": "REPAID",
            "repayTime": one.at,
        }
        for one in _loan_rows(ask, "/sapi/v2/loan/flexible/repay/history")
        if one.borrowed < ZERO
    ]
    return rows_and_total(ask, rows, size="limit")


def _earn(kind: str, name: str, reason: Reason, rows: Rows) -> Endpoint:
    path = f"/sapi/v1/simple-earn/{kind}/history/{name}"
    return Endpoint("GET", path, _history(path, reason, kind, rows), _PAGED)


ENDPOINTS = (
    _earn(FLEXIBLE, "subscriptionRecord", Reason.SUBSCRIBE, _flexible_subscriptions),
    _earn(FLEXIBLE, "redemptionRecord", Reason.REDEEM, _flexible_redemptions),
    _earn(FLEXIBLE, "rewardsRecord", Reason.REWARD, _flexible_rewards),
    _earn(LOCKED, "subscriptionRecord", Reason.SUBSCRIBE, _locked_subscriptions),
    _earn(LOCKED, "redemptionRecord", Reason.REDEEM, _locked_redemptions),
    _earn(LOCKED, "rewardsRecord", Reason.REWARD, _locked_rewards),
    Endpoint("GET", "/sapi/v2/loan/flexible/borrow/history", _loan_borrowing, 400),
    Endpoint("GET", "/sapi/v2/loan/flexible/repay/history", _loan_repayment, 400),
)
