"""Fills of every host: spot and margin by symbol and day, contracts by symbol and week, options.

Times take the rows of a window, `fromId` the rows from an id on; both together are refused.
A page of either holds at most 1,000 rows, oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Answer, Ask, Endpoint, Json, Need, Span, by_presence
from portfolio_lab.demo.binance_text import eight_text, plain_text, side_text
from portfolio_lab.demo.binance_windows import HALF_YEAR_MS, WEEK_MS, told, window
from portfolio_lab.demo.facts import Fill, settle_notional
from portfolio_lab.demo.instruments import INVERSE, LINEAR, OPTION, SPOT, Instrument
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

# ---------------------------------------------------------------- spot and margin


def _has_times(ask: Ask) -> bool:
    return bool(ask.parameters.get("startTime") or ask.parameters.get("endTime"))


def _page(ask: Ask, fills: list[Fill], span: Span | None, rows: int) -> list[Fill]:
    """From an id on, of a window, or, where neither is asked for, the newest."""
    if ask.parameters.get("fromId"):
        first = ask.number("fromId", 0)
        return sorted((fill for fill in fills if fill.fill_id >= first), key=lambda fill: fill.fill_id)[:rows]
    if span is not None:
        return [fill for fill in fills if span.holds(fill.at)][:rows]
    return fills[-rows:]


def _cash_fills(ask: Ask, path: str, wallet: Wallet, *, one_day: bool) -> list[Fill]:
    """The page asked for of one symbol's fills in a wallet of coins; all years are kept."""
    one, rows = ask.instrument(SPOT), ask.limit(default=500, most=1000)
    if _has_times(ask) and (ask.parameters.get("fromId") or ask.parameters.get("orderId")):
        raise refuse.combination_invalid()
    span = window(ask, DAY_MS, DAY_MS) if _has_times(ask) or one_day else None
    found = [fill for fill in ask.book.fills(until=ask.at, instrument=one) if fill.wallet is wallet]
    if ask.parameters.get("orderId"):
        order_id = ask.number("orderId", 0)
        found, span = [fill for fill in found if fill.order_id == order_id], None
    return _page(ask, told(ask, path, found), span, rows)


def _my_trades(ask: Ask) -> Json:
    fills = _cash_fills(ask, "/api/v3/myTrades", Wallet.SPOT, one_day=False)
    return [_trade_row(fill) | {"orderListId": -1, "quoteQty": eight_text(fill.quote_amount)} for fill in fills]


def _margin_trades(ask: Ask) -> Json:
    """Without times and ids the last day is told."""
    isolated = ask.parameters.get("isIsolated", "").upper() == "TRUE"
    wallet = Wallet.ISOLATED_MARGIN if isolated else Wallet.CROSS_MARGIN
    by_id = bool(ask.parameters.get("fromId") or ask.parameters.get("orderId"))
    fills = _cash_fills(ask, "/sapi/v1/margin/myTrades", wallet, one_day=not by_id)
    return [_trade_row(fill) | {"isIsolated": isolated} for fill in fills]


def _portfolio_trades(ask: Ask) -> Json:
    fills = _cash_fills(ask, "/papi/v1/margin/myTrades", Wallet.CROSS_MARGIN, one_day=False)
    return [_trade_row(fill) for fill in fills]


def _trade_row(fill: Fill) -> dict[str, Json]:
    return {
        "symbol": fill.instrument.symbol,
        "id": fill.fill_id,
        "orderId": fill.order_id,
        "price": eight_text(fill.price),
        "qty": eight_text(fill.contracts),
        "commission": eight_text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at,
        "isBuyer": fill.side == "buy",
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


# ---------------------------------------------------------------- contracts


def _contract_fills(path: str, kind: str) -> Answer:
    """Answers userTrades: a week at most by time, or from an id on; half a year is kept."""

    def answer(ask: Ask) -> Json:
        named = _named(ask, kind)
        rows = ask.strict_limit(default=50 if kind == INVERSE else 500, most=1000)
        if ask.parameters.get("fromId") and (_has_times(ask) or ask.parameters.get("pair")):
            raise refuse.combination_invalid()
        found = _kept(ask, path, (fill for fill in _all(ask) if fill.instrument in named))
        return [_contract_row(fill) for fill in _page(ask, found, _week(ask), rows)]

    return answer


def _all(ask: Ask) -> list[Fill]:
    return ask.book.fills(since=ask.at - HALF_YEAR_MS, until=ask.at)


def _kept(ask: Ask, path: str, fills: Iterable[Fill]) -> list[Fill]:
    """The fills told by now of one order, or of all."""
    order_id = ask.parameters.get("orderId", "")
    return [fill for fill in told(ask, path, fills) if order_id in {"", str(fill.order_id)}]


def _named(ask: Ask, kind: str) -> list[Instrument]:
    """The contract that `symbol` names; COIN-M takes `pair` instead as well."""
    pair = ask.parameters.get("pair", "")
    if kind != INVERSE or not pair:
        return [ask.instrument(kind)]
    found = [one for one in ask.instruments(kind) if one.index == pair]
    if not found:
        raise refuse.symbol_unknown()
    return found


def _week(ask: Ask) -> Span:
    span = ask.span(longest=2**62, default=WEEK_MS, text="")
    if span.until - span.since > WEEK_MS:
        raise refuse.futures_window_too_long(7)
    if ask.parameters.get("startTime") and span.since < ask.at - HALF_YEAR_MS:
        raise refuse.futures_history_too_old(6)
    return span


def _contract_row(fill: Fill) -> dict[str, Json]:
    one = fill.instrument
    row: dict[str, Json] = {
        "buyer": fill.side == "buy",
        "commission": eight_text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "id": fill.fill_id,
        "maker": fill.maker,
        "orderId": fill.order_id,
        "price": f"{fill.price:f}",
        "qty": f"{fill.contracts:f}",
        "realizedPnl": eight_text(fill.realised_pnl),
        "side": fill.side.upper(),
        "positionSide": side_text(fill.position_side),
        "symbol": one.symbol,
        "time": fill.at,
    }
    if one.kind == INVERSE:
        base = eight_text(settle_notional(one, fill.contracts, fill.price))
        return row | {"pair": one.index, "marginAsset": one.settle, "baseQty": base}
    return row | {"quoteQty": eight_text(fill.quote_amount)}


# ---------------------------------------------------------------- options


def _option_fills(ask: Ask) -> Json:
    """Options of one symbol or of all; ids and times go together here."""
    rows = ask.strict_limit(default=100, most=1000)
    one = ask.instrument(OPTION) if ask.parameters.get("symbol") else None
    held = (fill for fill in _all(ask) if fill.instrument.kind == OPTION and one in {None, fill.instrument})
    found = _kept(ask, "/eapi/v1/userTrades", held)
    if ask.parameters.get("fromId"):
        return [_option_row(fill) for fill in _page(ask, found, None, rows)]
    return [_option_row(fill) for fill in _page(ask, found, _week(ask) if _has_times(ask) else None, rows)]


def _option_row(fill: Fill) -> dict[str, Json]:
    """Quantities of sales carry a minus, fees paid do too; the sign of the fee is unverified."""
    one = fill.instrument
    return {
        "id": fill.fill_id,
        "tradeId": fill.fill_id,
        "orderId": fill.order_id,
        "symbol": one.symbol,
        "price": plain_text(fill.price),
        "quantity": plain_text(fill.contracts if fill.side == "buy" else -fill.contracts),
        "fee": eight_text(-fill.fee),
        "realizedProfit": eight_text(fill.realised_pnl),
        "side": fill.side.upper(),
        "type": "LIMIT",
        "liquidity": "MAKER" if fill.maker else "TAKER",
        "time": fill.at,
        "priceScale": 2,
        "quantityScale": 2,
        "optionSide": "CALL" if one.option_side == "C" else "PUT",
        "quoteAsset": one.quote,
    }


def _contracts(path: str, kind: str, weight: int, need: Need) -> Endpoint:
    return Endpoint("GET", path, _contract_fills(path, kind), weight, need)


ENDPOINTS = (
    Endpoint("GET", "/api/v3/myTrades", _my_trades, by_presence("orderId", given=5, absent=20)),
    Endpoint("GET", "/sapi/v1/margin/myTrades", _margin_trades, 10, Need.MARGIN),
    Endpoint("GET", "/papi/v1/margin/myTrades", _portfolio_trades, 5, Need.PORTFOLIO_MARGIN),
    _contracts("/fapi/v1/userTrades", LINEAR, 5, Need.USD_M),
    _contracts("/dapi/v1/userTrades", INVERSE, 5, Need.COIN_M),
    _contracts("/papi/v1/um/userTrades", LINEAR, 5, Need.PORTFOLIO_MARGIN),
    _contracts("/papi/v1/cm/userTrades", INVERSE, 20, Need.PORTFOLIO_MARGIN),
    Endpoint("GET", "/eapi/v1/userTrades", _option_fills, 5),
)
