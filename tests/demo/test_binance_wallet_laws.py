"""Laws of the wallet map: whatever a book does, its rows and the map tell the same worth."""

from __future__ import annotations

from decimal import Decimal

from hand_written import FREE_OF_CHARGE, NOW, OPENED, Bench, fund, open_bench, pair
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.demo.instruments import INVERSE, LINEAR, by_symbol
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.models.accounts import Wallet

CROSS, ISOLATED = Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN
MAP = "/sapi/v1/asset/wallet/balance"
units = st.decimals("0.00000001", "5", places=8)
prices = st.decimals("1000", "9000", places=2)
debts = st.lists(st.tuples(st.sampled_from(["BTC", "ETH", "USDT"]), units, units), max_size=4)
trades = st.lists(st.tuples(st.sampled_from(["buy", "sell"]), units, prices), max_size=4)


def _owe(bench: Bench, wallet: Wallet, owed: list[tuple[str, Decimal, Decimal]], slot: str = "") -> None:
    for asset, borrowed, interest in owed:
        bench.book.borrow(OPENED, wallet, asset, borrowed, pair=slot)
        bench.book.accrue(OPENED, wallet, asset, interest, pair=slot)


@settings(max_examples=40, deadline=None)
@given(cross=debts, isolated=debts, made=trades)
def test_margin_rows_and_the_map_agree(
    cross: list[tuple[str, Decimal, Decimal]],
    isolated: list[tuple[str, Decimal, Decimal]],
    made: list[tuple[str, Decimal, Decimal]],
) -> None:
    bench = open_bench(CROSS, ISOLATED)
    fund(bench, CROSS, "USDT", "1000")
    fund(bench, ISOLATED, "USDT", "1000", isolated="ETHUSDT")
    _owe(bench, CROSS, cross)
    _owe(bench, ISOLATED, [row for row in isolated if row[0] != "BTC"], "ETHUSDT")
    for side, size, price in made:
        for wallet in (CROSS, ISOLATED):
            bench.book.trade(OPENED, wallet, pair("ETHUSDT"), side, size, price, fee_rate=FREE_OF_CHARGE)

    account, told = bench.ask("/sapi/v1/margin/account"), bench.told(MAP)
    rows = account["userAssets"]
    net = sum((Decimal(row["netAsset"]) * bench.usdt(row["asset"]) for row in rows), Decimal(0))
    sides = [one[name] for one in _pairs(bench) for name in ("baseAsset", "quoteAsset")]
    inside = sum((Decimal(row["netAsset"]) * bench.usdt(row["asset"]) for row in sides), Decimal(0))

    assert abs(net - Decimal(told["Cross Margin"])) < Decimal("1e-7")
    assert abs(inside - Decimal(told["Isolated Margin"])) < Decimal("1e-7")
    total, debt = Decimal(account["totalAssetOfBtc"]), Decimal(account["totalLiabilityOfBtc"])
    assert abs(total - debt - Decimal(account["totalNetAssetOfBtc"])) <= Decimal("2e-8")


def _pairs(bench: Bench) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = bench.ask("/sapi/v1/margin/isolated/account")["assets"]
    return found


@settings(max_examples=40, deadline=None)
@given(owed=debts, linear=trades, inverse=st.lists(st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 99))))
def test_portfolio_margin_is_one_equity(
    owed: list[tuple[str, Decimal, Decimal]],
    linear: list[tuple[str, Decimal, Decimal]],
    inverse: list[tuple[str, int]],
) -> None:
    bench = open_bench(Wallet.PORTFOLIO_MARGIN, portfolio_margin=True)
    for wallet, asset in ((CROSS, "USDT"), (Wallet.USD_M, "USDT"), (Wallet.COIN_M, "ETH")):
        fund(bench, wallet, asset, "500")
    _owe(bench, CROSS, owed)
    one, other = by_symbol("binance", LINEAR)["ETHUSDT"], by_symbol("binance", INVERSE)["ETHUSD_PERP"]
    for side, size, price in linear:
        bench.book.trade(OPENED, Wallet.USD_M, one, side, size, price, fee_rate=FREE_OF_CHARGE)
    for side, contracts in inverse:
        price = bench.market.mark("binance", "ETHUSD_PERP", INVERSE, OPENED)
        bench.book.trade(OPENED, Wallet.COIN_M, other, side, Decimal(contracts), price, fee_rate=FREE_OF_CHARGE)

    (truth,) = (
        part
        for part in account_truth(bench.account, bench.market, NOW).wallets
        if part.wallet is Wallet.PORTFOLIO_MARGIN
    )
    told, account = bench.told(MAP), bench.ask("/papi/v1/account")
    inner = sum(Decimal(told[name]) for name in ("Cross Margin (PM)", "USDⓈ-M Futures", "COIN-M Futures"))

    assert truth.equity is not None
    assert abs(Decimal(account["actualEquity"]) - truth.equity) < Decimal("1e-6")
    assert abs(inner * bench.market.usdt_usd("binance", NOW) - truth.equity) < Decimal("1e-6")
    assert Decimal(account["accountEquity"]) <= Decimal(account["actualEquity"])
