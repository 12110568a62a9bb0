"""sapi: what the account looked like at the end of each of the last days, as far as the venue still tells."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json
from portfolio_lab.demo.binance_spot import LISTED, coin_holdings
from portfolio_lab.demo.binance_text import NONE, eight_text, plain_text
from portfolio_lab.demo.binance_windows import MONTH_MS
from portfolio_lab.demo.binance_worth import asset_worth, margin_balances
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ZERO, Debt
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

_NO_DEBT_LEVEL = Decimal(999)
_NO_DEBT = Debt("", ZERO, ZERO)


def _snapshots(ask: Ask) -> Json:
    """One snapshot a day, taken a second before midnight UTC; at most thirty of them."""
    kind = ask.required("type")
    if kind not in _KINDS:
        raise refuse.parameter_invalid("type")
    days = ask.strict_limit(default=7, most=30)
    until, last = min(ask.number("endTime", ask.at), ask.at), (ask.at // DAY_MS) * DAY_MS - 1000
    since = ask.number("startTime", ask.at - MONTH_MS)
    if until - since > MONTH_MS:
        raise refuse.window_too_long("More than 30 days between startTime and endTime.")
    ends = [end for end in range(last - 29 * DAY_MS, last + 1, DAY_MS) if since <= end <= until]
    rows = [{"type": kind.lower(), "updateTime": end, "data": _KINDS[kind](ask, end)} for end in ends[-days:]]
    return {"code": 200, "msg": "", "snapshotVos": rows}


def _view(ask: Ask, end: int) -> View:
    """The book at the end of a day; `ask.view` has told its story so far."""
    return ask.view.book.at(end)


def _spot(ask: Ask, end: int) -> Json:
    view = _view(ask, end)
    holdings = coin_holdings(view, Wallet.SPOT)
    totals = {asset: one.total for asset, one in holdings.items()}
    return {
        "totalAssetOfBtc": eight_text(asset_worth(ask.market, totals, "BTC", end)),
        "balances": [
            {"asset": asset, "free": plain_text(one.total - one.locked), "locked": plain_text(one.locked)}
            for asset, one in holdings.items()
        ],
    }


def _futures(ask: Ask, end: int) -> Json:
    view = _view(ask, end)
    margins = margin_balances(view, Wallet.USD_M)
    return {
        "assets": [
            {"asset": asset, "marginBalance": plain_text(margins[asset]), "walletBalance": plain_text(cash)}
            for asset, cash in view.cash(Wallet.USD_M).items()
        ],
        "position": [
            {
                "entryPrice": plain_text(one.entry_price),
                "markPrice": plain_text(view.mark(one.instrument)),
                "positionAmt": plain_text(one.contracts),
                "symbol": one.instrument.symbol,
                "unRealizedProfit": plain_text(one.unrealised_pnl(view.mark(one.instrument))),
            }
            for one in view.positions(Wallet.USD_M)
        ],
    }


def _margin(ask: Ask, end: int) -> Json:
    """Cross margin: gross assets, debt with its interest, and the difference."""
    view = _view(ask, end)
    holdings = dict.fromkeys(LISTED, (ZERO, ZERO)) | {
        asset: (one.free, one.locked) for asset, one in coin_holdings(view, Wallet.CROSS_MARGIN).items()
    }
    debts = view.debts(Wallet.CROSS_MARGIN)
    owed = {asset: debt.borrowed + debt.interest for asset, debt in debts.items()}
    assets = asset_worth(ask.market, {asset: sum(parts, ZERO) for asset, parts in holdings.items()}, "BTC", end)
    liability = asset_worth(ask.market, owed, "BTC", end)
    return {
        "marginLevel": eight_text(assets / liability if liability else _NO_DEBT_LEVEL),
        "totalAssetOfBtc": eight_text(assets),
        "totalLiabilityOfBtc": eight_text(liability) if liability else NONE,
        "totalNetAssetOfBtc": eight_text(assets - liability),
        "userAssets": [_margin_row(asset, *parts, debts.get(asset, _NO_DEBT)) for asset, parts in holdings.items()],
    }


def _margin_row(asset: str, free: Decimal, locked: Decimal, debt: Debt) -> dict[str, Json]:
    return {
        "asset": asset,
        "borrowed": eight_text(debt.borrowed),
        "free": eight_text(free),
        "interest": eight_text(debt.interest),
        "locked": eight_text(locked),
        "netAsset": eight_text(free + locked - debt.borrowed - debt.interest),
    }


_KINDS: dict[str, Callable[[Ask, int], Json]] = {"SPOT": _spot, "FUTURES": _futures, "MARGIN": _margin}

ENDPOINTS = (Endpoint("GET", "/sapi/v1/accountSnapshot", _snapshots, 2400),)
