from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.engines.attribution import TERMS, attribution, by_interval, suspect
from portfolio_lab.errors import BadInputError

DAY = pd.Timestamp("2026-01-01", tz="UTC")


def book(*rows: tuple[str, float, float, float], pool: str = "") -> pd.DataFrame:
    """(asset, settled, unrealised, price) of one account."""
    frame = pd.DataFrame(rows, columns=["asset", "settled", "unrealised", "price"])
    return frame.assign(interval=DAY, account="main", pool=pool)


def events(*rows: tuple[str, float, float, str], pool: str = "", instrument: str = "") -> pd.DataFrame:
    """(asset, quantity, price, term)."""
    frame = pd.DataFrame(rows, columns=["asset", "quantity", "price", "term"])
    return frame.assign(interval=DAY, account="main", pool=pool, instrument=instrument)


def told(opening: pd.DataFrame, closing: pd.DataFrame, *moved: pd.DataFrame, **more: object) -> dict[str, float]:
    happened = pd.concat(moved) if moved else events()
    table = by_interval(attribution(opening, closing, happened, **more)).iloc[0]  # type: ignore[arg-type]
    return {str(name): value for name, value in table.items() if value != 0.0}


def test_a_day_worked_by_hand() -> None:
    """1 BTC held from 100 to 110; 50 USDT in; 0.1 BTC bought for 10.5, fee 0.1; 2 realised, 1 of funding paid."""
    opening = book(("BTC", 1.0, 0.0, 100.0), ("USDT", 200.0, 4.0, 1.0))
    closing = book(("BTC", 1.1, 0.0, 110.0), ("USDT", 240.4, -3.0, 1.0))
    moved = events(
        ("USDT", 50.0, 1.0, "flow"),
        ("BTC", 0.1, 105.0, "conversion"),
        ("USDT", -10.5, 1.0, "conversion"),
        ("USDT", -0.1, 1.0, "fee"),
        ("USDT", 2.0, 1.0, "realised"),
        ("USDT", -1.0, 1.0, "funding"),
    )
    assert told(opening, closing, moved) == pytest.approx(
        {
            "flow": 50.0,
            "realised": 2.0,
            "unrealised": -7.0,
            "funding": -1.0,
            "fee": -0.1,
            "revaluation": 10.0 + 0.1 * 5,
            "change": 358.4 - 304.0,
        }
    )


def test_what_no_event_explains_is_the_residual_and_is_named() -> None:
    terms = attribution(book(("BTC", 1.0, 0.0, 100.0)), book(("BTC", 1.5, 0.0, 100.0)), events())
    assert by_interval(terms).iloc[0]["residual"] == 50.0
    assert suspect(terms, 100.0) == ("main", "BTC", 50.0)
    assert suspect(terms, 1_000_000.0) is None
    assert suspect(terms.iloc[:0], 100.0) is None


def test_paying_too_much_is_a_loss_by_conversion() -> None:
    moved = events(("BTC", 1.0, 100.0, "conversion"), ("USDT", -103.0, 1.0, "conversion"))
    assert told(book(("USDT", 103.0, 0.0, 1.0)), book(("BTC", 1.0, 0.0, 100.0)), moved) == pytest.approx(
        {"conversion": -3.0, "change": -3.0}
    )


def test_a_coin_that_came_and_went_leaves_only_what_it_earned() -> None:
    moved = events(
        ("ETH", 1.0, 10.0, "conversion"),
        ("USDT", -10.0, 1.0, "conversion"),
        ("ETH", -1.0, 12.0, "conversion"),
        ("USDT", 12.0, 1.0, "conversion"),
    )
    found = told(book(("USDT", 10.0, 0.0, 1.0)), book(("USDT", 12.0, 0.0, 1.0)), moved)
    assert found == pytest.approx({"revaluation": 2.0, "change": 2.0})


def test_open_pnl_stands_under_the_instrument_that_has_it() -> None:
    held = pd.DataFrame(
        {
            "interval": [DAY],
            "account": "main",
            "pool": "",
            "asset": "USDT",
            "instrument": "BTCUSDT",
            "unrealised": [3.0],
        }
    )
    terms = attribution(
        book(("USDT", 10.0, 5.0, 1.0)), book(("USDT", 10.0, 0.0, 1.0)), events(), positions=(held, held.iloc[:0])
    )
    assert dict(zip(terms["instrument"], terms["value"], strict=True)) == {"BTCUSDT": -3.0, "": -2.0}


def test_a_bots_result_is_its_change_less_what_was_moved_into_it() -> None:
    opening = pd.concat([book(("USDT", 100.0, 0.0, 1.0)), book(("USDT", 50.0, 0.0, 1.0), pool="bots")])
    closing = pd.concat([book(("USDT", 70.0, 0.0, 1.0)), book(("USDT", 85.0, 0.0, 1.0), pool="bots")])
    moved = [events(("USDT", -30.0, 1.0, "move")), events(("USDT", 30.0, 1.0, "move"), pool="bots")]
    assert told(opening, closing, *moved) == {"opaque": 5.0, "change": 5.0}
    # Untold, the same is found by its size ...
    assert told(opening, closing) == {"opaque": 5.0, "change": 5.0}
    # ... but not a loss that has nothing to do with it.
    poorer = pd.concat([book(("USDT", 10.0, 0.0, 1.0)), book(("USDT", 51.0, 0.0, 1.0), pool="bots")])
    assert told(opening, poorer)["residual"] == -89.0


def test_one_coin_out_of_a_bot_and_another_one_into_it_are_its_own_result() -> None:
    """821 of BTC came out, 762 USDT went in, and the wallet is worth 11 less: nobody told, and it earned 48."""
    opening = pd.concat([book(("USDT", 1000.0, 0.0, 1.0)), book(("USDT", 500.0, 0.0, 1.0), pool="bots")])
    inside = book(("USDT", 489.0, 0.0, 1.0), pool="bots")
    closing = pd.concat([book(("USDT", 238.0, 0.0, 1.0), ("BTC", 8.21, 0.0, 100.0)), inside])
    assert told(opening, closing) == pytest.approx({"opaque": 48.0, "change": 48.0})
    # A coin that went without another one in its place is none of that.
    robbed = pd.concat([book(("USDT", 238.0, 0.0, 1.0)), inside])
    assert told(opening, robbed)["residual"] == -762.0


def test_out_of_one_bot_and_into_another_is_their_own_result() -> None:
    """A bot of 505 was closed, 547 went to a trader who lost 15 of it: 42 less in cash, 27 more in the wallets."""
    closed = pd.concat([book(("USDT", 958.0, 0.0, 1.0)), book(("USDT", 532.0, 0.0, 1.0), pool="copy")])
    opening = pd.concat([book(("USDT", 1000.0, 0.0, 1.0)), book(("USDT", 505.0, 0.0, 1.0), pool="bots")])
    assert told(opening, closed) == pytest.approx({"opaque": -15.0, "change": -15.0})
    # Half of the cash gone is not what such wallets lose of it.
    robbed = pd.concat([book(("USDT", 500.0, 0.0, 1.0)), book(("USDT", 532.0, 0.0, 1.0), pool="copy")])
    assert told(opening, robbed)["residual"] == pytest.approx(-473.0)


def test_what_a_bot_inside_of_a_wallet_exchanged_is_its_own_result() -> None:
    """It gave 300 USDT for 3 BTC, worth 291 by now; and somebody moved 100 USDT of the wallet's cash into it."""

    def inside(cash: tuple[float, float], bots: tuple[float, float]) -> pd.DataFrame:
        whole = book(("USDT", cash[0] + bots[0], 0.0, 1.0), ("BTC", cash[1] + bots[1], 0.0, 97.0))
        return whole.assign(embedded=list(bots))

    opening = inside((1000.0, 5.0), (400.0, 0.0))
    traded = inside((900.0, 5.0), (200.0, 3.0))
    assert told(opening, traded) == pytest.approx({"opaque": -9.0, "change": -9.0})
    # Cash that went without a coin in its place is missing, whatever the bot did ...
    robbed = inside((700.0, 5.0), (400.0, 0.0))
    assert told(opening, robbed) == pytest.approx({"residual": -300.0, "change": -300.0})
    # ... and what changed places while the bot held still, was not the bot.
    holding = inside((1000.0, 5.0), (400.0, 1.0))
    swapped = inside((700.0, 8.0), (400.0, 1.0))
    assert told(holding, swapped)["residual"] == pytest.approx(-9.0)
    # A loss beside the exchange, larger than bots lose in a day, is shown with all of it.
    poorer = inside((500.0, 5.0), (200.0, 3.0))
    assert told(opening, poorer)["residual"] == pytest.approx(-409.0)


def test_one_coin_out_of_a_bot_and_another_into_it_on_a_day_on_which_bots_gained() -> None:
    """A bot gave back 1041 of BTC and was given 1023 USDT; it gained 34 meanwhile and another one 17: 69 in all."""
    held = [
        (("USDT", 3000.0, 0.0, 1.0), ("BTC", 1.0, 0.0, 1000.0)),
        (("USDT", 1977.0, 0.0, 1.0), ("BTC", 2.041, 0.0, 1000.0)),
    ]
    bots, copies = [("USDT", 989.0, 0.0, 1.0)], [("USDT", 328.0, 0.0, 1.0)]
    richer, more = [("USDT", 1023.0, 0.0, 1.0)], [("USDT", 345.0, 0.0, 1.0)]

    def whole(
        cash: tuple[tuple[str, float, float, float], ...], *pools: list[tuple[str, float, float, float]]
    ) -> pd.DataFrame:
        named = zip(("bots", "copy"), pools, strict=True)
        return pd.concat([book(*cash), *(book(*rows, pool=name) for name, rows in named)])

    opening, closing = whole(held[0], bots, copies), whole(held[1], richer, more)
    assert told(opening, closing) == pytest.approx({"opaque": 69.0, "change": 69.0})
    # Wallets that have not so much cannot have exchanged it.
    small, still_small = [("USDT", 98.0, 0.0, 1.0)], [("USDT", 132.0, 0.0, 1.0)]
    assert told(whole(held[0], small, copies), whole(held[1], still_small, more))["residual"] == pytest.approx(18.0)


def test_an_unknown_price_leaves_the_sum_unknown() -> None:
    found = told(book(("NEW", 1.0, 0.0, math.nan)), book(("NEW", 1.0, 0.0, 5.0)))
    assert math.isnan(found["revaluation"])
    assert math.isnan(found["change"])


def test_wrong_input_is_refused_with_a_sentence() -> None:
    with pytest.raises(BadInputError, match="closing has no column 'price'"):
        attribution(book(), book().drop(columns="price"), events())
    with pytest.raises(BadInputError, match="term 'luck' is none of flow"):
        attribution(book(), book(), events(("USDT", 1.0, 1.0, "luck")))
    with pytest.raises(BadInputError, match="cannot attribute by 'mood'"):
        by_interval(attribution(book(), book(), events()), "mood")


AMOUNT = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
PRICE = st.floats(1e-4, 1e5)
HELD = st.lists(st.tuples(st.sampled_from("ABC"), AMOUNT, AMOUNT, PRICE), max_size=3, unique_by=lambda row: row[0])
MOVED = st.lists(st.tuples(st.sampled_from("ABC"), AMOUNT, PRICE, st.sampled_from([*TERMS][:-1])), max_size=8)


def worth(frame: pd.DataFrame) -> float:
    return float(((frame["settled"] + frame["unrealised"]) * frame["price"]).sum())


@settings(max_examples=60, deadline=None)
@given(HELD, HELD, MOVED)
def test_the_terms_add_up_to_the_change_of_equity_whatever_happened(
    opened: list[tuple[str, float, float, float]],
    closed: list[tuple[str, float, float, float]],
    moved: list[tuple[str, float, float, str]],
) -> None:
    opening, closing, happened = book(*opened), book(*closed), events(*moved)
    terms = attribution(opening, closing, happened)
    sizes = [abs(worth(opening)), abs(worth(closing)), *(happened["quantity"].abs() * 1e5).tolist(), 1.0]
    largest = max(sizes) * 10 + opening["settled"].abs().sum() * 1e5
    assert math.fsum(terms["value"]) == pytest.approx(worth(closing) - worth(opening), abs=1e-12 * largest)
    assert np.isfinite(terms["value"]).all()
