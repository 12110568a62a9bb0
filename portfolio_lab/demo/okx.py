"""OKX at the demo exchange: which question is answered by what, how often, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from portfolio_lab.demo import okx_account as account
from portfolio_lab.demo import okx_history as history
from portfolio_lab.demo import okx_orders as orders
from portfolio_lab.demo import okx_public as public
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.okx_wire import OkxAsk, OkxRefusalError, RequestLimits, check_door, envelope
from portfolio_lab.demo.wire import Answer, Asked

PREFIX = "/api/v5/"
TWO_SECONDS = 2_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: who answers, how many requests within two seconds, and whether a key is needed."""

    reply: Callable[[OkxAsk], Sequence[Any]]
    most: int
    private: bool = True


_PUBLIC = {
    "public/time": Endpoint(public.time, 10, private=False),
    "public/instruments": Endpoint(public.listing, 20, private=False),
    "public/mark-price": Endpoint(public.mark_prices, 10, private=False),
    "public/funding-rate": Endpoint(public.funding_rate, 20, private=False),
    "public/funding-rate-history": Endpoint(public.funding_rate_history, 10, private=False),
    "market/tickers": Endpoint(public.tickers, 20, private=False),
    "market/ticker": Endpoint(public.ticker, 20, private=False),
    "market/index-tickers": Endpoint(public.index_tickers, 20, private=False),
    "market/candles": Endpoint(public.candles, 40, private=False),
    "market/history-candles": Endpoint(public.history_candles, 20, private=False),
    "system/status": Endpoint(public.nothing, 10, private=False),
}
_PRIVATE = {
    "account/balance": Endpoint(account.balance, 10),
    "account/positions": Endpoint(account.positions, 10),
    "account/config": Endpoint(account.config, 5),
    "account/bills": Endpoint(history.bills, 10),
    "account/bills-archive": Endpoint(history.bills_archive, 5),
    "asset/balances": Endpoint(account.funding_balances, 12),
    "asset/asset-valuation": Endpoint(account.valuation, 2),
    "asset/bills": Endpoint(history.funding_bills, 12),
    "asset/currencies": Endpoint(history.currencies, 12),
    "asset/deposit-history": Endpoint(history.deposits, 12),
    "asset/withdrawal-history": Endpoint(history.withdrawals, 12),
    "trade/orders-pending": Endpoint(orders.pending_orders, 60),
    "trade/orders-algo-pending": Endpoint(orders.pending_algo_orders, 20),
    "trade/fills": Endpoint(history.recent_fills, 60),
    "trade/fills-history": Endpoint(history.fills_history, 10),
}
_EMPTY = dict.fromkeys(
    (
        "finance/savings/balance",
        "finance/staking-defi/orders-active",
        "finance/staking-defi/eth/balance",
        "finance/staking-defi/sol/balance",
        "finance/flexible-loan/loan-info",
        "users/subaccount/list",
        "tradingBot/grid/orders-algo-pending",
        "copytrading/current-subpositions",
        "account/interest-accrued",
        "asset/non-tradable-assets",
        "asset/convert/history",
        "trade/easy-convert-history",
    ),
    Endpoint(public.nothing, 12),
)
ENDPOINTS: dict[str, Endpoint] = {**_PUBLIC, **_PRIVATE, **_EMPTY}
"""Every GET path that is answered, without its prefix."""


class OkxVenue:
    """All that OKX says; see `wire.Venue`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._limits = RequestLimits()

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        try:
            return self._reply(asked)
        except OkxRefusalError as refusal:
            return refusal.answer

    def _reply(self, asked: Asked) -> Answer:
        name = asked.path.removeprefix(PREFIX)
        endpoint = ENDPOINTS.get(name)
        if asked.method != "GET":
            check_door(self._exchange, asked)
            raise OkxRefusalError(401, "50120", "This API key doesn't have permission to use this function")
        if endpoint is None:
            raise OkxRefusalError(404, "404", "Not Found")
        asker = check_door(self._exchange, asked) if endpoint.private else None
        self._limits.check(_caller(asked, asker), name, endpoint.most, TWO_SECONDS, asked.wire_now)
        return envelope(endpoint.reply(OkxAsk(self._exchange, asked, asker)))


def _caller(asked: Asked, asker: DemoAccount | None) -> str:
    """Who a limit counts: the user of a private path, the address and instType of a public one."""
    if asker is not None:
        return str(asker.uid)
    return f"{asked.address} {asked.parameters.get('instType', '')}"
