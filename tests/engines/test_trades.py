from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.trade_statistics import excursions, trade_statistics, wilson_interval
from portfolio_lab.engines.trades import Method, round_trips
from portfolio_lab.errors import BadInputError

BEGIN = pd.Timestamp("2026-01-01", tz="UTC")


def events(*rows: tuple[float, float], kind: str = "linear", fee: float = 0.0, **columns: object) -> pd.DataFrame:
    """A fill an hour, as (signed quantity, price)."""
    frame = pd.DataFrame(
        {
            "book": "main BTC",
            "at": [BEGIN + pd.Timedelta(hours=hour) for hour in range(len(rows))],
            "event_id": [f"{hour:04d}" for hour in range(len(rows))],
            "kind": kind,
            "event": "fill",
            "quantity": [row[0] for row in rows],
            "price": [row[1] for row in rows],
            "value_of_quote": 1.0,
            "fee": fee,
        }
    )
    return frame.assign(**columns)


def test_a_long_from_flat_to_flat() -> None:
    trades = round_trips(events((1, 100), (1, 110), (-2, 120), fee=-0.5))
    (trip,) = trades.closed.to_dict("records")
    assert trip["side"] == "long"
    assert trip["entry_price"] == 105.0
    assert trip["exit_price"] == 120.0
    assert trip["price_pnl"] == 30.0
    assert trip["fees"] == -1.5
    assert trip["pnl"] == 28.5
    assert trip["quantity"] == 2.0
    assert trip["turnover"] == 450.0
    assert trip["fills"] == 3
    assert trip["closed_at"] - trip["opened_at"] == pd.Timedelta(hours=2)
    assert trades.open.empty


def test_each_reduction_is_a_closing_with_its_part_of_the_entrys_fees() -> None:
    closings = round_trips(events((2, 100), (-1, 110), (-0.5, 90), fee=-1.0)).closings
    assert closings["price_pnl"].tolist() == [10.0, -5.0]
    assert closings["fees"].tolist() == [-1.5, -1.25]
    assert closings["entry_price"].tolist() == [100.0, 100.0]
    assert closings["exit_price"].tolist() == [110.0, 90.0]


def test_a_flip_is_split_with_its_fee() -> None:
    trades = round_trips(events((1, 100), (-3, 110), (2, 105), fee=-3.0))
    long, short = trades.closed.to_dict("records")
    assert (long["side"], long["price_pnl"], long["fees"]) == ("long", 10.0, -4.0)
    assert (short["side"], short["price_pnl"], short["fees"]) == ("short", 10.0, -5.0)
    assert short["opened_at"] == long["closed_at"]


def test_a_flip_opens_the_other_side_though_the_venue_says_what_it_realised() -> None:
    trades = round_trips(events((1, 100), (-2, 110), (1, 105), realised=[0.0, 10.0, 5.0]))
    assert trades.closed[["side", "pnl"]].to_numpy().tolist() == [["long", 10.0], ["short", 5.0]]
    assert (len(trades.open), trades.unknown) == (0, 0)


def test_average_cost_and_fifo_differ_in_open_trips_and_agree_in_closed_ones() -> None:
    fills = events((1, 100), (1, 200), (-1, 150))
    assert round_trips(fills).open["price_pnl"].tolist() == [0.0]
    assert round_trips(fills, method=Method.FIFO).open["price_pnl"].tolist() == [50.0]
    whole = events((1, 100), (1, 200), (-1, 150), (-1, 160))
    assert round_trips(whole).closed["price_pnl"].tolist() == [10.0]
    assert round_trips(whole, method="fifo").closed["price_pnl"].tolist() == [10.0]


def test_an_inverse_contract_earns_its_coin() -> None:
    # 100 contracts of 100 USD from 50,000 to 40,000: 10,000 (1/50,000 - 1/40,000) = -0.05 of the coin.
    trades = round_trips(events((0.2, 50_000), (-0.25, 40_000), kind="inverse", value_of_quote=40_000.0))
    (trip,) = trades.closed.to_dict("records")
    assert trip["price_pnl"] == pytest.approx(-0.05 * 40_000, rel=1e-12)
    assert trip["quantity"] == pytest.approx(10_000)
    assert trip["entry_price"] == pytest.approx(50_000)
    assert trip["exit_price"] == pytest.approx(40_000)


def test_both_sides_of_hedge_mode_are_books_of_their_own() -> None:
    fills = events((1, 100), (-1, 100), (-1, 110), (1, 110), book=["long", "short", "long", "short"])
    closed = round_trips(fills).closed
    assert dict(zip(closed["side"], closed["price_pnl"], strict=True)) == {"long": 10.0, "short": -10.0}


def test_spot_is_reckoned_at_each_times_own_value_of_the_quote_asset() -> None:
    trades = round_trips(events((1, 100), (-1, 100), kind="spot", value_of_quote=[1.0, 0.9]))
    assert trades.closed["price_pnl"].iloc[0] == pytest.approx(-10.0)


def test_a_deposit_opens_a_lot_and_a_withdrawal_takes_it_away_without_pnl() -> None:
    fills = events((2, 100), (1, 130), (-2, 0), (-1, 140), kind="spot")
    fills["event"] = ["arrival", "fill", "departure", "fill"]
    (trip,) = round_trips(fills).closed.to_dict("records")
    assert (trip["arrived"], trip["departed"]) == (2.0, 2.0)
    assert trip["price_pnl"] == pytest.approx(140 - 110)
    assert trip["fills"] == 2


def test_what_was_sold_without_a_known_opening_is_no_trip() -> None:
    trades = round_trips(events((-1, 100), (1, 90), (-1, 100), kind="spot"))
    assert trades.unknown == 1
    assert trades.closed["price_pnl"].tolist() == [10.0]
    contract = round_trips(events((-1, 100), (-1, 100), (1, 90), realised=[25.0, 0.0, 10.0]))
    assert contract.unknown == 1
    assert contract.closed["side"].tolist() == ["short"]


def test_dust_that_no_order_can_sell_leaves_a_spot_book_flat() -> None:
    assert len(round_trips(events((1, 100), (-0.9995, 110), kind="spot")).closed) == 1
    assert round_trips(events((1, 100), (-0.99, 110), kind="spot")).closed.empty


def test_funding_counts_in_the_trip_that_was_open() -> None:
    funding = pd.DataFrame(
        {
            "book": ["main BTC", "main BTC", "other"],
            "at": [BEGIN + pd.Timedelta(minutes=30), BEGIN + pd.Timedelta(hours=5), BEGIN],
            "value": [-2.0, -7.0, -9.0],
        }
    )
    (trip,) = round_trips(events((1, 100), (-1, 110)), funding).closed.to_dict("records")
    assert trip["funding"] == -2.0
    assert trip["pnl"] == 8.0


def test_an_unknown_fee_leaves_the_pnl_unknown() -> None:
    (trip,) = round_trips(events((1, 100), (-1, 110), fee=math.nan)).closed.to_dict("records")
    assert math.isnan(trip["pnl"])
    assert trip["price_pnl"] == 10.0


def test_no_events_are_no_trips() -> None:
    trades = round_trips(events().astype({"quantity": "float64", "price": "float64"}))
    assert trades.closed.empty
    assert trades.open.empty


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"quantity": 0.0}, "quantity is 0"),
        ({"quantity": math.inf}, "quantity is 0, infinite"),
        ({"price": -1.0}, "price is negative"),
        ({"kind": "swap"}, "'swap' is none of"),
        ({"event": "gift"}, "'gift' is none of"),
        ({"event_id": "same"}, "there twice"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        round_trips(events((1, 100), (-1, 110)).assign(**wrong))
    with pytest.raises(BadInputError, match="no column 'fee'"):
        round_trips(events((1, 100)).drop(columns="fee"))


FILLS = st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.floats(50, 200)), min_size=1, max_size=30)


@given(FILLS, st.sampled_from(list(Method)))
def test_pnl_of_all_trips_is_cash_earned_and_what_is_still_open_at_the_last_price(
    rows: list[tuple[int, float]], method: Method
) -> None:
    """Whatever the way it is cut into trips, the sum is the trader's cash."""
    flat = [*rows, (-sum(quantity for quantity, _ in rows), 100.0)] if sum(q for q, _ in rows) else rows
    trades = round_trips(events(*flat), method=method)
    cash = -sum(quantity * price for quantity, price in flat)
    assert trades.open.empty
    assert trades.closed["price_pnl"].sum() == pytest.approx(cash, abs=1e-8)
    assert trades.closings["price_pnl"].sum() == pytest.approx(cash, abs=1e-8)


@given(FILLS)
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, float]]) -> None:
    ordered = events(*rows)
    shuffled = ordered.sample(frac=1.0, random_state=7)
    pd.testing.assert_frame_equal(round_trips(ordered).closed, round_trips(shuffled).closed)


# ---------------------------------------------------------------- statistics


def trips(*pnl: float) -> pd.DataFrame:
    closed = BEGIN + pd.to_timedelta(np.arange(len(pnl)) * 2 + 1, unit="h")
    return pd.DataFrame(
        {"pnl": pnl, "opened_at": closed - pd.Timedelta(hours=1), "closed_at": closed, "turnover": 100.0}
    )


def test_statistics_worked_by_hand() -> None:
    figures = trade_statistics(trips(30, -10, 20, 0, -10), minimum=1)
    assert figures["trades"] == 5
    assert (figures["wins"], figures["losses"], figures["break_even"]) == (2, 2, 1)
    assert figures["win_rate"] == 0.4
    assert figures["profit_factor"] == 2.5
    assert figures["expectancy"] == 6.0
    assert figures["average_win"] == 25.0
    assert figures["average_loss"] == -10.0
    assert figures["payoff"] == 2.5
    assert figures["sqn"] == pytest.approx(math.sqrt(5) * 6.0 / np.std([30, -10, 20, 0, -10], ddof=1))
    assert figures["kelly"] == pytest.approx(0.4 - 0.6 / 2.5)
    assert figures["holding_hours"] == 1.0
    assert figures["net_pnl"] == 30.0


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert math.isnan(trade_statistics(trips(1.0, 2.0), minimum=1)["profit_factor"])
    assert math.isnan(trade_statistics(trips(1.0, -2.0))["win_rate"])  # fewer than twenty
    nothing = trade_statistics(trips())
    assert nothing["trades"] == 0
    assert math.isnan(nothing["expectancy"])
    unknown = trade_statistics(trips(1.0, math.nan, -2.0), minimum=1)
    assert (unknown["trades"], unknown["unknown"]) == (2, 1)


def test_trades_that_are_all_equal_have_no_quality_number() -> None:
    trips = round_trips(events(*[(1, 100), (-1, 101)] * 25)).closed.assign(pnl=0.1)
    assert math.isnan(trade_statistics(trips)["sqn"])


def test_an_unknown_turnover_hides_no_win() -> None:
    trips = round_trips(events((1, 100), (-1, 110), value_of_quote=[math.nan, 1.0])).closed
    figures = trade_statistics(trips)
    assert figures[["trades", "wins", "break_even", "net_pnl"]].tolist() == [1, 1, 0, 10.0]
    assert math.isnan(figures["turnover"])


def test_statistics_by_a_column() -> None:
    by_side = trade_statistics(trips(1, -2, 3).assign(side=["long", "short", "long"]), by="side", minimum=1)
    assert by_side.loc["long", "net_pnl"] == 4.0
    assert by_side.loc["short", "win_rate"] == 0.0
    by_hour = trade_statistics(trips(1, -2, 3), by="hour", minimum=1)
    assert by_hour.index.tolist() == [1, 3, 5]
    with pytest.raises(BadInputError, match="cannot group trades by 'mood'"):
        trade_statistics(trips(1), by="mood")


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    # 15 of 50 at 95 %: Wilson (1927) gives 0.1910 to 0.4375.
    low, high = wilson_interval(15, 50)
    assert (round(low, 4), round(high, 4)) == (0.191, 0.4375)
    assert wilson_interval(0, 10)[0] == 0.0
    assert all(math.isnan(edge) for edge in wilson_interval(0, 0))


def test_excursions_are_the_worst_and_best_price_on_the_way() -> None:
    closed = round_trips(events((1, 100), (0.0001, 100), (0.0001, 100), (-1.0002, 110))).closed
    path = pd.Series([95.0, 120.0, 50.0], index=BEGIN + pd.to_timedelta([1, 2, 9], unit="h"))
    (trip,) = excursions(closed, {"main BTC": path}).to_dict("records")
    assert trip["mae"] == pytest.approx(-0.05)
    assert trip["mfe"] == pytest.approx(0.20)
    short = round_trips(events((-1, 100), (-0.0001, 100), (-0.0001, 100), (1.0002, 110))).closed
    (trip,) = excursions(short, {"main BTC": path}).to_dict("records")
    assert trip["mae"] == pytest.approx(-0.20)
    assert trip["mfe"] == pytest.approx(0.05)
    (blind,) = excursions(closed, {}).to_dict("records")
    assert math.isnan(blind["mae"])
