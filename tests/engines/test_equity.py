"""Equity by wallet: a book worked by hand, then what must never become 0."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.equity import balance_value, value_equity
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.equity import Unpriced, WalletEquity
from portfolio_lab.models.holdings import Balance, WalletReading
from portfolio_lab.models.prices import Price

AT = datetime(2026, 1, 1, tzinfo=UTC)
BINANCE = Account("alice", "binance", "main")
OKX = Account("alice", "okx", "main")


def price(asset: str, amount: float) -> Price:
    return Price(asset, "USD", amount, "test", (asset, "USD"), AT)


PRICES = {
    "binance": {"BTC": price("BTC", 100_000.0), "USDT": price("USDT", 0.999)},
    "okx": {"BTC": price("BTC", 100_010.0), "USDT": price("USDT", 0.998)},
}


def cash(asset: str, quantity: str) -> Balance:
    return Balance(asset, Decimal(quantity))


def margin(asset: str, settled: str, unrealised: str) -> Balance:
    settled_, unrealised_ = Decimal(settled), Decimal(unrealised)
    return Balance(asset, settled_ + unrealised_, settled_, unrealised_)


def test_book_of_two_venues() -> None:
    wallets = [
        (BINANCE, WalletReading(Wallet.SPOT, (cash("BTC", "0.5"), cash("USDT", "1000")))),
        (BINANCE, WalletReading(Wallet.USD_M, (margin("USDT", "1000", "-120"),))),
        (OKX, WalletReading(Wallet.TRADING, (margin("USDT", "-200", "0"), margin("BTC", "0.1", "0.01")))),
        (OKX, WalletReading(Wallet.FUNDING, ())),
    ]
    equity = value_equity(wallets, PRICES, currency="USD")
    spot, usd_m, trading, funding = equity.wallets
    assert spot == WalletEquity("binance:main", "spot", 50_999.0, 50_999.0, 0.0)
    assert usd_m.equity == pytest.approx(880 * 0.999)
    assert usd_m.wallet_balance == pytest.approx(999.0)
    assert usd_m.unrealised_pnl == pytest.approx(-119.88)
    assert trading.equity == pytest.approx(-199.6 + 0.11 * 100_010)
    assert trading.unrealised_pnl == pytest.approx(1000.1)
    assert funding == WalletEquity("okx:main", "funding", 0.0, 0.0, 0.0)
    assert equity.total == pytest.approx(50_999.0 + 879.12 - 199.6 + 11_001.1)
    assert equity.unpriced == ()


def test_unpriced_holding_makes_its_wallet_and_the_total_unknown() -> None:
    wallets = [
        (BINANCE, WalletReading(Wallet.SPOT, (cash("BTC", "1"), cash("ODD", "12.5")))),
        (OKX, WalletReading(Wallet.FUNDING, (cash("USDT", "5"),))),
    ]
    equity = value_equity(wallets, PRICES, currency="USD")
    assert equity.total is None
    assert equity.wallets[0] == WalletEquity("binance:main", "spot", None, None, None)
    assert equity.wallets[1].equity == pytest.approx(4.99)
    assert equity.unpriced == (Unpriced("binance:main", "spot", "ODD", 12.5),)


def test_row_of_zero_needs_no_price() -> None:
    equity = value_equity([(BINANCE, WalletReading(Wallet.SPOT, (cash("ODD", "0"),)))], PRICES, currency="USD")
    assert equity.total == 0.0
    assert equity.unpriced == ()


def test_cash_against_open_pnl_is_not_an_empty_row() -> None:
    wallets = [(BINANCE, WalletReading(Wallet.USD_M, (margin("ODD", "5", "-5"),)))]
    equity = value_equity(wallets, PRICES, currency="USD")
    assert equity.total is None
    assert equity.unpriced == (Unpriced("binance:main", "usd_m", "ODD", 0.0),)


def test_venue_without_any_price() -> None:
    equity = value_equity([(OKX, WalletReading(Wallet.FUNDING, (cash("BTC", "1"),)))], {}, currency="USD")
    assert equity.total is None


def test_margin_row_without_parts_is_settled_cash() -> None:
    wallets = [(OKX, WalletReading(Wallet.TRADING, (cash("BTC", "2"),)))]
    (trading,) = value_equity(wallets, PRICES, currency="USD").wallets
    assert trading == WalletEquity("okx:main", "trading", 200_020.0, 200_020.0, 0.0)


def test_value_of_one_balance() -> None:
    assert balance_value(cash("BTC", "-0.5"), PRICES["okx"]) == -50_005.0
    assert balance_value(cash("ODD", "1"), PRICES["okx"]) is None


amounts = st.decimals(min_value=-1_000_000, max_value=1_000_000, places=8, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(["BTC", "USDT"]), amounts, amounts), max_size=6))
def test_margin_balance_is_wallet_balance_plus_open_pnl(rows: list[tuple[str, Decimal, Decimal]]) -> None:
    balances = tuple(Balance(asset, settled + pnl, settled, pnl) for asset, settled, pnl in rows)
    wallets = [(BINANCE, WalletReading(Wallet.USD_M, balances))]
    (wallet,) = value_equity(wallets, PRICES, currency="USD").wallets
    assert wallet.equity is not None
    assert wallet.wallet_balance is not None
    assert wallet.unrealised_pnl is not None
    # Cancellation between large parts: relative to the parts, not to the small sum.
    scale = 1.0 + abs(wallet.wallet_balance) + abs(wallet.unrealised_pnl) + 1e11
    assert abs(wallet.equity - wallet.wallet_balance - wallet.unrealised_pnl) <= 1e-12 * scale
