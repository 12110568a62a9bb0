"""The venue's own word beside ours; who the account is; prices that may stand in for a market."""

from __future__ import annotations

from decimal import Decimal

import pytest
from cycles import Cycles, binance, equity, grade, okx
from fake_venues import btc

from portfolio_lab.errors import CredentialsError, UnreachableError
from portfolio_lab.models.accounts import Identity, Wallet
from portfolio_lab.models.activity import VenueTotal, VenueTotals
from portfolio_lab.models.holdings import Balance, Holding


@pytest.fixture
def book(cycles: Cycles) -> Cycles:
    """Alice: 0.1 BTC (5,000) in spot, nothing in funding."""
    cycles.configure(binance(Wallet.SPOT, Wallet.FUNDING))
    return cycles


def totals(spot: str, *others: VenueTotal) -> VenueTotals:
    return VenueTotals((VenueTotal("spot", "USDT", Decimal(spot)), *others))


async def test_the_venues_own_figures_stand_beside_ours(book: Cycles) -> None:
    book.venue.totals["alice"] = totals("5010", VenueTotal("funding", "USDT", Decimal(0)))
    report = await book.next()
    rows = {row["scope"]: row for row in book.rows("attestations")}
    assert (rows["spot"]["ours"], rows["spot"]["theirs"], rows["spot"]["difference"]) == (5_000.0, 5_010.0, -10.0)
    assert (rows["spot"]["share"], rows["spot"]["verdict"]) == (0.002, "agrees")
    assert (rows["funding"]["ours"], rows["funding"]["verdict"]) == (0.0, "agrees")
    assert all(line.is_ok for line in report.activity)


async def test_a_difference_beyond_half_a_percent_is_told(book: Cycles) -> None:
    book.venue.totals["alice"] = totals("5100")
    report = await book.next()
    (line,) = [line for line in report.activity if not line.is_ok]
    assert (line.wallet, line.code) == ("attestation", "differs")
    assert "ours is 5000.00, the venue says 5100.00" in line.reason
    assert grade(report) == "complete"


async def test_a_wallet_never_seen_before_is_told_at_first_sight(book: Cycles) -> None:
    book.venue.totals["alice"] = totals("5000", VenueTotal("Moon Vault", "USDT", Decimal(3), is_known=False))
    report = await book.next()
    (line,) = [line for line in report.activity if not line.is_ok]
    assert (line.code, "Moon Vault" in line.reason) == ("unknown_wallet", True)


async def test_a_reading_that_is_not_whole_is_not_compared(book: Cycles) -> None:
    book.venue.totals["alice"] = totals("5000", VenueTotal("total", "USDT", Decimal(5000)))
    book.venue.faults["alice", "spot"] = CredentialsError("revoked")
    await book.next()
    assert {row["verdict"] for row in book.rows("attestations")} == {"not_compared"}


async def test_a_total_is_compared_with_the_wallets_that_it_is_made_of(cycles: Cycles) -> None:
    """OKX's total is that of its funding, trading and earn accounts: a loan is not in it."""
    cycles.configure(okx(Wallet.TRADING, Wallet.LOANS))
    cycles.venue.holdings["alice", Wallet.TRADING] = btc("0.1")
    cycles.venue.holdings["alice", Wallet.LOANS] = (Balance("USDT", Decimal(700)),)
    cycles.venue.totals["alice"] = VenueTotals(
        tuple(VenueTotal(scope, "USDT", Decimal(5_000)) for scope in ("trading", "total"))
    )
    assert equity(await cycles.next()) == 5_700.0
    rows = {row["scope"]: (row["ours"], row["theirs"], row["verdict"]) for row in cycles.rows("attestations")}
    assert rows["total"] == (5_000.0, 5_000.0, "agrees")


# ---------------------------------------------------------------- identity


async def test_the_same_account_under_two_keys_is_read_once(book: Cycles) -> None:
    book.configure(binance(Wallet.SPOT), binance(Wallet.SPOT, label="again"))
    book.venue.identities = {"binance:main": Identity("42"), "binance:again": Identity("42")}
    report = await book.next()
    assert (grade(report), equity(report)) == ("partial", None)
    (line,) = [line for line in report.wallets if not line.is_ok]
    assert (line.account, line.code) == ("binance:again", "duplicate_account")
    assert "alice binance:main" in line.reason


async def test_two_new_keys_count_not_before_the_venue_has_told_whose_they_are(book: Cycles) -> None:
    """Both were written into lab.toml by hand, and the very first question who they are fails."""
    book.configure(binance(Wallet.SPOT), binance(Wallet.SPOT, label="again"))
    book.venue.faults["alice", "identity"] = UnreachableError("no answer")
    report = await book.next()
    assert (grade(report), equity(report)) == ("failed", None)
    assert {line.code for line in report.wallets} == {"identity_unknown"}
    assert "no answer" in report.wallets[0].reason
    book.venue.faults.clear()
    book.venue.identities = {"binance:main": Identity("42"), "binance:again": Identity("43")}
    assert grade(await book.next()) == "complete"
    book.restart()
    book.venue.faults["alice", "identity"] = UnreachableError("no answer")
    assert grade(await book.next()) == "complete", "who an account is was told once, and is kept"


async def test_the_only_account_of_its_venue_needs_no_identity(book: Cycles) -> None:
    book.venue.faults["alice", "identity"] = UnreachableError("no answer")
    assert grade(await book.next()) == "complete"


async def test_a_key_that_may_trade_is_refused_unless_the_lab_allows_it(book: Cycles) -> None:
    book.venue.identities = {"binance:main": Identity("42", permissions=("trade", "withdraw"))}
    report = await book.next()
    assert {line.code for line in report.wallets} == {"not_read_only"}
    assert "trade, withdraw" in report.wallets[0].reason
    book.settings = type(book.settings)(**{**_fields(book.settings), "allow_trading_keys": True})
    assert grade(await book.next()) == "complete"


async def test_a_key_that_was_found_to_trade_stays_refused_until_it_is_known_to_be_good(book: Cycles) -> None:
    assert grade(await book.next()) == "complete"
    book.venue.identities = {"binance:main": Identity("42", permissions=("trade",))}
    assert grade(await book.next(24 * 60)) == "failed"
    book.venue.faults["alice", "identity"] = UnreachableError("no answer")
    assert grade(await book.next()) == "failed"
    book.restart()
    assert grade(await book.next()) == "failed"
    book.venue.faults.clear()
    book.venue.identities = {"binance:main": Identity("42")}
    assert grade(await book.next()) == "complete"


def _fields(settings: object) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}  # type: ignore[attr-defined]


async def test_identity_is_stored_with_the_first_slot_of_the_account(book: Cycles) -> None:
    book.venue.identities = {"binance:main": Identity("42", "41", (), is_ip_bound=True, mode="spot")}
    await book.next()
    first = book.clock.now
    await book.next()
    (row,) = book.rows("accounts")
    assert (row["uid"], row["main_uid"], row["is_ip_bound"], row["first_slot"], row["is_attested"]) == (
        "42",
        "41",
        True,
        first,
        True,
    )


async def test_a_revoked_account_is_one_trouble_in_the_summary(book: Cycles) -> None:
    book.venue.faults["alice", "reader"] = CredentialsError("revoked")
    assert (await book.next()).summary().count("credentials") == 1


# ---------------------------------------------------------------- prices


async def test_a_coin_without_a_market_here_is_priced_at_the_second_venue(cycles: Cycles) -> None:
    cycles.configure(binance(Wallet.SPOT), okx(Wallet.TRADING))
    cycles.venue.holdings["alice", Wallet.TRADING] = (Balance("ONLYB", Decimal(10)),)
    cycles.venue.own_prices["binance"] = {"ONLYB": Decimal(3)}
    assert equity(await cycles.next()) == 5_030.0
    (row,) = cycles.rows("prices", asset="ONLYB")
    assert (row["venue"], row["kind"]) == ("okx", "second_venue")


async def test_the_last_known_price_stands_in_and_then_the_coin_is_unpriced(book: Cycles) -> None:
    book.venue.own_prices["binance"] = {"GONE": Decimal(100)}
    book.venue.holdings["alice", Wallet.FUNDING] = (Balance("GONE", Decimal(10)),)
    assert equity(await book.next()) == 6_000.0
    book.venue.own_prices.clear()
    assert equity(await book.next()) == 6_000.0
    assert [row["kind"] for row in book.rows("prices", asset="GONE")] == ["market", "last_known"]
    report = await book.next(60 * 24 + 1)
    assert (grade(report), equity(report)) == ("unpriced", None)
    assert book.snapshot(book.clock.now)["unpriced_share"] == pytest.approx(1_000 / 6_000)
    (row,) = book.rows("balances", asset="GONE", slot=book.clock.now)
    assert (row["quantity"], row["price"], row["value"]) == (Decimal(10), None, None)


async def test_a_price_that_jumps_without_a_witness_makes_no_fortune(book: Cycles) -> None:
    book.venue.own_prices["binance"] = {"COIN": Decimal(100)}
    book.venue.holdings["alice", Wallet.FUNDING] = (Balance("COIN", Decimal(10)),)
    await book.next()
    book.venue.own_prices["binance"] = {"COIN": Decimal(1_000)}
    report = await book.next()
    assert (grade(report), equity(report)) == ("unpriced", None)
    assert "no second source bears it out" in report.users[0].reason
    book.venue.own_prices["binance"] = {"COIN": Decimal(101)}
    assert equity(await book.next()) == 6_010.0


async def test_a_bot_counts_with_its_value_and_its_exposure_is_told_apart(book: Cycles) -> None:
    book.configure(binance(Wallet.SPOT, Wallet.BOTS))
    book.venue.holdings["alice", Wallet.SPOT] = btc("0.1")
    book.venue.holdings["alice", Wallet.BOTS] = (Balance("USDT", Decimal(800), holding=Holding.OPAQUE),)
    assert equity(await book.next()) == 5_800.0
    row = book.snapshot(book.clock.now)
    assert (row["opaque_value"], row["gross_exposure"]) == (800.0, 5_000.0)
