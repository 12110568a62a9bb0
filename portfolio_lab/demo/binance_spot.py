"""Signed answers of the spot host: balances, resting orders, fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Span, by_presence
from portfolio_lab.demo.binance_switches import Switches, padding
from portfolio_lab.demo.binance_text import NONE, eight_text, spot_order_type
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ZERO, Fill, Order
from portfolio_lab.demo.instruments import SPOT, Instrument, by_symbol
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

LISTED = tuple(dict.fromkeys(asset for one in by_symbol("binance", SPOT).values() for asset in (one.base, one.quote)))
"""Coins that show in every answer, held or not, as Binance lists them all."""


def last_changes(view: View, wallet: Wallet) -> dict[str, int]:
    """When the cash of each asset of a wallet changed last, in ms; untouched assets are absent."""
    touched, changes = view.cash(wallet), dict[str, int]()
    # Newest first, so that a busy wallet is told by its last few entries.
    for entry in reversed(view.book.entries(until=view.now)):
        if entry.wallet is wallet:
            changes.setdefault(entry.asset, entry.at)
        if len(changes) == len(touched):
            break
    return changes


@dataclass(frozen=True, slots=True)
class Holding:
    """Units of one asset in a wallet of coins: four parts that do not overlap."""

    free: Decimal = ZERO
    locked: Decimal = ZERO
    freeze: Decimal = ZERO
    withdrawing: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All that is ours here; what is being withdrawn is ours until it has left."""
        return self.free + self.locked + self.freeze + self.withdrawing


def coin_holdings(view: View, wallet: Wallet, always: Iterable[str] = ()) -> dict[str, Holding]:
    """Every touched asset of a wallet of coins, and those that always show."""
    cash = dict.fromkeys(always, ZERO) | view.cash(wallet)
    locked, leaving = view.locked(wallet), view.withdrawing(wallet)
    return {
        asset: Holding(
            total - locked.get(asset, ZERO) - leaving.get(asset, ZERO),
            locked.get(asset, ZERO),
            withdrawing=leaving.get(asset, ZERO),
        )
        for asset, total in cash.items()
    }


def frozen(holdings: dict[str, Holding], switches: Switches) -> dict[str, Holding]:
    """The same holdings after the venue has held back what a test tells it to."""
    found = {}
    for asset, one in holdings.items():
        held = min(one.free, switches.held_back(asset))
        found[asset] = replace(one, free=one.free - held, freeze=held) if held > ZERO else one
    return found


def savings_coins(view: View) -> dict[str, Holding]:
    """What flexible savings look like in spot answers: as many LDX as there are X saved."""
    return {f"LD{asset}": Holding(amount) for asset, amount in view.flexible().items() if amount}


def spot_holdings(ask: Ask) -> dict[str, Holding]:
    """Every listed, touched or saved asset of the spot wallet."""
    return frozen(coin_holdings(ask.view, Wallet.SPOT, LISTED), ask.switches) | savings_coins(ask.view)


def _shown(ask: Ask) -> dict[str, Holding]:
    """The holdings that api/v3/account lists: all but the empty ones where those are not wanted."""
    holdings = spot_holdings(ask)
    if ask.parameters.get("omitZeroBalances") == "true":
        return {asset: one for asset, one in holdings.items() if one.free or one.locked}
    return holdings | dict.fromkeys(padding(ask.switches.padded_assets), Holding())


def _account(ask: Ask) -> Json:
    """Free and locked only: what is frozen or being withdrawn is missing from this answer."""
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": "0.00100000", "taker": "0.00100000", "buyer": NONE, "seller": NONE},
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": max(last_changes(ask.view, Wallet.SPOT).values(), default=0),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": eight_text(one.free), "locked": eight_text(one.locked)}
            for asset, one in _shown(ask).items()
        ],
        "permissions": ["SPOT"],
        "uid": ask.account.uid,
    }


# ---------------------------------------------------------------- orders


def _order_row(order: Order) -> dict[str, Json]:
    """A resting order; what has traded did so at its own price."""
    price = order.price or ZERO
    return _order(
        order.instrument,
        order_id=order.order_id,
        price=price,
        quantity=order.contracts,
        filled=order.filled,
        spent=order.filled * price,
        status="PARTIALLY_FILLED" if order.filled else "NEW",
        kind=spot_order_type(order),
        side=order.side,
        trigger=order.trigger_price or ZERO,
        at=order.placed_at,
        updated_at=order.placed_at,
    )


def _filled_row(fills: list[Fill]) -> dict[str, Json]:
    """An order that is done, told by its fills."""
    first, quantity = fills[0], sum((fill.contracts for fill in fills), ZERO)
    return _order(
        first.instrument,
        order_id=first.order_id,
        price=first.price if first.maker else ZERO,
        quantity=quantity,
        filled=quantity,
        spent=sum((fill.quote_amount for fill in fills), ZERO),
        status="FILLED",
        kind="LIMIT" if first.maker else "MARKET",
        side=first.side,
        trigger=ZERO,
        at=first.at,
        updated_at=fills[-1].at,
    )


def _order(
    one: Instrument,
    *,
    order_id: int,
    price: Decimal,
    quantity: Decimal,
    filled: Decimal,
    spent: Decimal,
    status: str,
    kind: str,
    side: str,
    trigger: Decimal,
    at: int,
    updated_at: int,
) -> dict[str, Json]:
    waits = trigger > ZERO
    return {
        "symbol": one.symbol,
        "orderId": order_id,
        "orderListId": -1,
        "clientOrderId": f"demo{order_id}",
        "price": eight_text(price),
        "origQty": eight_text(quantity),
        "executedQty": eight_text(filled),
        "origQuoteOrderQty": NONE,
        "cummulativeQuoteQty": eight_text(spent),
        "status": status,
        "timeInForce": "GTC",
        "type": kind,
        "side": side.upper(),
        "stopPrice": eight_text(trigger),
        "icebergQty": NONE,
        "time": at,
        "updateTime": updated_at,
        "isWorking": not waits,
        "workingTime": -1 if waits else at,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def _open_orders(ask: Ask) -> Json:
    wanted = ask.parameters.get("symbol", "")
    if wanted:
        ask.instrument(SPOT)
    orders = ask.view.orders(Wallet.SPOT)
    return [_order_row(order) for order in orders if wanted in {"", order.instrument.symbol}]


def _all_orders(ask: Ask) -> Json:
    one = ask.instrument(SPOT)
    view, rows = ask.view, ask.limit(default=500, most=1000)
    resting = [order for order in view.orders(Wallet.SPOT) if order.instrument == one]
    fills = (fill for fill in view.book.fills(until=ask.at, instrument=one) if fill.wallet is Wallet.SPOT)
    done = _done_orders(fills, {order.order_id for order in resting})
    orders = [*done, *(_order_row(order) for order in resting)]
    orders.sort(key=lambda row: row["orderId"])
    span = _day_span(ask)
    if ask.parameters.get("orderId"):
        first = ask.number("orderId", 0)
        return [row for row in orders if row["orderId"] >= first][:rows]
    if span is None:
        return orders[-rows:]
    return [row for row in orders if span.holds(row["time"])][:rows]


def _done_orders(fills: Iterable[Fill], resting: set[int]) -> list[dict[str, Json]]:
    by_order = sorted((fill for fill in fills if fill.order_id not in resting), key=lambda fill: fill.order_id)
    return [_filled_row(list(group)) for _, group in groupby(by_order, key=lambda fill: fill.order_id)]


# ---------------------------------------------------------------- fills


def _day_span(ask: Ask) -> Span | None:
    """The window asked for, a day at most; None when neither end was sent."""
    if not (ask.parameters.get("startTime") or ask.parameters.get("endTime")):
        return None
    return ask.span(longest=DAY_MS, default=DAY_MS, text="More than 24 hours between startTime and endTime.")


ENDPOINTS = (
    Endpoint("GET", "/api/v3/account", _account, 20),
    Endpoint("GET", "/api/v3/openOrders", _open_orders, by_presence("symbol", given=6, absent=80)),
    Endpoint("GET", "/api/v3/allOrders", _all_orders, 20),
)
