"""What each wallet of OKX is worth, worked by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.errors import AnswerShapeError, CredentialsError, WalletRefusedError
from portfolio_lab.exchanges import AccountReader, okx
from portfolio_lab.models.accounts import Identity, Wallet
from portfolio_lab.models.activity import VenueTotal
from portfolio_lab.models.holdings import ContractKind

Open = Callable[[str], Awaitable[AccountReader]]

ISOLATED = {
    "ccy": "USDT",
    "eq": "99.89469657",
    "cashBal": "94.42612990",
    "isoEq": "5.46856667",
    "upl": "-0.37",
    "isoUpl": "-0.37",
    "availEq": "94.42612990",
    "availBal": "94.4",
    "eqUsd": "99.9",
}
BORROWED = {"ccy": "BTC", "eq": "-0.51", "cashBal": "-0.5", "upl": "-0.01", "liab": "0.5", "interest": "0.002"}
OPTION = {
    "instId": "BTC-USD-261225-38000-C",
    "instType": "OPTION",
    "posSide": "net",
    "pos": "-100",
    "avgPx": "0.0055",
    "markPx": "0.0029",
    "upl": "0.0026",
    "ccy": "BTC",
    "deltaBS": "-0.0794",
}
OPTION_CONTRACT = {
    "instId": "BTC-USD-261225-38000-C",
    "instType": "OPTION",
    "ctVal": "1",
    "ctMult": "0.01",
    "ctType": "",
    "ctValCcy": "BTC",
    "settleCcy": "BTC",
    "uly": "BTC-USD",
}
MARGIN = {
    "instId": "BTC-USDT",
    "instType": "MARGIN",
    "posSide": "net",
    "pos": "0.5",
    "posCcy": "BTC",
    "avgPx": "62000",
    "markPx": "61000",
    "upl": "-0.008",
    "ccy": "BTC",
    "liab": "-31000",
    "liabCcy": "USDT",
}
SAVING = {
    "ccy": "USDT",
    "amt": "11.0010737453457821",
    "earnings": "0.0010737388791526",
    "loanAmt": "11.0010630707982819",
    "pendingAmt": "0.0000106745475002",
    "redemptAmt": "",
}
STAKED = {
    "ordId": "2213257",
    "investData": [{"ccy": "USDT", "amt": "100"}],
    "earningData": [
        {"ccy": "USDT", "earningType": "0", "earnings": "0.5"},
        {"ccy": "COMP", "earningType": "1", "earnings": "0.25"},
    ],
}
LOAN = {
    "loanData": [{"ccy": "USDC", "amt": "300"}],
    "collateralData": [{"ccy": "BTC", "amt": "0.01"}, {"ccy": "USDC", "amt": "50"}],
}
CONFIG = {"uid": "7", "mainUid": "5", "acctLv": "3", "perm": "read_only", "ip": "1.2.3.4"}
VALUATION = {
    "totalBal": "3790.09",
    "details": {"funding": "0.09", "trading": "2544.28", "classic": "0", "earn": "1245.72"},
}


def ok(*rows: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(rows)}


def trading(wire: Any, *details: dict[str, str], total: str = "1000") -> None:
    wire.answers["/api/v5/account/balance"] = ok({"totalEq": total, "details": list(details)})
    wire.answers["/api/v5/account/positions"] = ok()


async def test_equity_has_isolated_margin_and_open_pnl_inside(reader_of: Open, wire: Any) -> None:
    trading(wire, ISOLATED, total="99.9")
    (balance,) = (await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).balances
    assert Decimal("94.42612990") + Decimal("5.46856667") == balance.quantity == Decimal("99.89469657")
    assert (balance.unrealised_pnl, balance.wallet_balance) == (Decimal("-0.37"), Decimal("100.26469657"))
    parts = dict(balance.components)
    assert parts["cash"] + parts["isolated_equity"] == balance.quantity
    assert "residual" not in parts


async def test_a_debt_is_negative_equity_and_not_subtracted_again(reader_of: Open, wire: Any) -> None:
    trading(wire, BORROWED)
    (balance,) = (await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).balances
    assert (balance.quantity, balance.wallet_balance) == (Decimal("-0.51"), Decimal("-0.5"))
    assert dict(balance.components)["liability"] == Decimal("0.5")
    assert dict(balance.components)["interest"] == Decimal("0.002")


async def test_bots_are_inside_equity(reader_of: Open, wire: Any) -> None:
    trading(wire, {"ccy": "USDT", "eq": "4992.89", "cashBal": "4850.44", "upl": "-7.55", "stgyEq": "150"})
    (balance,) = (await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).balances
    assert balance.quantity == Decimal("4992.89")
    assert dict(balance.components)["bots"] == 150
    assert "residual" not in dict(balance.components)


async def test_equity_of_unknown_terms_is_kept_with_what_is_left_over(reader_of: Open, wire: Any) -> None:
    trading(wire, {"ccy": "USDT", "eq": "110", "cashBal": "100", "upl": "0"})
    (balance,) = (await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).balances
    assert balance.quantity == 110
    assert dict(balance.components)["residual"] == 10


@pytest.mark.parametrize(("total", "is_sound"), [("99.9", True), ("100.8", True), ("102", False), ("0", False)])
async def test_a_total_that_is_not_the_sum_of_the_coins_is_refused(
    reader_of: Open, wire: Any, total: str, *, is_sound: bool
) -> None:
    trading(wire, ISOLATED, total=total)
    reader = await reader_of("okx")
    if is_sound:
        assert (await reader.fetch_wallet(Wallet.TRADING)).balances
        return
    with pytest.raises(AnswerShapeError) as refusal:
        await reader.fetch_wallet(Wallet.TRADING)
    assert refusal.value.path == "data[0].totalEq"


async def test_an_account_that_lost_all_its_coins_for_a_moment_is_refused(reader_of: Open, wire: Any) -> None:
    trading(wire, total="1000")
    with pytest.raises(AnswerShapeError, match="total"):
        await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)


async def test_a_coin_without_a_price_makes_the_total_no_test(reader_of: Open, wire: Any) -> None:
    trading(wire, ISOLATED, {"ccy": "NEWCOIN", "eq": "5", "cashBal": "5", "upl": "", "eqUsd": ""}, total="5000")
    assert len((await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).balances) == 2


async def test_a_written_option_has_the_delta_of_one_unit_bought(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/public/instruments"] = ok(OPTION_CONTRACT)
    wire.answers["/api/v5/account/positions"] = ok(OPTION)
    (position,) = (await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).positions
    assert (position.kind, position.quantity, position.contracts) == (ContractKind.OPTION, -1, 100)
    assert position.delta == Decimal("0.0794")
    assert (position.mark_price, position.settle_asset) == (Decimal("0.0029"), "BTC")


async def test_a_worthless_option_is_still_a_position(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/public/instruments"] = ok(OPTION_CONTRACT)
    wire.answers["/api/v5/account/positions"] = ok({**OPTION, "markPx": "0", "deltaBS": ""})
    (position,) = (await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).positions
    assert (position.mark_price, position.delta) == (0, None)


async def test_one_contract_held_in_cross_and_in_isolated_margin_is_two_positions(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/public/instruments"] = ok(OPTION_CONTRACT)
    isolated = {**OPTION, "mgnMode": "isolated", "pos": "300"}
    wire.answers["/api/v5/account/positions"] = ok({**OPTION, "mgnMode": "cross"}, isolated)
    reader = await reader_of("okx")
    held = (await reader.fetch_wallet(Wallet.TRADING)).positions
    assert [position.quantity for position in held] == [-1, 3]
    wire.answers["/api/v5/account/positions"] = ok(isolated, isolated)
    with pytest.raises(AnswerShapeError, match="two rows"):
        await reader.fetch_wallet(Wallet.TRADING)


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [({}, "0.5"), ({"posCcy": "USDT", "pos": "31000", "liab": "-0.5", "liabCcy": "BTC"}, "-0.5")],
)
async def test_leveraged_spot_is_what_was_bought_or_borrowed(
    reader_of: Open, wire: Any, changes: dict[str, str], quantity: str
) -> None:
    wire.answers["/api/v5/account/positions"] = ok({**MARGIN, **changes})
    (position,) = (await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)).positions
    assert (position.kind, position.quantity) == (ContractKind.MARGIN, Decimal(quantity))


@pytest.mark.parametrize("changes", [{"posCcy": "ETH"}, {"posCcy": "USDT", "liabCcy": "USDT"}, {"posSide": "both"}])
async def test_leveraged_spot_of_another_coin_is_refused(reader_of: Open, wire: Any, changes: dict[str, str]) -> None:
    wire.answers["/api/v5/account/positions"] = ok({**MARGIN, **changes})
    with pytest.raises(AnswerShapeError):
        await (await reader_of("okx")).fetch_wallet(Wallet.TRADING)


async def test_what_is_frozen_in_funding_counts(reader_of: Open, wire: Any) -> None:
    (balance,) = (await (await reader_of("okx")).fetch_wallet(Wallet.FUNDING)).balances
    assert (balance.quantity, balance.available) == (3, 2)
    assert dict(balance.components) == {"available": 2, "frozen": 1}


async def test_savings_and_staking_count_with_what_they_earned(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/finance/savings/balance"] = ok(SAVING)
    wire.answers["/api/v5/finance/staking-defi/orders-active"] = ok(STAKED)
    reading = await (await reader_of("okx")).fetch_wallet(Wallet.EARN)
    held = {row.asset: row for row in reading.balances}
    assert held["USDT"].quantity == Decimal("11.0010737453457821") + Decimal("100.5")
    assert held["COMP"].quantity == Decimal("0.25")
    parts = dict(held["USDT"].components)
    assert parts["lent"] + parts["pending"] == parts["flexible"]
    assert (parts["staked"], parts["staked_estimated"]) == (100, Decimal("0.5"))
    assert held["USDT"].wallet_balance is None
    assert len(reading.answers) == 2


async def test_an_account_without_savings_is_an_empty_wallet(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/finance/savings/balance"] = ok()
    wire.answers["/api/v5/finance/staking-defi/orders-active"] = ok()
    assert (await (await reader_of("okx")).fetch_wallet(Wallet.EARN)).balances == ()


async def test_loans_are_collateral_less_debt(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/finance/flexible-loan/loan-info"] = ok(LOAN)
    reading = await (await reader_of("okx")).fetch_wallet(Wallet.LOANS)
    assert {row.asset: row.quantity for row in reading.balances} == {"BTC": Decimal("0.01"), "USDC": -250}
    assert dict(reading.balances[1].components) == {"collateral": 50, "borrowed": 300}


@pytest.mark.parametrize("wallet", [Wallet.EARN, Wallet.LOANS])
async def test_a_wallet_that_the_key_may_not_read_is_refused(reader_of: Open, wire: Any, wallet: Wallet) -> None:
    for path in ("savings/balance", "flexible-loan/loan-info"):
        wire.say(f"/api/v5/finance/{path}", 401, b'{"code":"50120","msg":"no permission","data":[]}')
    with pytest.raises(WalletRefusedError):
        await (await reader_of("okx")).fetch_wallet(wallet)


# ---------------------------------------------------------------- identity, totals, regions


async def test_a_reading_key_of_a_sub_account(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/account/config"] = ok(CONFIG)
    assert await (await reader_of("okx")).fetch_identity() == Identity("7", "5", (), True, "multi_currency")


async def test_a_trading_key_of_a_master(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/account/config"] = ok(
        {**CONFIG, "mainUid": "7", "perm": "read_only,withdraw,trade,fly", "ip": "", "acctLv": "1"}
    )
    identity = await (await reader_of("okx")).fetch_identity()
    assert identity == Identity("7", "", ("fly", "trade", "withdraw"), False, "spot")
    assert not identity.is_read_only


@pytest.mark.parametrize("changes", [{"perm": ""}, {"perm": "trade"}, {"perm": "read_only,"}, {"acctLv": "x"}])
async def test_an_identity_that_does_not_tell_is_refused(reader_of: Open, wire: Any, changes: dict[str, str]) -> None:
    wire.answers["/api/v5/account/config"] = ok({**CONFIG, **changes})
    with pytest.raises(AnswerShapeError):
        await (await reader_of("okx")).fetch_identity()


async def test_totals_are_okx_own(reader_of: Open, wire: Any) -> None:
    wire.answers["/api/v5/asset/asset-valuation"] = ok(VALUATION)
    trading(wire, ISOLATED, total="2543.9")
    totals = await (await reader_of("okx")).fetch_totals()
    assert set(totals.totals) == {
        VenueTotal("total", "USDT", Decimal("3790.09")),
        VenueTotal("trading", "USDT", Decimal("2544.28")),
        VenueTotal("funding", "USDT", Decimal("0.09")),
        VenueTotal("earn", "USDT", Decimal("1245.72")),
        VenueTotal("trading", "USD", Decimal("2543.9")),
    }
    assert totals.absent == {}
    assert wire.asked[0].query["ccy"] == "USDT"


async def test_an_account_of_an_unknown_name_is_reported(reader_of: Open, wire: Any) -> None:
    trading(wire, ISOLATED)
    details = {**VALUATION["details"], "classic": "0.5", "metaverse": "12"}
    wire.answers["/api/v5/asset/asset-valuation"] = ok({**VALUATION, "details": details})
    totals = await (await reader_of("okx")).fetch_totals()
    assert {row.scope: row.quantity for row in totals.totals if not row.is_known} == {
        "classic": Decimal("0.5"),
        "metaverse": 12,
    }


async def test_a_valuation_without_an_account_is_refused(reader_of: Open, wire: Any) -> None:
    trading(wire, ISOLATED)
    wire.answers["/api/v5/asset/asset-valuation"] = ok({"totalBal": "1", "details": {"trading": "1", "earn": "0"}})
    with pytest.raises(AnswerShapeError, match="funding"):
        await (await reader_of("okx")).fetch_totals()


async def test_a_key_of_another_region_is_told_so(reader_of: Open, wire: Any) -> None:
    wire.say("/api/v5/asset/balances", 401, b'{"code":"50119","msg":"API key does not exist","data":[]}')
    with pytest.raises(CredentialsError, match="region"):
        await (await reader_of("okx")).fetch_wallet(Wallet.FUNDING)


def test_regions_have_hosts_for_every_family() -> None:
    assert set(okx.VENUE.regions) == {"eea", "us"}
    for hosts in okx.VENUE.regions.values():
        assert set(hosts) == set(okx.VENUE.hosts)
        assert all(host.startswith("https://") and host.endswith(".okx.com") for host in hosts.values())
