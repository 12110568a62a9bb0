"""Every wallet of every demo user, over real sockets, equals what the demo exchange says is true."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.models.holdings import Holding, WalletReading

demo = pytest.importorskip("portfolio_lab.demo", reason="the demo exchange is not there")
server = pytest.importorskip("portfolio_lab.demo.server", reason="the demo exchange is not there")

SINCE, NOW = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 10, 20, 12, tzinfo=UTC)
ACCOUNTS = [(account, user.credentials[account.key]) for user in demo.users() for account in user.accounts]


async def truth_of(exchange: Any, account: Account) -> dict[str, Any]:
    query = {"user": account.user, "account": account.name, "since": SINCE.isoformat()}
    async with aiohttp.ClientSession() as http, http.get(f"{exchange.control_url}/truth", params=query) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["accounts"][account.name]


def summed(balances: dict[str, str], unrealised: dict[str, str]) -> dict[str, Decimal]:
    assets = {*balances, *unrealised}
    totals = {name: Decimal(balances.get(name, "0")) + Decimal(unrealised.get(name, "0")) for name in assets}
    return {name: total for name, total in totals.items() if total}


def check_wallet(reading: WalletReading, told: dict[str, Any]) -> None:
    # Receipts for savings stand in for a wallet that was not read: the sync drops them beside it.
    held = {row.asset: row.quantity for row in reading.balances if row.holding is not Holding.LD_FALLBACK}
    assert held == summed(told["balances"], told["unrealised"])
    if reading.wallet.is_margin:
        assert all(row.quantity == row.wallet_balance + row.unrealised_pnl for row in reading.balances)
        open_pnl: dict[str, Decimal] = {}
        for position in reading.positions:
            open_pnl[position.settle_asset] = open_pnl.get(position.settle_asset, Decimal(0)) + position.unrealised_pnl
        expected = {name: Decimal(text) for name, text in told["unrealised"].items() if Decimal(text)}
        assert open_pnl == pytest.approx(expected, abs=Decimal("1e-6"))


@pytest.mark.asyncio
@pytest.mark.parametrize(("account", "credentials"), ACCOUNTS, ids=[f"{a.user}-{a.name}" for a, _ in ACCOUNTS])
async def test_wallets_and_flows_equal_the_truth(account: Account, credentials: Credentials) -> None:
    async with server.DemoExchange(since=SINCE, now=NOW) as exchange, Hub(clock=lambda: NOW) as hub:
        exchange.set_clock(NOW)
        reader = await hub.reader(replace(account, base_url=exchange.url), credentials)
        await reader.market.measure_clock()
        truth = await truth_of(exchange, account)
        told = {row["wallet"]: row for row in truth["wallets"]}
        for wallet in account.wallets:
            check_wallet(await reader.fetch_wallet(wallet), told[wallet.value])
        flows = await reader.fetch_cash_flows(since=SINCE, until=NOW + timedelta(seconds=1))
        assert sorted((row.kind, row.asset, row.quantity, row.fee) for row in flows) == sorted(
            (row["kind"], row["asset"], Decimal(row["quantity"]), Decimal(row["fee"]))
            for row in truth["flows"]
            if row["kind"]
            in {"deposit", "withdrawal"}  # moves to a sub-account are transfers, with a stream of their own
        )
        for order in await reader.fetch_open_orders():
            assert order.quantity > 0
            assert order.placed_at <= NOW
