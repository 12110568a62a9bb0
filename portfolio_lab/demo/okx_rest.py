"""The rest of what OKX tells of the past: conversions, and positions that have changed."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from portfolio_lab.demo.facts import ZERO, Entry, Reason, settle_notional
from portfolio_lab.demo.instruments import STABLECOINS
from portfolio_lab.demo.okx_fills import QUARTER_MS, WEEK_MS
from portfolio_lab.demo.okx_lives import Life, lives
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.models.accounts import Wallet

_ACCOUNTS = {Wallet.FUNDING: "6", Wallet.TRADING: "18"}
_PRICE = Decimal("0.000001")
_RATIO = Decimal("0.0000000001")
_PARTLY, _WHOLLY, _LIQUIDATED = "1", "2", "3"


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
    return [_life_row(ask, life) for life in page]


def _position_id(ask: OkxAsk, life: Life) -> str:
    """The book's id of a position: the one that was held from its first fill on."""
    held = ask.view.book.positions_at(life.opened_at)
    found = (one for one in held if (one.instrument, one.position_side) == (life.instrument, life.side))
    return next((str(one.position_id) for one in found), str(life.last_fill))


def _closing(life: Life) -> str:
    if life.liquidated:
        return _LIQUIDATED
    return _PARTLY if life.is_open else _WHOLLY


def _life_row(ask: OkxAsk, life: Life) -> Row:
    one, leverage = life.instrument, ask.view.book.leverage
    margin = abs(settle_notional(one, life.most, life.entry)) / leverage
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
        "lever": plain(leverage),
        "liqPenalty": plain(life.penalty),
        "mgnMode": "cross",
        "nonSettleAvgPx": plain(life.entry) if instrument_type(one) == "FUTURES" else "",
        "openAvgPx": plain(life.entry),
        "openMaxPos": plain(life.most),
        "pnl": plain(life.pnl),
        "pnlRatio": plain((life.realised / margin).quantize(_RATIO)),
        "posId": _position_id(ask, life),
        "posSide": life.side,
        "realizedPnl": plain(life.realised),
        "settledPnl": "",
        "triggerPx": "",
        "type": _closing(life),
        "uTime": str(life.changed_at),
        "uly": f"{one.base}-{one.quote}",
    }
