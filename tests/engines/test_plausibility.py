"""What may not be believed yet: by hand, then what holds for every book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.plausibility import HoldingKey, doubts

PRICES = {("a", "BTC"): 50_000.0, ("a", "USDT"): 1.0, ("a", "ETH"): 2_000.0}
BTC: HoldingKey = ("a", "spot", "BTC", "")
USDT: HoldingKey = ("a", "spot", "USDT", "")
FUNDING: HoldingKey = ("a", "funding", "USDT", "")
BOOK = {BTC: 0.1, USDT: 1_000.0}


def found(now: dict[HoldingKey, float], **told: float) -> list[tuple[str, str]]:
    explained = {("a", asset): units for asset, units in told.items()}
    return [
        (doubt.asset, doubt.kind) for doubt in doubts(BOOK, now, prices=PRICES, equity=6_000.0, explained=explained)
    ]


def test_a_coin_that_vanishes_and_one_that_jumps_are_doubted() -> None:
    assert found({USDT: 1_000.0}) == [("BTC", "vanished")]
    assert found({BTC: 0.0, USDT: 1_000.0}) == [("BTC", "vanished")]
    assert found({BTC: 100.0, USDT: 1_000.0}) == [("BTC", "jumped")]
    assert found({BTC: 0.0001, USDT: 1_000.0}) == [("BTC", "jumped")]


def test_everything_at_once_is_doubted_too() -> None:
    assert found({}) == [("BTC", "vanished"), ("USDT", "vanished")]


def test_what_the_book_pays_for_is_a_trade_or_a_transfer() -> None:
    assert found({USDT: 5_995.0}) == []
    assert found({BTC: 0.1, FUNDING: 1_000.0}) == []
    assert found({BTC: 0.11, USDT: 499.0}) == []


def test_what_the_ledger_tells_of_is_believed_and_pays_for_nothing_else() -> None:
    assert found({USDT: 1_000.0}, BTC=-0.1) == []
    assert found({BTC: 0.1}, BTC=0.0) == [("USDT", "vanished")]
    assert found({BTC: 0.0, USDT: 6_000.0, ("a", "spot", "ETH", ""): 2.5}, BTC=-0.1) == [("ETH", "jumped")]


def test_what_the_ledger_leaves_untold_pays_for_a_trade_beside_it() -> None:
    """Three dollars of funding, and 0.4 ETH bought for 800 of which the ledger does not tell yet."""
    eth: HoldingKey = ("a", "spot", "ETH", "")
    assert found({BTC: 0.1, USDT: 203.0, eth: 0.4}, USDT=3.0) == []
    assert found({BTC: 0.1, USDT: 197.0, eth: 0.4}, USDT=-3.0) == []
    assert found({BTC: 0.1, USDT: 200.0, eth: 0.4}, USDT=-800.0) == [("ETH", "jumped")], (
        "told, and so of something else"
    )
    assert found({BTC: 0.1, USDT: 200.0, eth: 0.4}, USDT=float("nan")) == [("ETH", "jumped")]


def test_what_the_ledger_tells_beyond_a_change_pays_for_nothing() -> None:
    """It may tell of what the earlier book held already."""
    assert found({USDT: 1_000.0}, USDT=5_000.0) == [("BTC", "vanished")]
    assert found({USDT: 1_000.0}, USDT=-5_000.0) == [("BTC", "vanished")]
    assert found({USDT: 1_000.0, ("a", "spot", "ETH", ""): 2.5}, USDT=-5_000.0) == []


def test_a_change_within_ten_times_or_of_less_than_a_percent_is_none() -> None:
    assert found({BTC: 0.1, USDT: 150.0}) == []
    assert found({**BOOK, ("a", "spot", "ETH", ""): 0.02}) == []


def test_a_coin_without_a_price_is_doubted_when_it_goes_not_when_it_comes() -> None:
    gem: HoldingKey = ("a", "spot", "GEM", "")
    assert doubts({**BOOK, gem: 5.0}, BOOK, prices=PRICES, equity=6_000.0)[0].kind == "vanished"
    assert doubts(BOOK, {**BOOK, gem: 5.0}, prices=PRICES, equity=6_000.0) == []


quantities = st.dictionaries(st.sampled_from([BTC, USDT, FUNDING]), st.floats(0, 1e6), max_size=3)


@given(quantities)
def test_a_book_that_did_not_change_is_never_doubted(book: dict[HoldingKey, float]) -> None:
    assert doubts(book, book, prices=PRICES, equity=6_000.0) == []


@given(quantities, quantities)
def test_an_explained_book_is_never_doubted(before: dict[HoldingKey, float], now: dict[HoldingKey, float]) -> None:
    assert doubts(before, now, prices=PRICES, equity=6_000.0, explained=dict.fromkeys(PRICES, 0.0)) == []
