"""sapi and papi: the history of margin debts, and every change of cash in the margin wallets."""

from __future__ import annotations

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Answer, Ask, Endpoint, Json, Need, Span
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_windows import (
    MONTH_MS,
    QUARTER_MS,
    WEEK_MS,
    newest_first,
    open_window,
    rows_and_total,
    wanted,
    window,
    within,
)
from portfolio_lab.demo.facts import ZERO, DebtEvent, Entry, Reason
from portfolio_lab.models.accounts import Wallet

# ---------------------------------------------------------------- debts


def _events(ask: Ask, path: str, reason: Reason) -> list[DebtEvent]:
    """Changes of debt of one kind in the window asked for, newest first.

    Without `isolatedSymbol` only those of cross margin (unverified).
    """
    pair = ask.parameters.get("isolatedSymbol", "")
    wallet = Wallet.ISOLATED_MARGIN if pair else Wallet.CROSS_MARGIN
    span = open_window(ask, MONTH_MS, WEEK_MS)
    inside = within(ask, path, ask.book.debt_events(since=span.since, until=ask.at, wallets={wallet}), span)
    found = [one for one in newest_first(inside) if one.reason is reason and pair in {"", one.pair}]
    return wanted(ask, found, asset=lambda one: one.asset, txId=lambda one: one.event_id)


def _interest(path: str) -> Answer:
    """Answers interest as it accrued by the hour; isolated rows name their pair and no raw asset."""

    def answer(ask: Ask) -> Json:
        return rows_and_total(ask, [_interest_row(ask, one) for one in _events(ask, path, Reason.INTEREST)])

    return answer


def _interest_row(ask: Ask, one: DebtEvent) -> dict[str, Json]:
    debt = ask.book.debts_at(one.wallet, one.at, one.pair).get(one.asset)
    row: dict[str, Json] = {
        "txId": one.event_id,
        "interestAccuredTime": one.at,
        "asset": one.asset,
        "principal": plain_text(debt.borrowed if debt else ZERO),
        "interest": eight_text(one.interest),
        "interestRate": eight_text(one.rate),
        "type": "PERIODIC",
    }
    return row | ({"isolatedSymbol": one.pair} if one.pair else {"rawAsset": one.asset})


def _borrow_repay(ask: Ask) -> Json:
    """What was borrowed (`type` BORROW) or repaid (REPAY: interest first, then principal)."""
    kinds = {"BORROW": Reason.BORROW, "REPAY": Reason.REPAY}
    kind = ask.required("type")
    if kind not in kinds:
        raise refuse.parameter_invalid("type")
    return rows_and_total(ask, [_debt_row(one) for one in _events(ask, "/sapi/v1/margin/borrow-repay", kinds[kind])])


def _debt_row(one: DebtEvent) -> dict[str, Json]:
    row: dict[str, Json] = {
        "type": "MANUAL",
        "amount": eight_text(abs(one.principal + one.interest)),
        "asset": one.asset,
        "interest": eight_text(abs(one.interest)),
        "principal": eight_text(abs(one.principal)),
        "status": "CONFIRMED",
        "timestamp": one.at,
        "txId": one.event_id,
    }
    return row | ({"isolatedSymbol": one.pair} if one.pair else {})


def _unified(path: str, reason: Reason) -> Answer:
    """Answers what a portfolio margin account borrowed or repaid of the mandatory `asset`."""

    def answer(ask: Ask) -> Json:
        ask.required("asset")
        rows = [
            {name: value for name, value in _debt_row(one).items() if name != "type"}
            for one in _events(ask, path, reason)
        ]
        return rows_and_total(ask, rows)

    return answer


# ---------------------------------------------------------------- capital flow

_FLOWS = {
    Reason.TRANSFER: "TRANSFER",
    Reason.DEPOSIT: "TRANSFER",
    Reason.WITHDRAWAL: "TRANSFER",
    Reason.BORROW: "BORROW",
    Reason.REPAY: "REPAY",
    Reason.FEE: "TRADING_COMMISSION",
    Reason.DUST: "SMALL_BALANCE_CONVERT",
    Reason.REBATE: "COMMISSION_RETURN",
    Reason.LIQUIDATION: "OTHER_LIQUIDATION",
    Reason.INSURANCE: "LIQUIDATION_FEE",
}


def flow_name(entry: Entry) -> str:
    """The flow type of a change of cash; a trade has one for each side and leg."""
    one = entry.instrument
    if entry.reason is Reason.TRADE and one is not None:
        is_purchase = (entry.asset == one.base) is (entry.amount > ZERO)
        leg = "INCOME" if entry.amount > ZERO else "EXPENSE"
        return f"{'BUY' if is_purchase else 'SELL'}_{leg}"
    return _FLOWS.get(entry.reason, "TRANSFER")


def _capital_flow(ask: Ask) -> Json:
    """Rows after an id, or the newest of the window: a week at most, a quarter of a year is kept.

    `symbol` asks for an isolated pair. Outgoing amounts are negative (unverified).
    """
    pair, limit = ask.parameters.get("symbol", ""), ask.strict_limit(default=500, most=1000)
    wallet = Wallet.ISOLATED_MARGIN if pair else Wallet.CROSS_MARGIN
    span = window(ask, WEEK_MS, WEEK_MS)
    if ask.parameters.get("fromId") and not ask.parameters.get("startTime"):
        span = Span(0, span.until)
    entries = ask.book.entries(since=span.since, until=ask.at, wallets={wallet})
    inside = within(ask, "/sapi/v1/margin/capital-flow", entries, span, QUARTER_MS)
    found = wanted(ask, inside, asset=lambda one: one.asset, type=flow_name, symbol=lambda one: one.pair)
    if ask.parameters.get("fromId"):
        after = ask.number("fromId", 0)
        return [_flow_row(one) for one in found if one.entry_id > after][:limit]
    return [_flow_row(one) for one in found[-limit:]]


def _flow_row(entry: Entry) -> dict[str, Json]:
    return {
        "id": entry.entry_id,
        "tranId": entry.reference,
        "timestamp": entry.at,
        "asset": entry.asset,
        "symbol": entry.pair or (entry.instrument.symbol if entry.instrument else ""),
        "type": flow_name(entry),
        "amount": plain_text(entry.amount),
        "note": "",
    }


_INTEREST, _UNIFIED_INTEREST = "/sapi/v1/margin/interestHistory", "/papi/v1/margin/marginInterestHistory"
_LOANS, _REPAYMENTS = "/papi/v1/margin/marginLoan", "/papi/v1/margin/repayLoan"

ENDPOINTS = (
    Endpoint("GET", _INTEREST, _interest(_INTEREST), 1, Need.MARGIN),
    Endpoint("GET", "/sapi/v1/margin/borrow-repay", _borrow_repay, 10, Need.MARGIN),
    Endpoint("GET", "/sapi/v1/margin/capital-flow", _capital_flow, 100, Need.MARGIN),
    Endpoint("GET", _UNIFIED_INTEREST, _interest(_UNIFIED_INTEREST), 1, Need.PORTFOLIO_MARGIN),
    Endpoint("GET", _LOANS, _unified(_LOANS, Reason.BORROW), 10, Need.PORTFOLIO_MARGIN),
    Endpoint("GET", _REPAYMENTS, _unified(_REPAYMENTS, Reason.REPAY), 10, Need.PORTFOLIO_MARGIN),
)
