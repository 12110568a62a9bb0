"""What OKX tells of borrowed money: interest by the hour, borrowing and repaying, flexible loans."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.debts import HOURS_A_DAY
from portfolio_lab.demo.facts import ZERO, DebtEvent, Entry, Reason
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.models.accounts import Wallet

YEAR_MS = 365 * DAY_MS
_HOURLY = Decimal("0.0000000001")
_MARKET_LOANS = "2"
_BORROWING = {Reason.BORROW: "manual_borrow", Reason.REPAY: "manual_repay"}


def interest_accrued(ask: OkxAsk) -> list[Row]:
    """account/interest-accrued: one year of interest on what the trading account owes, paged by time.

    Currencies that accrue at the same instant share one `ts`: a page that ends between them loses
    the rest, as documented.
    """
    wanted, mode = ask.text("ccy"), ask.text("mgnMode")
    wallets = (Wallet.TRADING, Wallet.ISOLATED_MARGIN)
    events = [
        one
        for one in ask.view.book.debt_events(since=ask.now - YEAR_MS, until=ask.now, wallets=wallets)
        if one.reason is Reason.INTEREST and wanted in ("", one.asset) and mode in ("", _margin_mode(one))
    ]
    page = ask.page(ask.told(events, lambda one: one.at), lambda one: one.at)
    return [_interest_row(ask, one) for one in page]


def _margin_mode(event: DebtEvent) -> str:
    return "isolated" if event.pair else "cross"


def _interest_row(ask: OkxAsk, event: DebtEvent) -> Row:
    """`liab` is the principal that this hour's interest was charged on."""
    debt = ask.view.book.debts_at(event.wallet, event.at, event.pair).get(event.asset)
    owed = ZERO if debt is None else debt.borrowed
    return {
        "ccy": event.asset,
        "instId": event.pair,
        "interest": plain(event.interest),
        "interestFreeLiab": "0",
        "interestRate": plain((event.rate / HOURS_A_DAY).quantize(_HOURLY)),
        "liab": plain(owed),
        "mgnMode": _margin_mode(event),
        "totalLiab": plain(owed),
        "ts": str(event.at),
        "type": _MARKET_LOANS,
    }


def borrow_repay_history(ask: OkxAsk) -> list[Row]:
    """account/spot-borrow-repay-history: what the trading account borrowed and paid back, paged by time."""
    wanted, kind = ask.text("ccy"), ask.text("type")
    events = [
        one
        for one in ask.view.book.debt_events(until=ask.now, wallets=(Wallet.TRADING,))
        if one.reason in _BORROWING and wanted in ("", one.asset) and kind in ("", _BORROWING[one.reason])
    ]
    page = ask.page(ask.told(events, lambda one: one.at), lambda one: one.at)
    return [_borrowing_row(ask, one) for one in page]


def _borrowing_row(ask: OkxAsk, event: DebtEvent) -> Row:
    debt = ask.view.book.debts_at(Wallet.TRADING, event.at).get(event.asset)
    return {
        "accBorrowed": plain(ZERO if debt is None else debt.borrowed),
        "amt": plain(abs(event.principal + event.interest)),
        "ccy": event.asset,
        "ts": str(event.at),
        "type": _BORROWING[event.reason],
    }


def loan_history(ask: OkxAsk) -> list[Row]:
    """finance/flexible-loan/loan-history: loans taken and paid back, collateral locked and released, paged by time."""
    entries = ask.view.book.entries(until=ask.now, wallets=(Wallet.LOANS,))
    collateral: dict[str, str] = {}
    for one in entries:
        collateral.setdefault(one.note, one.asset)
    found = [(one, _loan_kind(one, collateral[one.note])) for one in entries if one.reason is Reason.LOAN]
    chosen = [pair for pair in found if ask.text("type") in ("", pair[1])]
    page = ask.page(ask.told(chosen, lambda pair: pair[0].at), lambda pair: pair[0].at)
    return [_loan_row(one, kind) for one, kind in page]


def _loan_kind(entry: Entry, collateral: str) -> str:
    """The first that moves for a loan is what it locks; a loan's own side is - when borrowed, + when repaid."""
    if entry.asset == collateral:
        return "collateral_locked" if entry.amount > ZERO else "collateral_released"
    return "repaid" if entry.amount > ZERO else "borrowed"


def _loan_row(entry: Entry, kind: str) -> Row:
    return {
        "amt": plain(abs(entry.amount)),
        "ccy": entry.asset,
        "refId": str(entry.reference),
        "ts": str(entry.at),
        "type": kind,
    }
