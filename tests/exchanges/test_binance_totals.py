"""What Binance says of a whole account: its totals, its mode, who it is and what its key may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.errors import AnswerShapeError, CredentialsError, UnreachableError, VenueError
from portfolio_lab.exchanges import AccountReader
from portfolio_lab.exchanges.binance import identity, totals
from portfolio_lab.models.accounts import Wallet

Open = Callable[[str], Awaitable[AccountReader]]

D = Decimal

WALLETS, RIGHTS, PM_ACCOUNT = "/sapi/v1/asset/wallet/balance", "/sapi/v1/account/apiRestrictions", "/papi/v1/account"
REFUSED = b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'
READ_ONLY = {"ipRestrict": True, "createTime": 1623840271000, "enableReading": True, "enableWithdrawals": False}


def listed(wire: Any, *rows: tuple[str, str, bool]) -> None:
    wire.answers[WALLETS] = [{"walletName": name, "balance": text, "activate": is_open} for name, text, is_open in rows]


def outside_portfolio_margin(wire: Any) -> None:
    wire.answers[RIGHTS] = READ_ONLY
    wire.say(PM_ACCOUNT, 401, REFUSED)


async def test_totals_are_named_by_wallet_and_asked_in_usdt(reader_of: Open, wire: Any) -> None:
    outside_portfolio_margin(wire)
    rows = [("Spot", "1000.5", True), ("USD\u24c8-M Futures", "-3", True), ("Options", "0", False)]
    listed(wire, *rows, ("Trading Bots", "70", True), ("Space Wallet", "5", True))
    told = await (await reader_of("binance")).fetch_totals()
    assert [(row.scope, row.asset, row.quantity, row.is_open, row.is_known) for row in told.totals] == [
        ("spot", "USDT", D("1000.5"), True, True),
        ("usd_m", "USDT", D(-3), True, True),
        ("options", "USDT", D(0), False, True),
        ("bots", "USDT", D(70), True, True),
        ("Space Wallet", "USDT", D(5), True, False),
    ]
    assert told.absent == {
        Wallet.OPTIONS: "never opened",
        Wallet.PORTFOLIO_MARGIN: "not in portfolio margin mode",
    }
    assert next(one for one in wire.asked if one.path == WALLETS).query["quoteAsset"] == "USDT"
    assert [endpoint for endpoint, _, _ in told.answers] == [WALLETS]


async def test_a_portfolio_margin_account_has_one_total_for_its_parts(reader_of: Open, wire: Any) -> None:
    wire.answers[PM_ACCOUNT] = {"actualEquity": "122607.35", "accountEquity": "73.47", "accountStatus": "NORMAL"}
    listed(wire, ("Spot", "1", True), ("Cross Margin (PM)", "100", True), ("USD\u24c8-M Futures (PM)", "20", True))
    told = await (await reader_of("binance")).fetch_totals()
    assert [(row.scope, row.asset, row.quantity) for row in told.totals] == [
        ("spot", "USDT", D(1)),
        ("portfolio_margin", "USD", D("122607.35")),
    ]
    assert told.absent == dict.fromkeys((Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M), "inside portfolio margin")
    assert [endpoint for endpoint, _, _ in told.answers] == [WALLETS, PM_ACCOUNT]


async def test_parts_of_portfolio_margin_are_summed_where_its_equity_is_not_told(reader_of: Open, wire: Any) -> None:
    outside_portfolio_margin(wire)
    listed(wire, ("Cross Margin (PM)", "100", True), ("COIN-M Futures (PM)", "20.5", True))
    told = await (await reader_of("binance")).fetch_totals()
    assert [(row.scope, row.quantity) for row in told.totals] == [("portfolio_margin", D("120.5"))]
    assert Wallet.PORTFOLIO_MARGIN not in told.absent


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("Spot", "1", True), ("Spot", "2", True)],
        [("USD-M Futures", "1", True), ("USD\u24c8-M Futures", "2", True)],
        [("Spot", "NaN", True)],
        [("", "1", True)],
        [("Sp\u0000ot", "1", True)],
        [("S" * 61, "1", True)],
    ],
)
async def test_totals_that_mean_nothing_are_refused(reader_of: Open, wire: Any, rows: list[Any]) -> None:
    outside_portfolio_margin(wire)
    listed(wire, *rows)
    with pytest.raises(AnswerShapeError):
        await (await reader_of("binance")).fetch_totals()


async def test_totals_fail_as_a_whole(reader_of: Open, wire: Any) -> None:
    listed(wire, ("Spot", "1", True))
    wire.say(PM_ACCOUNT, 503)
    with pytest.raises(UnreachableError):
        await (await reader_of("binance")).fetch_totals()


async def test_a_mode_is_only_denied_to_a_key_that_is_good(reader_of: Open, wire: Any) -> None:
    outside_portfolio_margin(wire)
    wire.say(RIGHTS, 503)
    listed(wire, ("Spot", "1", True), ("Cross Margin", "100", True))
    with pytest.raises(CredentialsError):
        await (await reader_of("binance")).fetch_totals()


def test_a_wallet_that_holds_something_is_not_absent() -> None:
    rows = [totals._total(totals.shapes_rest.WalletTotal("Funding", "1", activate=False))]
    assert Wallet.FUNDING not in totals._absent(rows, totals.portfolio_margin.Mode(is_on=False))


# ---------------------------------------------------------------- identity


async def test_a_read_only_key_may_do_nothing_else(reader_of: Open, wire: Any) -> None:
    outside_portfolio_margin(wire)
    wire.answers["/api/v3/account"]["uid"] = 354937868
    known = await (await reader_of("binance")).fetch_identity()
    assert (known.uid, known.main_uid, known.permissions, known.is_ip_bound) == ("354937868", "", (), True)
    assert known.is_read_only
    assert known.mode == ""


async def test_the_mode_of_a_portfolio_margin_account_is_told(reader_of: Open, wire: Any) -> None:
    wire.answers[RIGHTS] = READ_ONLY
    wire.answers["/api/v3/account"]["uid"] = 1
    wire.answers[PM_ACCOUNT] = {"actualEquity": "1", "accountStatus": "NORMAL"}
    assert (await (await reader_of("binance")).fetch_identity()).mode == "portfolio_margin"


async def test_an_identity_does_not_wait_for_a_mode_that_cannot_be_told(reader_of: Open, wire: Any) -> None:
    wire.answers[RIGHTS] = READ_ONLY
    wire.answers["/api/v3/account"]["uid"] = 1
    wire.say(PM_ACCOUNT, 503)
    assert (await (await reader_of("binance")).fetch_identity()).uid == "1"


async def test_an_account_without_a_number_is_refused(reader_of: Open, wire: Any) -> None:
    wire.answers[RIGHTS] = READ_ONLY
    with pytest.raises(AnswerShapeError, match="uid"):
        await (await reader_of("binance")).fetch_identity()


@pytest.mark.parametrize("path", ["/api/v3/account", RIGHTS])
async def test_a_revoked_key_has_no_identity(reader_of: Open, wire: Any, path: str) -> None:
    wire.answers[RIGHTS] = READ_ONLY
    wire.answers["/api/v3/account"]["uid"] = 1
    wire.say(path, 401, b'{"code":-2008,"msg":"Invalid Api-Key ID."}')
    with pytest.raises(CredentialsError):
        await (await reader_of("binance")).fetch_identity()


@pytest.mark.parametrize(
    ("right", "name"),
    [
        ("enableWithdrawals", "withdraw"),
        ("enableInternalTransfer", "transfer"),
        ("permitsUniversalTransfer", "transfer"),
        ("enableSpotAndMarginTrading", "trade"),
        ("enableMargin", "trade"),
        ("enableFutures", "trade"),
        ("enableVanillaOptions", "trade"),
        ("enableFixApiTrade", "trade"),
        ("enablePortfolioMarginTrading", "portfolio_margin_trading"),
        ("enableMoonLanding", "enableMoonLanding"),
        ("permitsAnything", "permitsAnything"),
    ],
)
def test_each_right_besides_reading_is_a_permission(right: str, name: str) -> None:
    assert identity.permissions({**READ_ONLY, right: True}) == (name,)
    assert identity.permissions({**READ_ONLY, right: False}) == ()


def test_harmless_rights_are_no_permission() -> None:
    assert identity.permissions({**READ_ONLY, "enableFixReadOnly": True, "tradingAuthorityExpirationTime": 1}) == ()


@pytest.mark.parametrize(
    ("rights", "path"),
    [
        ({}, "enableReading"),
        ({"enableReading": False}, "enableReading"),
        ({"enableReading": "true"}, "enableReading"),
        ({"enableReading": True, "enableWithdrawals": 1}, "enableWithdrawals"),
        ({"enableReading": True, "enableWithdrawals": None}, "enableWithdrawals"),
        ({"enableReading": True, "enable\u202eX": True}, ""),
    ],
)
def test_rights_that_are_not_plain_are_refused(rights: dict[str, Any], path: str) -> None:
    with pytest.raises(AnswerShapeError) as refusal:
        identity.permissions(rights)
    assert refusal.value.path == path


@given(st.dictionaries(st.text(max_size=12).map("enable".__add__), st.booleans()))
def test_no_granted_right_is_ever_lost(rights: dict[str, bool]) -> None:
    try:
        told = identity.permissions({**rights, "enableReading": True})
    except VenueError:
        return
    granted = {name for name, flag in rights.items() if flag} - identity.HARMLESS
    assert bool(told) == bool(granted)
