"""Binance's wallets by hand: margin net of debt, options, portfolio margin, earn, loans, opaque ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from portfolio_lab.errors import AnswerShapeError, WalletRefusedError
from portfolio_lab.exchanges import AccountReader
from portfolio_lab.models.accounts import KNOWN_WALLETS, Wallet
from portfolio_lab.models.holdings import Balance, ContractKind, Holding, WalletReading

Open = Callable[[str], Awaitable[AccountReader]]
Read = Callable[[Wallet], Awaitable[WalletReading]]

D = Decimal

CROSS, ISOLATED = "/sapi/v1/margin/account", "/sapi/v1/margin/isolated/account"
OPTIONS, PM = "/eapi/v1/marginAccount", "/papi/v1/balance"
FLEXIBLE, LOCKED = "/sapi/v1/simple-earn/flexible/position", "/sapi/v1/simple-earn/locked/position"
LOANS, WALLETS = "/sapi/v2/loan/flexible/ongoing/orders", "/sapi/v1/asset/wallet/balance"


@pytest.fixture
def read(reader_of: Open) -> Read:
    async def one(wallet: Wallet) -> WalletReading:
        return await (await reader_of("binance")).fetch_wallet(wallet)

    return one


def coin(asset: str, free: str, locked: str, borrowed: str, interest: str, net: str) -> dict[str, str]:
    row = {"asset": asset, "free": free, "locked": locked, "borrowed": borrowed}
    return {**row, "interest": interest, "netAsset": net}


def parts(row: Balance) -> dict[str, Decimal]:
    return dict(row.components)


def test_every_known_wallet_has_a_reader() -> None:
    from portfolio_lab.exchanges.binance import portfolio  # noqa: PLC0415 - only this test needs it

    assert set(portfolio.READERS) == set(KNOWN_WALLETS["binance"])


# ---------------------------------------------------------------- spot


async def test_a_receipt_for_savings_is_told_from_a_coin(read: Read, wire: Any) -> None:
    symbols = wire.answers["/api/v3/exchangeInfo"]["symbols"]
    symbols.append({"symbol": "LDOUSDT", "baseAsset": "LDO", "quoteAsset": "USDT"})
    row = wire.answers["/sapi/v3/asset/getUserAsset"][0]
    wire.answers["/sapi/v3/asset/getUserAsset"] = [{**row, "asset": name} for name in ("LDUSDT", "LDO", "LDGONE", "LD")]
    reading = await read(Wallet.SPOT)
    fallbacks = {balance.asset: balance.holding for balance in reading.balances}
    assert fallbacks == {
        "LDUSDT": Holding.LD_FALLBACK,
        "LDO": Holding.HELD,
        "LDGONE": Holding.HELD,
        "LD": Holding.HELD,
    }


async def test_the_parts_of_a_coin_are_kept(read: Read, wire: Any) -> None:
    wire.answers["/sapi/v3/asset/getUserAsset"][0]["ipoable"] = "7"
    (row,) = (await read(Wallet.SPOT)).balances
    assert row.quantity == D("1.875")
    assert parts(row) == {
        "free": D(1),
        "locked": D("0.5"),
        "freeze": D("0.25"),
        "withdrawing": D("0.125"),
        "ipoable": D(7),
    }


@pytest.mark.parametrize("field", ["free", "locked", "freeze", "withdrawing"])
async def test_a_negative_part_of_a_coin_is_refused(read: Read, wire: Any, field: str) -> None:
    wire.answers["/sapi/v3/asset/getUserAsset"][0][field] = "-0.1"
    with pytest.raises(AnswerShapeError, match=field) as refusal:
        await read(Wallet.SPOT)
    assert refusal.value.path == f"[BTC].{field}"


# ---------------------------------------------------------------- margin


async def test_a_margin_debt_is_subtracted(read: Read, wire: Any) -> None:
    rows = [coin("USDT", "1000", "0", "400", "1", "599"), coin("ETH", "0", "0", "2", "0.01", "-2.01")]
    rows += [coin("BNB", "0", "0", "0", "0", "0"), coin("XRP", "5", "0", "5", "0", "0")]
    wire.answers[CROSS] = {"created": True, "totalNetAssetOfBtc": "0.1", "userAssets": rows}
    reading = await read(Wallet.CROSS_MARGIN)
    assert [(row.asset, row.quantity) for row in reading.balances] == [
        ("USDT", D(599)),
        ("ETH", D("-2.01")),
        ("XRP", D(0)),
    ]
    first = reading.balances[0]
    assert parts(first) == {"free": D(1000), "locked": D(0), "borrowed": D(400), "interest": D(1)}
    assert (first.wallet_balance, first.unrealised_pnl, first.available) == (None, None, D(1000))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"netAsset": "1000"}, "userAssets[USDT].netAsset"),
        ({"borrowed": "-400", "netAsset": "1399"}, "userAssets[USDT].borrowed"),
        ({"interest": "NaN"}, "userAssets[USDT].interest"),
    ],
)
async def test_a_margin_row_that_contradicts_itself_is_refused(
    read: Read, wire: Any, change: dict[str, str], path: str
) -> None:
    row = {**coin("USDT", "1000", "0", "400", "1", "599"), **change}
    wire.answers[CROSS] = {"created": True, "totalNetAssetOfBtc": "0.1", "userAssets": [row]}
    with pytest.raises(AnswerShapeError) as refusal:
        await read(Wallet.CROSS_MARGIN)
    assert refusal.value.path == path


async def test_a_total_without_its_assets_is_refused(read: Read, wire: Any) -> None:
    wire.answers[CROSS] = {"totalNetAssetOfBtc": "0.1", "userAssets": [coin("USDT", "0", "0", "0", "0", "0")]}
    with pytest.raises(AnswerShapeError, match="net asset"):
        await read(Wallet.CROSS_MARGIN)


async def test_a_margin_account_that_was_never_opened_is_refused_not_empty(read: Read, wire: Any) -> None:
    wire.answers[CROSS] = {"created": False, "totalNetAssetOfBtc": "0", "userAssets": []}
    with pytest.raises(WalletRefusedError):
        await read(Wallet.CROSS_MARGIN)
    wire.say(CROSS, 400, b'{"code":-3003,"msg":"Margin account does not exist."}')
    with pytest.raises(WalletRefusedError) as refusal:
        await read(Wallet.CROSS_MARGIN)
    assert refusal.value.code == "permission"


async def test_isolated_pairs_keep_their_own_rows(read: Read, wire: Any) -> None:
    first = {"symbol": "BTCUSDT", "baseAsset": coin("BTC", "0.1", "0.05", "0", "0", "0.15")}
    first["quoteAsset"] = coin("USDT", "100", "0", "5000", "2", "-4902")
    second = {**first, "symbol": "ETHUSDT", "baseAsset": coin("ETH", "0", "0", "0", "0", "0")}
    wire.answers[ISOLATED] = {"assets": [first, second], "totalNetAssetOfBtc": "0.05"}
    reading = await read(Wallet.ISOLATED_MARGIN)
    assert [(row.pair, row.asset, row.quantity) for row in reading.balances] == [
        ("BTCUSDT", "BTC", D("0.15")),
        ("BTCUSDT", "USDT", D(-4902)),
        ("ETHUSDT", "USDT", D(-4902)),
    ]


async def test_one_pair_twice_is_refused(read: Read, wire: Any) -> None:
    pair = {"symbol": "BTCUSDT", "baseAsset": coin("BTC", "1", "0", "0", "0", "1")}
    pair["quoteAsset"] = coin("USDT", "1", "0", "0", "0", "1")
    wire.answers[ISOLATED] = {"assets": [pair, pair], "totalNetAssetOfBtc": "1"}
    with pytest.raises(AnswerShapeError, match="two rows"):
        await read(Wallet.ISOLATED_MARGIN)


# ---------------------------------------------------------------- futures


def asset(name: str, cash: str, unrealised: str, margin: str) -> dict[str, str]:
    row = {"asset": name, "walletBalance": cash, "unrealizedProfit": unrealised}
    return {**row, "marginBalance": margin, "availableBalance": "0"}


async def test_multi_asset_mode_counts_every_asset_and_no_total(read: Read, wire: Any) -> None:
    account = wire.answers["/fapi/v3/account"]
    account |= {"totalMarginBalance": "99999", "totalWalletBalance": "1"}
    account["assets"] = [
        asset("USDT", "1380", "-500", "880"),
        asset("USDC", "250", "0", "250"),
        asset("BTC", "0.1", "0", "0.1"),
        asset("BFUSD", "200", "0", "200"),
        asset("LDUSDT", "70", "0", "70"),
        asset("BNB", "0", "0", "0"),
    ]
    reading = await read(Wallet.USD_M)
    assert {row.asset: row.quantity for row in reading.balances} == {
        "USDT": D(880),
        "USDC": D(250),
        "BTC": D("0.1"),
        "BFUSD": D(200),
        "LDUSDT": D(70),
    }
    assert all(row.holding is Holding.HELD for row in reading.balances)


async def test_the_pnl_of_an_asset_is_that_of_its_positions(read: Read, wire: Any) -> None:
    wire.answers["/fapi/v3/account"]["positions"][0]["unrealizedProfit"] = "-499"
    with pytest.raises(AnswerShapeError, match="positions") as refusal:
        await read(Wallet.USD_M)
    assert refusal.value.path == "assets[USDT].unrealizedProfit"


async def test_a_pnl_without_its_asset_is_refused(read: Read, wire: Any) -> None:
    wire.answers["/fapi/v3/account"]["assets"] = [asset("USDC", "1000", "0", "1000")]
    with pytest.raises(AnswerShapeError, match="positions"):
        await read(Wallet.USD_M)


async def test_european_credits_take_the_pnl_of_all_contracts(read: Read, wire: Any) -> None:
    wire.answers["/fapi/v3/account"]["assets"] = [asset("BNFCR", "1000", "-500", "500")]
    (row,) = (await read(Wallet.USD_M)).balances
    assert (row.asset, row.quantity) == ("BNFCR", D(500))


async def test_a_position_that_got_lost_between_two_answers_is_missed(read: Read, wire: Any) -> None:
    held = wire.answers["/fapi/v3/account"]["positions"]
    held.append({**held[0], "symbol": "ETHUSDT", "unrealizedProfit": "0"})
    with pytest.raises(AnswerShapeError, match="does not list ETHUSDT"):
        await read(Wallet.USD_M)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positionAmt": "0.5"}, "size, entry and mark"),
        ({"positionAmt": "0.5", "unRealizedProfit": "500"}, "contradict"),
        ({"unRealizedProfit": "500"}, "size, entry and mark"),
        ({"entryPrice": "62000"}, "size, entry and mark"),
        ({"markPrice": "610000"}, "size, entry and mark"),
    ],
)
async def test_a_position_that_contradicts_itself_is_refused(
    read: Read, wire: Any, changes: dict[str, str], message: str
) -> None:
    wire.answers["/fapi/v3/positionRisk"][0] |= changes
    with pytest.raises(AnswerShapeError, match=message):
        await read(Wallet.USD_M)


# ---------------------------------------------------------------- options

OPTION = {
    "symbol": "BTC-261225-90000-C",
    "side": "SHORT",
    "quantity": "-0.1",
    "entryPrice": "1000",
    "markPrice": "1050.0138",
    "markValue": "105.00138",
    "unrealizedPNL": "-5.00138",
    "quoteAsset": "USDT",
}


def options(wire: Any, equity: str, margin: str, **changes: str) -> None:
    account = {"asset": "USDT", "marginBalance": margin, "equity": equity, "available": "8000"}
    wire.answers[OPTIONS] = {"asset": [{**account, "unrealizedPNL": "-5.00138"}]}
    wire.answers["/eapi/v1/position"] = [{**OPTION, **changes}]
    wire.answers["/eapi/v1/mark"] = [
        {"symbol": "BTC-261225-90000-C", "delta": "0.55937056"},
        {"symbol": "ETH-1-P", "delta": "-1"},
    ]
    family = {"baseAsset": "BTC", "quoteAsset": "USDT", "underlying": "BTCUSDT", "settleAsset": "USDT"}
    option = {"symbol": "BTC-261225-90000-C", "underlying": "BTCUSDT", "unit": 1}
    wire.answers["/eapi/v1/exchangeInfo"] = {"optionContracts": [family], "optionSymbols": [option]}


@pytest.mark.parametrize(
    ("equity", "margin", "cash"),
    [("10094.44662", "10099.448", "10099.448"), ("994.99862", "1100", "1000")],
    ids=["margin balance + PnL", "margin balance + market value"],
)
async def test_options_are_worth_their_stated_equity(
    read: Read, wire: Any, equity: str, margin: str, cash: str
) -> None:
    options(wire, equity, margin)
    reading = await read(Wallet.OPTIONS)
    (row,) = reading.balances
    assert (row.quantity, row.wallet_balance, row.unrealised_pnl) == (D(equity), D(cash), D("-5.00138"))
    assert parts(row) == {"margin_balance": D(margin), "market_value": D("-105.00138")}


async def test_a_written_option_is_short_and_has_a_delta(read: Read, wire: Any) -> None:
    options(wire, "10094.44662", "10099.448")
    (position,) = (await read(Wallet.OPTIONS)).positions
    assert (position.kind, position.side, position.underlying) == (ContractKind.OPTION, "net", "BTC")
    assert (position.quantity, position.contracts, position.mark_price) == (D("-0.1"), D("0.1"), D("1050.0138"))
    assert (position.delta, position.settle_asset) == (D("0.55937056"), "USDT")


async def test_an_option_without_a_mark_has_no_known_delta(read: Read, wire: Any) -> None:
    options(wire, "10094.44662", "10099.448")
    wire.answers["/eapi/v1/mark"].pop(0)
    (position,) = (await read(Wallet.OPTIONS)).positions
    assert position.delta is None


@pytest.mark.parametrize("delta", ["-0.5", "3", "NaN", ""])
async def test_a_delta_that_no_call_has_is_refused(read: Read, wire: Any, delta: str) -> None:
    options(wire, "10094.44662", "10099.448")
    wire.answers["/eapi/v1/mark"][0]["delta"] = delta
    with pytest.raises(AnswerShapeError, match="delta"):
        await read(Wallet.OPTIONS)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"side": "LONG"}, "[BTC-261225-90000-C].side"),
        ({"side": "BOTH"}, "[BTC-261225-90000-C].side"),
        ({"markValue": "1050"}, "[BTC-261225-90000-C].markValue"),
        ({"unrealizedPNL": "95"}, "[BTC-261225-90000-C].unrealizedPNL"),
        ({"entryPrice": "500", "unrealizedPNL": "-55.00138"}, "asset[USDT].unrealizedPNL"),
        ({"quoteAsset": "USDC"}, "asset"),
    ],
)
async def test_options_that_contradict_themselves_are_refused(
    read: Read, wire: Any, changes: dict[str, str], path: str
) -> None:
    options(wire, "10094.44662", "10099.448", **changes)
    with pytest.raises(AnswerShapeError) as refusal:
        await read(Wallet.OPTIONS)
    assert refusal.value.path == path


async def test_an_equity_of_options_that_nothing_explains_is_refused(read: Read, wire: Any) -> None:
    options(wire, "12000", "10099.448")
    with pytest.raises(AnswerShapeError) as refusal:
        await read(Wallet.OPTIONS)
    assert refusal.value.path == "asset[USDT].equity"


async def test_an_options_wallet_without_options_asks_for_no_marks(read: Read, wire: Any) -> None:
    row = {"asset": "USDT", "marginBalance": "50", "equity": "50", "available": "50", "unrealizedPNL": "0"}
    wire.answers[OPTIONS] = {"asset": [row]}
    wire.answers["/eapi/v1/position"] = []
    reading = await read(Wallet.OPTIONS)
    assert [(one.asset, one.quantity) for one in reading.balances] == [("USDT", D(50))]
    assert wire.count("/eapi/v1/mark") == 0


# ---------------------------------------------------------------- portfolio margin


def portfolio(wire: Any, **changes: str) -> None:
    row = {
        "asset": "USDT",
        "totalWalletBalance": "136.03451668",
        "crossMarginFree": "20.6003261",
        "crossMarginLocked": "10",
        "crossMarginBorrowed": "5",
        "crossMarginInterest": "0.1",
        "umWalletBalance": "105.43419058",
        "umUnrealizedPNL": "-10",
        "cmWalletBalance": "0",
        "cmUnrealizedPNL": "",
        "negativeBalance": "0",
    }
    wire.answers[PM] = [{**row, **changes}]
    linear = {**wire.answers["/fapi/v3/positionRisk"][0], "positionAmt": "-0.01", "unRealizedProfit": "-10"}
    linear.pop("marginAsset")
    wire.answers["/papi/v1/um/positionRisk"] = [linear]
    wire.answers["/papi/v1/cm/positionRisk"] = []


async def test_portfolio_margin_is_net_of_debt_and_holds_the_pnl(read: Read, wire: Any) -> None:
    portfolio(wire)
    reading = await read(Wallet.PORTFOLIO_MARGIN)
    (row,) = reading.balances
    assert row.quantity == D("120.93451668")
    assert (row.wallet_balance, row.unrealised_pnl) == (D("130.93451668"), D(-10))
    assert parts(row)["borrowed"] == D(5)
    assert [(one.instrument, one.quantity, one.settle_asset) for one in reading.positions] == [
        ("BTCUSDT", D("-0.01"), "USDT")
    ]
    assert len(reading.answers) == 3


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"totalWalletBalance": "146.03451668"}, "[USDT].totalWalletBalance"),
        ({"umUnrealizedPNL": ""}, "[USDT].umUnrealizedPNL"),
        ({"umUnrealizedPNL": "-60"}, "[USDT].umUnrealizedPNL"),
        ({"cmUnrealizedPNL": "3"}, "[USDT].cmUnrealizedPNL"),
        ({"crossMarginInterest": "-0.1"}, "[USDT].crossMarginInterest"),
        ({"asset": "BTC"}, "asset"),
    ],
)
async def test_portfolio_margin_that_contradicts_itself_is_refused(
    read: Read, wire: Any, changes: dict[str, str], path: str
) -> None:
    portfolio(wire, **changes)
    with pytest.raises(AnswerShapeError) as refusal:
        await read(Wallet.PORTFOLIO_MARGIN)
    assert refusal.value.path == path


async def test_the_pnl_of_coin_margined_contracts_counts_as_well(read: Read, wire: Any) -> None:
    wallets = {"crossMarginFree": "0", "crossMarginLocked": "0", "umWalletBalance": "0", "cmWalletBalance": "2"}
    debts = {"crossMarginBorrowed": "0", "crossMarginInterest": "0"}
    pnl = {"umUnrealizedPNL": "0", "cmUnrealizedPNL": "0.1", "totalWalletBalance": "2"}
    portfolio(wire, asset="BTC", **wallets, **debts, **pnl)
    wire.answers["/papi/v1/um/positionRisk"] = []
    wire.answers["/papi/v1/cm/positionRisk"] = wire.answers["/dapi/v1/positionRisk"]
    reading = await read(Wallet.PORTFOLIO_MARGIN)
    assert [(row.asset, row.quantity) for row in reading.balances] == [("BTC", D("2.1"))]
    assert [one.kind for one in reading.positions] == [ContractKind.INVERSE]


async def test_an_empty_portfolio_margin_is_not_believed_against_its_equity(read: Read, wire: Any) -> None:
    portfolio(wire)
    wire.answers |= {PM: [], "/papi/v1/um/positionRisk": []}
    wire.answers["/papi/v1/account"] = {"actualEquity": "0.00", "accountStatus": "NORMAL"}
    assert (await read(Wallet.PORTFOLIO_MARGIN)).balances == ()
    wire.answers["/papi/v1/account"]["actualEquity"] = "120.93"
    with pytest.raises(AnswerShapeError, match="equity"):
        await read(Wallet.PORTFOLIO_MARGIN)


# ---------------------------------------------------------------- earn and loans


def flexible(asset: str, amount: str, number: int = 1) -> dict[str, str]:
    return {"asset": asset, "productId": f"{asset}{number:03}", "totalAmount": amount, "collateralAmount": "3"}


def earn(wire: Any, rows: list[Any], locked: list[Any]) -> None:
    pages = {FLEXIBLE: rows, LOCKED: locked}

    async def page(request: web.Request) -> web.Response:
        current, size = int(request.query["current"]), int(request.query["size"])
        found = pages[request.path]
        return web.json_response({"rows": found[(current - 1) * size : current * size], "total": len(found)})

    wire.answers |= {FLEXIBLE: page, LOCKED: page}
    holdings = {"wbethAmount": "0", "bethAmount": "0"}
    wire.answers["/sapi/v2/eth-staking/account"] = {"holdingInETH": "0", "holdings": holdings}
    wire.answers["/sapi/v1/sol-staking/account"] = {"bnsolAmount": "0", "holdingInSOL": "0"}


async def test_earn_is_flexible_and_locked_by_asset(read: Read, wire: Any) -> None:
    locked = [{"positionId": number, "asset": "AXS", "amount": "10.5"} for number in (1, 2)]
    locked.append({"positionId": "3", "asset": "USDT", "amount": "4"})
    earn(wire, [flexible("USDT", "75.46"), flexible("BNB", "0")], locked)
    reading = await read(Wallet.EARN)
    assert {row.asset: row.quantity for row in reading.balances} == {"USDT": D("79.46"), "BNB": D(0), "AXS": D(21)}
    usdt = next(row for row in reading.balances if row.asset == "USDT")
    assert parts(usdt) == {"flexible": D("75.46"), "collateral": D(3), "locked": D(4)}


async def test_all_pages_of_earn_are_read(read: Read, wire: Any) -> None:
    earn(wire, [flexible("USDT", "1", number) for number in range(250)], [])
    (row,) = (await read(Wallet.EARN)).balances
    assert row.quantity == D(250)
    assert wire.count(FLEXIBLE) == 3


async def test_pages_that_end_before_their_total_are_refused(read: Read, wire: Any) -> None:
    earn(wire, [flexible("USDT", "1")], [])
    wire.answers[FLEXIBLE] = {"rows": [flexible("USDT", "1")], "total": 2}
    with pytest.raises(AnswerShapeError, match="1 of 2"):
        await read(Wallet.EARN)


async def test_a_page_that_comes_twice_is_refused(read: Read, wire: Any) -> None:
    earn(wire, [], [])
    wire.answers[FLEXIBLE] = {"rows": [flexible("USDT", "1", number) for number in range(100)], "total": 200}
    with pytest.raises(AnswerShapeError, match="two rows"):
        await read(Wallet.EARN)


@pytest.mark.parametrize(
    ("worth", "wrapped", "plain", "ratio"),
    [
        ("1.1", "1", "0", D("1.1")),
        ("1.1", "1", "0.5", D("1.1")),  # without BETH it would be 0.6: impossible
        ("6.1", "1", "5", D("1.1")),  # with BETH inside it would be 6.1: impossible
        ("1.15", "1", "0.1", None),  # both 1.15 and 1.05 are possible
        ("0.00000011", "0.0000001", "0", None),
        ("3", "1", "0", None),
    ],
)
async def test_a_staking_account_tells_a_ratio_and_no_balance(
    read: Read, wire: Any, worth: str, wrapped: str, plain: str, ratio: Decimal | None
) -> None:
    earn(wire, [], [])
    holdings = {"wbethAmount": wrapped, "bethAmount": plain}
    wire.answers["/sapi/v2/eth-staking/account"] = {"holdingInETH": worth, "holdings": holdings}
    reading = await read(Wallet.EARN)
    assert reading.balances == ()
    assert [(one.base, one.quote, one.price) for one in reading.ratios] == ([("WBETH", "ETH", ratio)] if ratio else [])


async def test_an_account_that_never_staked_has_earn_all_the_same(read: Read, wire: Any) -> None:
    earn(wire, [flexible("USDT", "1")], [])
    wire.say("/sapi/v2/eth-staking/account", 400, b'{"code":-1002,"msg":"not authorised"}')
    wire.answers["/sapi/v1/sol-staking/account"] = {"bnsolAmount": "10", "holdingInSOL": "11.2"}
    reading = await read(Wallet.EARN)
    assert [(one.base, one.price) for one in reading.ratios] == [("BNSOL", D("1.12"))]


async def test_a_loan_is_a_debt_and_its_collateral(read: Read, wire: Any) -> None:
    first = {"loanCoin": "USDT", "totalDebt": "10000", "collateralCoin": "BNB", "collateralAmount": "49.27"}
    second = {"loanCoin": "USDT", "totalDebt": "5", "collateralCoin": "USDT", "collateralAmount": "7"}
    wire.answers[LOANS] = {"rows": [first, second], "total": 2}
    reading = await read(Wallet.LOANS)
    assert {row.asset: row.quantity for row in reading.balances} == {"USDT": D(-9998), "BNB": D("49.27")}
    assert parts(reading.balances[0]) == {"borrowed": D(10005), "collateral": D(7)}


async def test_all_pages_of_loans_are_read(read: Read, wire: Any) -> None:
    rows = [{"loanCoin": f"C{number}", "totalDebt": "1", "collateralCoin": "BNB"} for number in range(130)]

    async def page(request: web.Request) -> web.Response:
        current, size = int(request.query["current"]), int(request.query.get("limit", "10"))
        found = [{**row, "collateralAmount": "2"} for row in rows[(current - 1) * size : current * size]]
        return web.json_response({"rows": found, "total": len(rows)})

    wire.answers[LOANS] = page
    reading = await read(Wallet.LOANS)
    assert sum(row.quantity for row in reading.balances) == D(130)
    assert wire.count(LOANS) == 2


# ---------------------------------------------------------------- opaque wallets


async def test_bots_are_worth_what_the_venue_says(read: Read, wire: Any) -> None:
    names = {"Trading Bots": "1234.5", "Copy Trading": "0", "Spot": "9"}
    wire.answers[WALLETS] = [{"activate": True, "balance": text, "walletName": name} for name, text in names.items()]
    (row,) = (await read(Wallet.BOTS)).balances
    assert (row.asset, row.quantity, row.holding) == ("USDT", D("1234.5"), Holding.OPAQUE)
    assert wire.asked[-1].query["quoteAsset"] == "USDT"
    assert (await read(Wallet.COPY_TRADING)).balances == ()


@pytest.mark.parametrize("rows", [[], [{"activate": False, "balance": "0", "walletName": "Trading Bots"}]])
async def test_bots_that_were_never_opened_are_refused_not_empty(read: Read, wire: Any, rows: list[Any]) -> None:
    wire.answers[WALLETS] = [{"activate": True, "balance": "0", "walletName": "Spot"}, *rows]
    with pytest.raises(WalletRefusedError):
        await read(Wallet.BOTS)
