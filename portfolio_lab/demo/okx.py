"""OKX at the demo exchange: which question is answered by what, how often, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from portfolio_lab.demo import okx_account as account
from portfolio_lab.demo import okx_balance as balances
from portfolio_lab.demo import okx_bills as bills
from portfolio_lab.demo import okx_borrowed as borrowed
from portfolio_lab.demo import okx_earn as earn
from portfolio_lab.demo import okx_fills as fills
from portfolio_lab.demo import okx_funding as funding
from portfolio_lab.demo import okx_orders as orders
from portfolio_lab.demo import okx_positions as positions
from portfolio_lab.demo import okx_public as public
from portfolio_lab.demo import okx_rest as rest
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
    "account/balance": Endpoint(balances.balance, 10),
    "account/positions": Endpoint(positions.positions, 10),
    "account/config": Endpoint(account.config, 5),
    "account/bills": Endpoint(bills.bills, 10),
    "account/bills-archive": Endpoint(bills.bills_archive, 5),
    "account/interest-accrued": Endpoint(borrowed.interest_accrued, 5),
    "account/spot-borrow-repay-history": Endpoint(borrowed.borrow_repay_history, 5),
    "account/positions-history": Endpoint(rest.positions_history, 10),
    "asset/balances": Endpoint(account.funding_balances, 12),
    "asset/asset-valuation": Endpoint(account.valuation, 2),
    "asset/bills": Endpoint(funding.funding_bills, 12),
    "asset/bills-history": Endpoint(funding.funding_bills_history, 2),
    "asset/convert/history": Endpoint(rest.conversions, 12),
    "asset/currencies": Endpoint(funding.currencies, 12),
    "asset/deposit-history": Endpoint(funding.deposits, 12),
    "asset/withdrawal-history": Endpoint(funding.withdrawals, 12),
    "finance/savings/balance": Endpoint(earn.savings, 12),
    "finance/staking-defi/orders-active": Endpoint(earn.staking_orders, 6),
    "finance/staking-defi/eth/balance": Endpoint(earn.eth_staking, 12),
    "finance/staking-defi/sol/balance": Endpoint(earn.sol_staking, 12),
    "finance/flexible-loan/loan-info": Endpoint(earn.loan_info, 5),
    "finance/flexible-loan/loan-history": Endpoint(borrowed.loan_history, 5),
    "trade/orders-pending": Endpoint(orders.pending_orders, 60),
    "trade/orders-algo-pending": Endpoint(orders.pending_algo_orders, 20),
    "trade/orders-history": Endpoint(fills.orders_history, 40),
    "trade/orders-history-archive": Endpoint(fills.orders_archive, 20),
    "trade/fills": Endpoint(fills.recent_fills, 60),
    "trade/fills-history": Endpoint(fills.fills_history, 10),
    "trade/easy-convert-history": Endpoint(rest.easy_conversions, 1),
    "tradingBot/grid/orders-algo-pending": Endpoint(earn.grid_bots, 20),
    "account/subaccount/balances": Endpoint(account.subaccount_trading, 6),
    "asset/subaccount/balances": Endpoint(account.subaccount_funding, 6),
    "users/subaccount/list": Endpoint(account.subaccounts, 2),
}
_EMPTY = {
    "asset/non-tradable-assets": Endpoint(public.nothing, 12),
    "copytrading/current-subpositions": Endpoint(public.nothing, 20),
    "tradingBot/recurring/orders-algo-pending": Endpoint(public.nothing, 20),
}
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
