"""Explanations: hand-made trees, and every tree of the sample lab, whose parts must give their whole."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from portfolio_lab import demo_lab
from portfolio_lab.engines.performance import FIGURES
from portfolio_lab.errors import BadInputError
from portfolio_lab.explanation import COLUMNS, Node, linked
from portfolio_lab.lab import Lab

USERS = ["alice", "carol", "desk"]


@pytest.fixture(scope="module")
def sample() -> Lab:
    return demo_lab()


# ---------------------------------------------------------------- the tree itself


def coins(quantity: float, price: float, value: float) -> Node:
    factors = (Node("quantity", quantity, "BTC"), Node("BTC/USD", price, "USD", source="binance spot BTCUSDT last"))
    return Node("BTC", value, "USD", "quantity x price", factors, rule=math.prod)


def test_a_tree_is_printed_from_the_number_down() -> None:
    tree = Node("equity", 250.0, "USD", "sum of assets", (coins(2, 100, 200), Node("USD", 50.0, "USD")), "snapshot")
    assert str(tree).splitlines() == [
        "equity: 250 USD  = sum of assets  [snapshot]",
        "  BTC: 200 USD  = quantity x price",
        "    quantity: 2 BTC",
        "    BTC/USD: 100 USD  [binance spot BTCUSDT last]",
        "  USD: 50 USD",
    ]
    rows = tree.frame()
    assert list(rows.columns) == list(COLUMNS)
    assert rows["depth"].tolist() == [0, 1, 2, 2, 1]
    assert rows["path"].iloc[3] == "equity > BTC > BTC/USD"


def test_a_part_that_does_not_fit_is_found() -> None:
    wrong = coins(2, 100, 201)
    tree = Node("equity", 201.0, "USD", "sum", (wrong,))
    assert tree.broken() == [wrong]
    assert Node("equity", 202.0, "USD", "sum", (coins(2, 100, 200),)).broken()
    assert not Node("equity", 200.0, "USD", "sum", (coins(2, 100, 200),)).broken()


def test_an_unknown_part_leaves_the_whole_unknown() -> None:
    tree = Node("equity", math.nan, "USD", "sum", (coins(2, math.nan, math.nan), Node("USD", 50.0, "USD")))
    assert not tree.broken()
    assert "BTC: unknown" in str(tree)
    assert Node("equity", 50.0, "USD", "sum", tree.children).broken()


def test_returns_are_linked_without_the_unknown_ones() -> None:
    assert linked([0.1, math.nan, -0.2]) == pytest.approx(-0.12)
    assert math.isnan(linked([math.nan]))


# ---------------------------------------------------------------- the lab of invented rows


def test_the_worked_book_by_hand(lab: Lab) -> None:
    # The last place holds 2 BTC, 200 USDT and a short of 1 BTC from 100.
    tree = lab.explain("alice")
    rows = tree.frame().set_index("path")["value"]
    price = rows["equity of alice > binance:main > spot > BTC > BTC/USD"]
    assert rows["equity of alice > binance:main > spot > BTC > quantity"] == 2.0
    assert rows["equity of alice > binance:main > usd_m > USDT > quantity > settled"] == 200.0
    assert rows["equity of alice > binance:main > usd_m > USDT > quantity > open PnL"] == pytest.approx(100.0 - price)
    assert tree.value == pytest.approx(2 * price + 200.0 + 100.0 - price)


def test_an_older_instant_is_explained_from_its_own_snapshot(lab: Lab) -> None:
    assert lab.explain("alice", at="2026-01-03").value == lab.equity("alice")[pd.Timestamp("2026-01-03", tz="UTC")]
    # Ten days have been closed by the end of the 10th.
    assert len(lab.explain("alice", "twr", at="2026-01-10").children) == 10


@pytest.mark.parametrize("figure", ["equty", "", "account"])
def test_what_is_no_figure_is_refused(lab: Lab, figure: str) -> None:
    with pytest.raises(BadInputError, match="cannot explain"):
        lab.explain("alice", figure)


def test_the_nearest_figure_is_named(lab: Lab) -> None:
    with pytest.raises(BadInputError, match="did you mean 'sharpe'"):
        lab.explain("alice", "sharp")


@pytest.mark.parametrize("figure", ["equity", "exposure", "pnl", "twr", "sharpe"])
def test_before_the_first_snapshot_there_is_nothing_to_explain(lab: Lab, figure: str) -> None:
    with pytest.raises(BadInputError):
        lab.explain("bob", figure)
    with pytest.raises(BadInputError):
        lab.explain("alice", figure, at="2020-01-01")


# ---------------------------------------------------------------- the sample lab


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("figure", ["equity", "exposure", "net_exposure", "pnl", "twr", "sharpe", "max_drawdown"])
def test_each_level_gives_the_one_above(sample: Lab, user: str, figure: str) -> None:
    tree = sample.explain(user, figure)
    assert tree.children
    assert tree.broken() == []


@pytest.mark.parametrize("user", USERS)
def test_the_top_is_the_figure_that_the_lab_shows(sample: Lab, user: str) -> None:
    headline = sample.headline(user)
    assert sample.explain(user).value == headline["equity"]
    assert sample.explain(user, "exposure").value == pytest.approx(headline["gross_exposure"], rel=1e-12)
    assert sample.explain(user, "net_exposure").value == pytest.approx(headline["net_exposure"], rel=1e-12)
    assert sample.explain(user, "twr").value == pytest.approx(sample.performance(user)["total_return"], rel=1e-12)


def test_every_day_of_pnl_is_explained(sample: Lab) -> None:
    pnl = sample.pnl("carol")["pnl"].dropna()
    for day in pnl.index[5:7]:
        tree = sample.explain("carol", "pnl", at=day)
        assert tree.value == pytest.approx(pnl[day], abs=1e-9)
        assert tree.broken() == []


@pytest.mark.parametrize("user", USERS)
def test_a_days_pnl_is_told_down_to_quantity_and_price(sample: Lab, user: str) -> None:
    tree = sample.explain(user, "pnl", at="2026-08-20")
    untold = [node for _, node in tree.walk() if node.formula and not node.children and abs(node.value) > 1e-9]
    assert untold == []
    assert "revaluation" in {child.name for child in tree.children}


def test_events_are_named_down_to_their_stored_row(sample: Lab) -> None:
    rows = sample.explain("desk", "pnl", at="2026-08-20").frame()
    told = rows[rows["source"].str.match(r"(fills|income|cash_flows) ")]
    fills = set(sample.facts("fills", "desk")["fill_id"])
    named = told.loc[told["source"].str.startswith("fills "), "source"].str.removeprefix("fills ")
    assert len(told)
    assert set(named) <= fills


@pytest.mark.parametrize("figure", sorted(FIGURES))
def test_every_figure_has_its_constitution_and_its_days(sample: Lab, figure: str) -> None:
    tree = sample.explain("alice", figure)
    shown = sample.performance("alice")[figure]
    assert tree.value == shown or (math.isnan(tree.value) and math.isnan(shown))
    assert tree.formula
    assert tree.source.startswith("n = ")
    assert len(tree.children) == len(sample.returns("alice"))


def test_a_wallet_names_the_raw_answers_that_it_was_read_from(sample: Lab) -> None:
    rows = sample.explain("alice").frame()
    source = rows.loc[rows["path"].str.endswith("> usd_m"), "source"].iloc[0]
    stored = sample.facts("wallets", "alice").sort_values("slot").query("wallet == 'usd_m'")["answers"].iloc[-1]
    digests = [part.split()[-1] for part in source.split("; ")[1:]]
    assert digests
    assert all(len(digest) == 64 and digest in stored for digest in digests)


def test_a_price_tells_source_route_kind_and_age(sample: Lab) -> None:
    rows = sample.explain("alice").frame()
    told = rows.loc[rows["name"] == "SOL/USD", "source"].iloc[0]
    assert "route SOL>" in told
    assert told.endswith("s old")
    assert "market" in told


def test_frames_are_tidy(sample: Lab) -> None:
    rows = sample.explain("desk", "exposure").frame()
    assert rows["path"].is_unique
    assert pd.api.types.is_float_dtype(rows["value"])
