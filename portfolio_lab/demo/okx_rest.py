"""The rest of what OKX tells of the past: conversions, interest, and positions that have changed."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from portfolio_lab.demo.debts import HOURS_A_DAY
from portfolio_lab.demo.facts import ZERO, DebtEvent, Entry, Reason
from portfolio_lab.demo.instruments import STABLECOINS
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.demo.okx_fills import QUARTER_MS, WEEK_MS
from portfolio_lab.demo.okx_lives import Life, lives
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.models.accounts import Wallet

YEAR_MS = 365 * DAY_MS
_ACCOUNTS = {Wallet.FUNDING: "6", Wallet.TRADING: "18"}
_PRICE = Decimal("0.000001")
_HOURLY = Decimal("0.0000000001")
_PARTLY, _WHOLLY, _LIQUIDATED = "1", "2", "3"
_MARKET_LOANS = "2"


def conversions(ask: OkxAsk) -> list[Row]:
    """asset/convert/history, newest first, paged by time."""
    found = ask.told(_legs(ask, Reason.CONVERT, None), lambda legs: legs[0].at)
    return [_conversion_row(legs) for legs in ask.page(found, lambda legs: legs[0].at)]


def easy_conversions(ask: OkxAsk) -> list[Row]:
    """trade/easy-convert-history: small balances turned into one coin, seven days, a row for each of them."""
    found = ask.told(_legs(ask, Reason.DUST, ask.now - WEEK_MS), lambda legs: legs[0].at)
    page = ask.page(found, lambda legs: legs[0].at)
    return [row for legs in page for row in _dust_rows(legs)]


def _legs(ask: OkxAsk, reason: Reason, since: int | None) -> list[list[Entry]]:
    """The entries of each conversion: at least one currency that went and one that came."""
    entries = [one for one in ask.view.book.entries(since=since, until=ask.now) if one.reason is reason]
    grouped = [list(group) for _, group in groupby(entries, key=lambda one: one.reference)]
    return [
        legs for legs in grouped if any(one.amount < ZERO for one in legs) and any(one.amount > ZERO for one in legs)
    ]


def _conversion_row(legs: list[Entry]) -> Row:
    """A pair is named base first; its quote is the stablecoin where there is one."""
    went, came = (next(one for one in legs if (one.amount > ZERO) is gained) for gained in (False, True))
    bought = went.asset in STABLECOINS or came.asset not in STABLECOINS
    base, quote = (came, went) if bought else (went, came)
    return {
        "baseCcy": base.asset,
        "clTReqId": "",
        "fillBaseSz": plain(abs(base.amount)),
        "fillPx": plain(abs(quote.amount / base.amount).quantize(_PRICE)),
        "fillQuoteSz": plain(abs(quote.amount)),
        "instId": f"{base.asset}-{quote.asset}",
        "quoteCcy": quote.asset,
        "side": "buy" if bought else "sell",
        "state": "fullyFilled",
        "tradeId": str(base.reference),
        "ts": str(base.at),
    }


def _dust_rows(legs: list[Entry]) -> list[Row]:
    """One row for each coin that went; what came is shared equally where the book tells it only once."""
    went, came = [one for one in legs if one.amount < ZERO], [one for one in legs if one.amount > ZERO]
    shares = [one.amount for one in came] if len(came) == len(went) else [came[0].amount / len(went)] * len(went)
    return [
        {
            "acct": _ACCOUNTS.get(one.wallet, "18"),
            "fillFromSz": plain(-one.amount),
            "fillToSz": plain(share),
            "fromCcy": one.asset,
            "status": "filled",
            "toCcy": came[0].asset,
            "uTime": str(one.at),
        }
        for one, share in zip(went, shares, strict=True)
    ]


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


def positions_history(ask: OkxAsk) -> list[Row]:
    """account/positions-history: three months of positions that were closed, wholly or in part.

    Paged by uTime; all positions that changed in the last row's millisecond come along, as documented.
    """
    kind, name, wanted = ask.text("instType"), ask.text("instId"), ask.text("posId")
    chosen = [
        life
        for life in lives(ask.view)
        if life.closed
        and life.changed_at >= ask.now - QUARTER_MS
        and kind in ("", instrument_type(life.instrument))
        and name in ("", life.instrument.symbol)
        and ask.text("type") in ("", _closing(life))
        and wanted in ("", _position_id(ask, life))
    ]
    told = ask.told(chosen, lambda life: life.changed_at)
    page = ask.page(told, lambda life: life.changed_at)
    if page:
        page += [life for life in told if life.changed_at == page[-1].changed_at and life not in page]
    return [_life_row(life, _position_id(ask, life)) for life in page]


def _position_id(ask: OkxAsk, life: Life) -> str:
    """The book's id of a position: the one that was held from its first fill on."""
    held = ask.view.book.positions_at(life.opened_at)
    found = (one for one in held if (one.instrument, one.position_side) == (life.instrument, life.side))
    return next((str(one.position_id) for one in found), str(life.last_fill))


def _closing(life: Life) -> str:
    if life.liquidated:
        return _LIQUIDATED
    return _PARTLY if life.is_open else _WHOLLY


def _life_row(life: Life, position_id: str) -> Row:
    one = life.instrument
    return {
        "cTime": str(life.opened_at),
        "ccy": one.settle,
        "closeAvgPx": plain(life.leaving),
        "closeTotalPos": plain(life.closed),
        "direction": "long" if life.is_long else "short",
        "fee": plain(life.fee),
        "fundingFee": plain(life.funding),
        "instId": one.symbol,
        "instType": instrument_type(one),
        "lever": "5",
        "liqPenalty": plain(life.penalty),
        "mgnMode": "cross",
        "nonSettleAvgPx": plain(life.entry) if instrument_type(one) == "FUTURES" else "",
        "openAvgPx": plain(life.entry),
        "openMaxPos": plain(life.most),
        "pnl": plain(life.pnl),
        "pnlRatio": "",
        "posId": position_id,
        "posSide": life.side,
        "realizedPnl": plain(life.realised),
        "settledPnl": "",
        "triggerPx": "",
        "type": _closing(life),
        "uTime": str(life.changed_at),
        "uly": f"{one.base}-{one.quote}",
    }
