"""Spot with what is leaving it, the wallet map, futures modes, and who an account is."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hand_written import FREE_OF_CHARGE, NOW, OPENED, Bench, fund, open_bench, row_of

from portfolio_lab.demo.binance import SWITCHES_PATH
from portfolio_lab.demo.instruments import LINEAR, by_symbol
from portfolio_lab.demo.wire import Asked
from portfolio_lab.models.accounts import Wallet

MAP = "/sapi/v1/asset/wallet/balance"
NAMES = [
    "Spot",
    "Funding",
    "Cross Margin",
    "Cross Margin (PM)",
    "Isolated Margin",
    "USDⓈ-M Futures",
    "COIN-M Futures",
    "Earn",
    "Options",
    "Trading Bots",
    "Copy Trading",
]


def _switch(bench: Bench, method: str, changes: object = None) -> int:
    body = b"" if changes is None else json.dumps(changes).encode()
    return bench.venue.answer(Asked(method, SWITCHES_PATH, "", {}, body, "::1", NOW, NOW)).status


# ---------------------------------------------------------------- spot


def test_what_is_being_withdrawn_is_ours_until_it_has_left() -> None:
    bench = open_bench()
    fund(bench, Wallet.SPOT, "USDT", "1000")
    leaving = {"fee": Decimal(1), "network": "DEMO", "txid": "out"}
    bench.book.withdraw(OPENED, Wallet.SPOT, "USDT", Decimal(199), completed_at=NOW + 1, **leaving)

    row = row_of(bench.ask("/sapi/v3/asset/getUserAsset", "POST"), asset="USDT")

    assert (row["free"], row["locked"], row["freeze"], row["withdrawing"]) == ("800", "0", "0", "200")
    assert row_of(bench.ask("/api/v3/account")["balances"], asset="USDT")["free"] == "800.00000000"
    assert bench.told(MAP)["Spot"] == "1000"


def test_a_completed_withdrawal_is_gone() -> None:
    bench = open_bench()
    fund(bench, Wallet.SPOT, "USDT", "1000")
    leaving = {"fee": Decimal(1), "network": "DEMO", "txid": "out"}
    bench.book.withdraw(OPENED, Wallet.SPOT, "USDT", Decimal(199), completed_at=NOW, **leaving)
    bench.book.fund_until(NOW)

    row = row_of(bench.ask("/sapi/v3/asset/getUserAsset", "POST"), asset="USDT")

    assert (row["free"], row["withdrawing"]) == ("800", "0")
    assert bench.told(MAP)["Spot"] == "800"


def test_what_the_venue_holds_back_is_frozen_and_missing_from_the_plain_account() -> None:
    bench = open_bench()
    fund(bench, Wallet.SPOT, "USDT", "1000")
    fund(bench, Wallet.FUNDING, "USDT", "10")
    assert _switch(bench, "POST", {"frozen": {"USDT": "150.5"}}) == 200

    row = row_of(bench.ask("/sapi/v3/asset/getUserAsset", "POST"), asset="USDT")
    other = row_of(bench.ask("/sapi/v1/asset/get-funding-asset", "POST"), asset="USDT")

    assert (row["free"], row["freeze"]) == ("849.5", "150.5")
    assert (other["free"], other["freeze"]) == ("0", "10")
    assert row_of(bench.ask("/api/v3/account")["balances"], asset="USDT")["free"] == "849.50000000"
    assert bench.told(MAP)["Spot"] == "1000"


def test_padding_adds_zero_rows_and_nothing_else() -> None:
    bench = open_bench()
    fund(bench, Wallet.SPOT, "USDT", "1000")
    before = bench.ask("/api/v3/account")["balances"]
    assert _switch(bench, "POST", {"padded_assets": 700}) == 200

    after = bench.ask("/api/v3/account")["balances"]

    assert after[: len(before)] == before
    assert len(after) == len(before) + 700
    assert all(row["free"] == row["locked"] == "0.00000000" for row in after[len(before) :])
    assert "LDO" in {row["asset"] for row in after}
    assert [row["asset"] for row in bench.ask("/api/v3/account", omitZeroBalances="true")["balances"]] == ["USDT"]
    assert _switch(bench, "DELETE") == 200
    assert bench.ask("/api/v3/account")["balances"] == before


@pytest.mark.parametrize(
    "changes",
    [
        *({"padded": 7}, {"padded_assets": -1}, {"padded_assets": True}, {"unknown_wallet": 3}),
        *({"unknown_worth": "x"}, {"frozen": {"USDT": "-1"}}, {"frozen": "1"}, 7),
    ],
)
def test_a_switch_that_is_none_is_refused(changes: object) -> None:
    assert _switch(open_bench(), "POST", changes) == 400


# ---------------------------------------------------------------- wallet map


def test_the_map_names_every_wallet_and_which_are_open() -> None:
    rows = open_bench(Wallet.USD_M, Wallet.EARN).ask(MAP)

    assert [row["walletName"] for row in rows] == NAMES
    assert [row["walletName"] for row in rows if row["activate"]] == ["Spot", "Funding", "USDⓈ-M Futures", "Earn"]
    assert {row["balance"] for row in rows} == {"0"}


def test_the_map_is_quoted_in_what_is_asked_for() -> None:
    bench = open_bench()
    fund(bench, Wallet.FUNDING, "BTC", "0.5")

    assert row_of(bench.ask(MAP), walletName="Funding")["balance"] == "0.5"
    in_ether = Decimal(row_of(bench.ask(MAP, quoteAsset="ETH"), walletName="Funding")["balance"])
    assert abs(in_ether - bench.usdt("BTC") / bench.usdt("ETH") / 2) < Decimal("1e-7")
    assert bench.refusal(MAP, quoteAsset="LOST") == (400, -1130)


def test_a_wallet_that_nobody_knows_can_appear() -> None:
    bench = open_bench()
    _switch(bench, "POST", {"unknown_wallet": "Gold Vault", "unknown_worth": "12.5"})

    assert bench.ask(MAP)[-1] == {"activate": True, "balance": "12.5", "walletName": "Gold Vault"}


# ---------------------------------------------------------------- futures modes


def _futures(**traits: bool) -> Bench:
    """1,000 USDT, 500 USDC, 0.02 BTC and 300 BFUSD of margin; +0.1 BTC against USDC."""
    bench = open_bench(Wallet.USD_M, **traits)
    for asset, amount in (("USDT", "1000"), ("USDC", "500"), ("BTC", "0.02"), ("BFUSD", "300")):
        fund(bench, Wallet.USD_M, asset, amount)
    one = by_symbol("binance", LINEAR)["BTCUSDC"]
    price = Decimal(95_000)
    bench.book.trade(OPENED, Wallet.USD_M, one, "buy", Decimal("0.1"), price, fee_rate=FREE_OF_CHARGE)
    return bench


def test_single_asset_totals_count_usdt_alone() -> None:
    bench = _futures()
    answer = bench.ask("/fapi/v3/account")

    assert answer["totalMarginBalance"] == answer["totalWalletBalance"] == "1000.00000000"
    assert answer["totalUnrealizedProfit"] == "0.00000000"
    assert row_of(answer["assets"], asset="BTC")["marginBalance"] == "0.02000000"
    assert Decimal(row_of(answer["assets"], asset="USDC")["unrealizedProfit"]) != 0
    assert bench.ask("/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}


def test_multi_asset_totals_are_usd_over_all_rows() -> None:
    bench = _futures(multi_asset=True)
    answer = bench.ask("/fapi/v3/account")
    summed = sum(
        Decimal(row["marginBalance"]) * (bench.market.coin_usd("binance", row["asset"], NOW) or 0)
        for row in answer["assets"]
    )

    assert abs(Decimal(answer["totalMarginBalance"]) - summed) < Decimal("1e-7")
    assert bench.ask("/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": True}
    assert bench.ask("/fapi/v2/account")["multiAssetsMargin"] is True
    assert bench.ask("/fapi/v1/accountConfig")["multiAssetsMargin"] is True


@pytest.mark.parametrize("multi_asset", [True, False])
def test_the_map_counts_every_asset_of_futures_in_both_modes(multi_asset: bool) -> None:  # noqa: FBT001 - a mode
    bench = _futures(multi_asset=multi_asset)
    rows = bench.ask("/fapi/v3/account")["assets"]
    summed = sum((Decimal(row["marginBalance"]) * bench.usdt(row["asset"]) for row in rows), Decimal(0))

    assert abs(Decimal(bench.told(MAP)["USDⓈ-M Futures"]) - summed) < Decimal("1e-7")


def test_a_contract_margined_in_usdc_has_its_own_row_of_risk() -> None:
    (row,) = _futures().ask("/fapi/v3/positionRisk")

    assert (row["symbol"], row["marginAsset"], row["positionAmt"]) == ("BTCUSDC", "USDC", "0.1")


def test_futures_that_were_never_opened_are_refused() -> None:
    bench = open_bench()

    assert bench.refusal("/fapi/v3/account") == (401, -2015)
    assert bench.refusal("/dapi/v1/account") == (401, -2015)


# ---------------------------------------------------------------- who the account is


def test_the_services_that_an_account_has_opened() -> None:
    assert open_bench(Wallet.OPTIONS).ask("/sapi/v1/account/info") == {
        "vipLevel": 0,
        "isMarginEnabled": False,
        "isFutureEnabled": False,
        "isOptionsEnabled": True,
        "isPortfolioMarginRetailEnabled": False,
    }
    unified = open_bench(portfolio_margin=True).ask("/sapi/v1/account/info")
    assert unified["isPortfolioMarginRetailEnabled"]
    assert unified["isMarginEnabled"]


def test_a_master_lists_its_sub_accounts_page_by_page() -> None:
    bench = open_bench(sub_uids=(501, 502))
    path = "/sapi/v1/sub-account/list"

    assert [row["subUserId"] for row in bench.ask(path)["subAccounts"]] == [501]
    assert [row["subUserId"] for row in bench.ask(path, page="2")["subAccounts"]] == [502]
    assert [row["subUserId"] for row in bench.ask(path, limit="200")["subAccounts"]] == [501, 502]
    assert bench.ask("/api/v3/account")["uid"] == 77
    assert open_bench(master_uid=9).refusal(path) == (401, -2015)
