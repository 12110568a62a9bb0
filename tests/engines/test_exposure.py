"""Exposure: books worked by hand, the edges, and gross >= |net| for every book."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.exposure import book_exposure, mark_price, position_exposure, position_pnl
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.exposure import Exposure
from portfolio_lab.models.holdings import Balance, ContractKind, Holding, Position, WalletReading
from portfolio_lab.models.prices import Price

AT = datetime(2026, 1, 1, tzinfo=UTC)
BINANCE = Account("alice", "binance", "main")
OKX = Account("alice", "okx", "main")


def price(asset: str, amount: float) -> Price:
    return Price(asset, "USD", amount, "test", (asset, "USD"), AT)


PRICES = {
    "binance": {
        asset: price(asset, amount)
        for asset, amount in {"BTC": 50_000.0, "ETH": 4_000.0, "WBETH": 4_400.0, "USDT": 1.0}.items()
    },
    "okx": {"BTC": price("BTC", 50_100.0), "USDT": price("USDT", 1.0)},
}


def position(
    quantity: str,
    *,
    mark: str = "50000",
    underlying: str = "BTC",
    kind: ContractKind = ContractKind.LINEAR,
    settle: str = "USDT",
) -> Position:
    amount = Decimal(quantity)
    return Position(
        instrument=f"{underlying}-{kind}",
        underlying=underlying,
        kind=kind,
        side="net",
        quantity=amount,
        contracts=abs(amount),
        contract_size=Decimal(1),
        entry_price=Decimal(mark),
        mark_price=Decimal(mark),
        unrealised_pnl=Decimal(7),
        settle_asset=settle,
    )


def spot(**quantities: str) -> tuple[Account, WalletReading]:
    balances = tuple(Balance(asset, Decimal(quantity)) for asset, quantity in quantities.items())
    return BINANCE, WalletReading(Wallet.SPOT, balances)


def futures(*positions: Position, wallet: Wallet = Wallet.USD_M, **balances: str) -> tuple[Account, WalletReading]:
    rows = tuple(Balance(asset, Decimal(quantity)) for asset, quantity in balances.items())
    return BINANCE, WalletReading(wallet, rows, positions)


def exposed(*readings: tuple[Account, WalletReading], equity: float | None = 100_000.0) -> Exposure:
    return book_exposure(readings, PRICES, equity=equity, currency="USD")


def test_cash_and_carry_nets_to_nothing() -> None:
    book = exposed(spot(BTC="1"), futures(position("-1"), USDT="50000"))
    assert (book.net, book.gross, book.long, book.short) == (0.0, 0.0, 0.0, 0.0)
    assert book.gross_instrument == 100_000.0
    assert book.gross_share == 0.0


def test_cash_and_carry_nets_to_nothing_whatever_the_basis() -> None:
    book = exposed(spot(BTC="1"), futures(position("-1", mark="50250")))
    assert book.net == 0.0
    assert book.gross_instrument == 100_250.0


def test_long_and_short_of_two_underlyings() -> None:
    book = exposed(spot(BTC="1", ETH="5", USDT="9999"), futures(position("-10", mark="4000", underlying="ETH")))
    assert [line.underlying for line in book.underlyings] == ["ETH", "BTC"]
    assert (book.long, book.short) == (50_000.0, 20_000.0)
    assert (book.net, book.gross, book.gross_instrument) == (30_000.0, 70_000.0, 110_000.0)
    assert book.gross_share == pytest.approx(0.7)


def test_coin_margined_coin_uses_margin_balance_and_mark() -> None:
    # W = 1, short 0.2 BTC of USD contracts: the book's slope in S is M + sN/S.
    short = position("-0.2", kind=ContractKind.INVERSE, settle="BTC")
    book = exposed(futures(short, wallet=Wallet.COIN_M, BTC="1.033333"))
    (bitcoin,) = book.underlyings
    assert bitcoin.quantity == pytest.approx(0.833333)
    assert book.net == pytest.approx(0.833333 * 50_000)


def test_two_venues_net_by_one_price() -> None:
    okx = (OKX, WalletReading(Wallet.TRADING, (Balance("BTC", Decimal(-1)),)))
    book = exposed(spot(BTC="1"), okx)
    assert book.net == 0.0
    assert book.gross_instrument == 100_100.0


def test_staked_receipt_follows_its_underlying() -> None:
    (ether,) = exposed(spot(WBETH="1", ETH="1")).underlyings
    assert ether.underlying == "ETH"
    assert ether.quantity == pytest.approx(2.1)
    assert ether.net == pytest.approx(8_400.0)


def test_stablecoins_and_fiat_are_no_exposure() -> None:
    book = exposed(spot(USDT="100", USDC="5", EUR="7"))
    assert book.underlyings == ()
    assert (book.net, book.gross, book.gross_instrument, book.gross_share) == (0.0, 0.0, 0.0, 0.0)


def test_spot_margin_position_is_its_balances() -> None:
    book = exposed(spot(BTC="1"), futures(position("1", kind=ContractKind.MARGIN)))
    assert book.net == 50_000.0


def test_contract_on_an_asset_without_spot_uses_its_own_mark() -> None:
    book = exposed(futures(position("3", mark="10", underlying="1000PEPE")))
    assert book.net == 30.0


@pytest.mark.parametrize("equity", [None, 0.0, -1.0, math.nan])
def test_share_of_nothing_is_unknown(equity: float | None) -> None:
    assert exposed(spot(BTC="1"), equity=equity).gross_share is None


@pytest.mark.parametrize(
    "reading",
    [spot(ODD="1"), futures(position("1", kind=ContractKind.OPTION)), futures(position("1", settle="ODD"))],
)
def test_unknown_part_makes_totals_unknown_not_flat(reading: tuple[Account, WalletReading]) -> None:
    book = exposed(spot(BTC="1"), reading)
    assert all(math.isnan(total) for total in (book.net, book.gross, book.long, book.short, book.gross_instrument))
    assert book.gross_share is None


def test_one_position_in_reporting_currency() -> None:
    prices = {"USDT": price("USDT", 0.5), "USD": price("USD", 2.0)}
    linear, inverse = position("-2"), position("3", kind=ContractKind.INVERSE, settle="BTC")
    assert position_exposure(linear, prices, currency="EUR") == -50_000.0
    assert position_exposure(inverse, prices, currency="EUR") == 300_000.0
    assert position_exposure(inverse, {}, currency="EUR") is None
    assert mark_price(inverse, {}, currency="USD") == 50_000.0
    assert position_pnl(linear, prices) == 3.5
    assert position_pnl(inverse, prices) is None


quantities = st.decimals(min_value=-1_000, max_value=1_000, places=4, allow_nan=False).map(str)


@given(st.lists(st.tuples(st.sampled_from(["BTC", "ETH"]), quantities, quantities), max_size=6))
def test_gross_is_never_below_net(rows: list[tuple[str, str, str]]) -> None:
    readings = []
    for asset, held, contracts in rows:
        mark = str(PRICES["binance"][asset].price)
        readings += [spot(**{asset: held}), futures(position(contracts, mark=mark, underlying=asset))]
    book = exposed(*readings)
    tolerance = 1e-9 * (1.0 + book.gross_instrument)
    assert abs(book.net) <= book.gross + tolerance
    assert book.gross <= book.gross_instrument + tolerance
    assert book.net == pytest.approx(book.long - book.short, abs=tolerance)


def test_transfer_between_own_accounts_changes_nothing() -> None:
    okx = (OKX, WalletReading(Wallet.FUNDING, (Balance("BTC", Decimal("0.4")),)))
    assert exposed(spot(BTC="0.6"), okx).net == exposed(spot(BTC="1")).net


def test_a_written_call_is_short_by_its_delta() -> None:
    call = replace(position("-2", kind=ContractKind.OPTION, mark="900"), delta=Decimal("0.25"))
    assert position_exposure(call, PRICES["binance"], currency="USD") == -2 * 0.25 * 50_000
    assert exposed(futures(call)).net == -25_000.0
    assert position_exposure(replace(call, delta=None), PRICES["binance"], currency="USD") is None


def test_an_option_paid_in_its_coin_is_exposed_by_what_its_balance_leaves_out() -> None:
    """Revalued by hand: 1 BTC of cash and a bought call, worth 0.06 BTC at 50,100 and 10 USD more at 50,120."""
    call = replace(position("1", kind=ContractKind.OPTION, mark="0.06", settle="BTC"), delta=Decimal("0.5"))
    held = WalletReading(Wallet.TRADING, (Balance("BTC", Decimal("1.06")),), (call,))
    exact = (1.0 * 50_120 + 3_016.0) - (1.0 * 50_100 + 3_006.0)
    assert exposed((OKX, held)).net * (20 / 50_100) == pytest.approx(exact, rel=1e-12)
    assert position_exposure(call, PRICES["okx"], currency="USD") == pytest.approx((0.5 - 0.06) * 50_100)


def test_a_bot_is_told_apart_and_in_no_other_figure() -> None:
    bot = WalletReading(Wallet.BOTS, (Balance("BTC", Decimal(1), holding=Holding.OPAQUE),))
    book = exposed((BINANCE, bot))
    assert (book.opaque, book.gross, book.underlyings) == (50_000.0, 0.0, ())
