"""Risk of the present books, by hand, and against the demo exchange's own truth with its prices moved."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import pytest
from lab_rows import amount, book, commit

from portfolio_lab import demo_lab
from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.binance_auth import signature_of
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.instruments import INVERSE, LINEAR, OPTION, by_symbol
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.okx import ENDPOINTS as OKX
from portfolio_lab.demo.okx_wire import OkxAsk
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.demo.wire import Asked
from portfolio_lab.engines.exposure import Line, position_exposure
from portfolio_lab.engines.options import gains
from portfolio_lab.engines.stress import shock_grid, stressed
from portfolio_lab.errors import BadInputError
from portfolio_lab.lab import Lab
from portfolio_lab.models.holdings import ContractKind, Position
from portfolio_lab.models.prices import Price
from portfolio_lab.models.tables import TABLES
from portfolio_lab.options_held import held_options
from portfolio_lab.replay import SEED
from portfolio_lab.sample import SINCE
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store

STEP = Decimal("0.5")
"""By how much prices are moved: every part of these books is linear in it, and the exchange rounds PnL in coins."""
BASIS = 2e-3
"""What a contract's own mark may lie away from its underlying's one price, as a share."""

Books = dict[str, DemoAccount]


@pytest.fixture(scope="module")
def sample() -> Lab:
    return demo_lab()


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(SEED)


@pytest.fixture(scope="module")
def books(sample: Lab, market: Market) -> Books:
    """The exchange's own books, told up to the newest snapshot of the sample."""
    known = open_accounts(market, milliseconds(SINCE))
    chosen = {f"{one.account.user} {one.account.name}": one for one in known}
    return {name: chosen[name] for name in sample.risk().leverage.index}


# ---------------------------------------------------------------- by hand


def test_the_worked_book(lab: Lab) -> None:
    # 2 BTC in spot against a short of 1 BTC: one BTC of exposure, whatever falls.
    price = float(lab.balances("alice").query("asset == 'BTC'")["price"].iloc[0])
    equity = float(lab.equity("alice").iloc[-1])
    assert lab.stress("alice", {"BTC": -0.2}).loc["alice binance:main", "given"] == pytest.approx(-0.2 * price)
    risk = lab.risk("alice")
    assert risk.leverage.loc["alice binance:main", "gross"] == pytest.approx(price)
    assert risk.leverage.loc["alice binance:main", "contracts"] == pytest.approx(price)
    assert risk.concentration["largest"] == 1.0
    assert risk.leverage.loc["alice binance:main", "leverage"] == pytest.approx(price / equity)


def test_an_underlying_that_is_not_shocked_stands_still(lab: Lab) -> None:
    assert lab.stress("alice", {"DOGE": -0.9}).to_numpy().tolist() == [[0.0]]


def test_a_lab_without_a_snapshot_has_no_risk_to_tell(lab: Lab) -> None:
    with pytest.raises(BadInputError, match="no complete snapshot"):
        lab.risk("bob")


def test_a_preset_that_is_none_is_refused(sample: Lab) -> None:
    with pytest.raises(BadInputError, match="use 'together', 'history', 'independent'"):
        sample.stress(shocks="crash")


def test_without_a_past_nothing_is_drawn_and_the_remedy_is_told(
    store: Store, settings: Settings, commit_places: Callable[..., None]
) -> None:
    commit_places(0, 9)
    young = Lab(store, settings)
    with pytest.raises(BadInputError, match=r"BTC: [12] days of prices are stored, 30 are needed\): give your own"):
        young.stress("alice", "history")
    assert young.stress("alice", {"BTC": -0.2}).notna().all(axis=None)


def test_a_book_without_an_exposure_loses_nothing_in_any_day(store: Store, settings: Settings) -> None:
    rows = book(0)
    rows["balances"], rows["positions"] = rows["balances"][:1], []
    commit(store, rows, rows["portfolio_snapshots"][0]["slot"])
    found = Lab(store, settings).stress("alice", "history")
    assert found.shape == (1, 1_000)
    assert (found == 0.0).all(axis=None)


# ---------------------------------------------------------------- the whole desk


def test_a_thousand_scenarios_are_one_product(sample: Lab) -> None:
    drawn = sample.stress(shocks="history")
    assert drawn.shape == (len(sample.risk().leverage), 1_000)
    together = sample.stress(shocks="together")
    # When all fall alike nothing diversifies: the worst day is worse than the worst of independent ones.
    assert together.sum().min() < sample.stress(shocks="independent").sum().min()


def test_users_add_up_to_the_desk(sample: Lab) -> None:
    whole = sample.stress()
    names = list(whole.index)
    parts = pd.concat([sample.stress(user, shock_grid(["BTC", "ETH"])) for user in sample.users().index])
    same = sample.stress(shocks=shock_grid(["BTC", "ETH"]))
    pd.testing.assert_frame_equal(parts.loc[names], same.loc[names])


def test_the_desk_s_exposure_is_its_users(sample: Lab) -> None:
    for user in sample.users().index:
        up = sample.stress(user, dict.fromkeys(sample.exposure(user).index, 1.0))
        assert up["given"].sum() == pytest.approx(sample.exposure(user).attrs["total"]["net"], rel=1e-9)


def test_the_first_to_fall_comes_first(sample: Lab) -> None:
    nearest = sample.risk().accounts["nearest"].dropna()
    assert nearest.is_monotonic_increasing
    assert nearest.index[0] == "desk binance:hedge"


def test_value_at_risk_is_a_loss_of_known_days(sample: Lab) -> None:
    told = sample.risk("alice").value_at_risk
    assert told["expected_shortfall"] <= told["historical"] < 0
    assert told["days"] >= 30
    assert told.attrs["unknown"] == {}
    assert told["parametric_share"] == pytest.approx(told["parametric"] / sample.equity("alice").iloc[-1])


def test_what_was_bought_of_late_is_unknown_and_named(lab: Lab, store: Store, settings: Settings) -> None:
    rows = book(162)
    slot = rows["portfolio_snapshots"][0]["slot"]
    key = {"user": "alice", "slot": slot, "account": "okx:main", "wallet": "funding", "currency": "USD"}
    rows["wallets"].append({**key, "grade": "ok", "code": "", "reason": ""})
    rows["balances"].append({**key, "asset": "NEW", "quantity": amount(1), "price": 5.0, "value": 5.0})
    rows["prices"].append({**rows["prices"][0], "venue": "okx", "asset": "NEW", "price": 5.0, "route": "NEW>USD"})
    before = lab.risk("alice").value_at_risk
    commit(store, rows, slot)
    late = Lab(store, settings)
    assert before.attrs["unknown"] == {}
    assert before["historical"] < 0
    why = {"NEW": "0 days of prices are stored, 30 are needed"}
    told = late.risk("alice")
    assert told.value_at_risk.attrs["unknown"] == why
    assert math.isnan(told.value_at_risk["historical"])
    assert "unknown: NEW: 0 days of prices are stored, 30 are needed" in repr(told)
    assert "options:\nnone" in repr(told)
    drawn = late.stress("alice", "history")
    assert drawn.attrs["unknown"] == why
    assert drawn.loc["alice okx:main"].isna().all()
    assert drawn.loc["alice binance:main"].notna().all()


def test_correlations_are_of_what_is_held(sample: Lab) -> None:
    matrix = sample.risk("alice").correlation
    assert set(matrix.index) == set(sample.exposure("alice").index)
    assert matrix.to_numpy().diagonal() == pytest.approx(1.0)
    assert (matrix == matrix.T).all(axis=None)


def test_resting_orders_widen_the_worst_case(sample: Lab) -> None:
    orders = sample.risk("desk").orders
    assert (orders["if_buys_fill"] >= orders["net"]).all()
    assert (orders["if_sells_fill"] <= orders["net"]).all()


# ---------------------------------------------------------------- against the exchange's own truth


@dataclass(frozen=True)
class Moved:
    """The market with every price of one coin moved by a fraction, unrounded."""

    market: Market
    coin: str
    by: Decimal

    def usdt_usd(self, venue: str, at: int) -> Decimal:
        return self.market.usdt_usd(venue, at)

    def coin_usd(self, venue: str, asset: str, at: int) -> Decimal | None:
        price = self.market.coin_usd(venue, asset, at)
        return price if price is None or asset.removeprefix("LD") != self.coin else price * (1 + self.by)

    def mark(self, venue: str, symbol: str, kind: str, at: int) -> Decimal:
        price = self.market.mark(venue, symbol, kind, at)
        return price if by_symbol(venue, kind)[symbol].base != self.coin else price * (1 + self.by)


def revalued(one: DemoAccount, market: Market, coin: str, at: int) -> float:
    """Return what the account gains when the coin rises by 100 %, from its truth at two prices."""
    moved: list[Any] = [Moved(market, coin, STEP), Moved(market, coin, -STEP)]
    up, down = (account_truth(one, prices, at).equity for prices in moved)
    assert up is not None
    assert down is not None
    return float((up - down) / (2 * STEP))


def test_the_truth_is_the_equity_that_was_synced(sample: Lab, market: Market, books: Books) -> None:
    at, equity = newest(sample), sample.risk().leverage["equity"]
    for name, one in books.items():
        assert float(account_truth(one, market, at).equity or 0) == pytest.approx(equity[name], rel=1e-7)


def newest(sample: Lab) -> int:
    return milliseconds(sample.equity("desk").index[-1].to_pydatetime())


def test_exposure_is_what_the_truth_gains_when_a_price_moves(sample: Lab, market: Market, books: Books) -> None:
    at = newest(sample)
    parts = sample._book(None).parts
    # At the contracts' own marks nothing but rounding may be between the two; an inverse one moves its coin's price.
    inverse = {symbol for venue in ("binance", "okx") for symbol in by_symbol(venue, INVERSE)}
    coins = zip(parts["account"].str.split().str[1].str.split(":").str[0], parts["underlying"], strict=True)
    worth = parts["value"] / parts["price"] * [float(market.coin_usd(venue, coin, at) or 0) for venue, coin in coins]
    signed = parts["own_value"].where(parts["value"] > 0, -parts["own_value"])
    own = signed.mask(parts["name"].str.split().str[0].isin(inverse), worth)
    exact = own.groupby([parts["account"], parts["underlying"]]).sum()
    gross = parts.groupby(["account", "underlying"])["own_value"].sum()
    netted = sample._book(None).exposures()
    assert len(exact) > 20
    for (account, coin), value in exact.items():
        truth, scale = revalued(books[account], market, coin, at), gross[account, coin]
        assert value == pytest.approx(truth, rel=1e-6, abs=1e-6 * scale), (account, coin)
        # One price for all of an underlying leaves the basis of its contracts out.
        assert netted.loc[account, coin] == pytest.approx(truth, abs=BASIS * scale), (account, coin)


def test_a_stressed_account_is_the_account_at_those_prices(sample: Lab, market: Market, books: Books) -> None:
    at, fall = newest(sample), Decimal("-0.3")
    pnl = sample.stress(shocks={"BTC": float(fall)})["given"]
    gross = sample._book(None).parts.query("underlying == 'BTC'").groupby("account")["own_value"].sum()
    for name, one in books.items():
        moved: Any = Moved(market, "BTC", fall)
        change = float((account_truth(one, moved, at).equity or 0) - (account_truth(one, market, at).equity or 0))
        assert pnl[name] == pytest.approx(change, abs=BASIS * 0.3 * gross.get(name, 0.0) + 1e-6)


@pytest.mark.parametrize("days_ahead", [20, 60])
def test_an_option_moves_by_its_delta(market: Market, days_ahead: int) -> None:
    at = milliseconds(SINCE) + 86_400_000
    options = [one for one in by_symbol("binance", OPTION).values() if one.base == "BTC" and one.expiry > at]
    spot = float(market.index("binance", "BTC", "USDT", at))
    soon = sorted(
        options, key=lambda one: (abs(one.expiry - at - days_ahead * 86_400_000), abs(float(one.strike) - spot))
    )
    for one in soon[:2]:
        delta = market.option_delta(one, at)
        held = Position(
            one.symbol, "BTC", ContractKind.OPTION, "net", Decimal(2), Decimal(2), Decimal(1), Decimal(1),
            market.option_mark(one, at), Decimal(0), "USDT", delta=delta,
        )  # fmt: skip
        prices = {"BTC": Price("BTC", "USD", spot, "index", ("BTC", "USD"), SINCE)}
        up, down = (float(Bumped(by).option_mark(one, at)) for by in (0.002, -0.002))
        gained = 2 * (up - down) / 0.004
        assert position_exposure(held, prices, currency="USD") == pytest.approx(gained, rel=0.01)


@pytest.mark.parametrize("days_ahead", [20, 60])
@pytest.mark.parametrize("side", ["C", "P"])
def test_an_option_in_a_crash_is_worth_what_the_exchange_says(market: Market, days_ahead: int, side: str) -> None:
    at = milliseconds(SINCE) + 86_400_000
    options = [
        one for one in by_symbol("binance", OPTION).values()
        if one.base == "BTC" and one.expiry > at and one.option_side == side
    ]  # fmt: skip
    spot = float(market.index("binance", "BTC", "USDT", at))
    one = min(options, key=lambda one: (abs(one.expiry - at - days_ahead * 86_400_000), abs(float(one.strike) - spot)))
    rows = pd.DataFrame([dict.fromkeys(TABLES["positions"].schema.names)]).assign(
        account="binance:main", instrument=one.symbol, underlying="BTC", kind="option", side="net", quantity=-3.0,
        mark_price=float(market.option_mark(one, at)), settle_asset="USDT",
    )  # fmt: skip
    now, dollar = pd.Timestamp(at, unit="ms", tz="UTC"), Price("USDT", "USD", 1.0, "index", ("USDT", "USD"), SINCE)
    held = held_options(
        rows, [Line("BTC", spot, ())], {"binance": {"USDT": dollar}}, user="a", slot=now, currency="USD"
    )
    assert held["reason"].tolist() == [""]
    shocks = pd.DataFrame([[-0.3, 0.3]], index=["BTC"])
    theirs = [-3.0 * float(Bumped(by).option_mark(one, at) - market.option_mark(one, at)) for by in (-0.3, 0.3)]
    assert gains(held, shocks)[0].tolist() == pytest.approx(theirs, rel=1e-4, abs=0.1)


class Bumped(Market):
    """The market with the index of every coin moved by a fraction."""

    def __init__(self, by: float) -> None:
        super().__init__(SEED)
        self._by = by

    def _index_value(self, venue: str, base: str, quote: str, at: int) -> float:
        return super()._index_value(venue, base, quote, at) * (1.0 + self._by)


@pytest.mark.parametrize(
    ("account", "path", "kind"),
    [
        ("alice binance:main", "/fapi/v3/positionRisk", LINEAR),
        ("desk binance:hedge", "/fapi/v3/positionRisk", LINEAR),
        ("desk binance:main", "/fapi/v3/positionRisk", LINEAR),
        ("desk binance:hedge", "/dapi/v1/positionRisk", INVERSE),
    ],
)
def test_the_distance_to_liquidation_is_the_exchanges_own(
    sample: Lab, market: Market, books: Books, account: str, path: str, kind: str
) -> None:
    ours = sample.risk().positions.query("account == @account").set_index(["instrument", "side"])["distance"]
    compared = 0
    for row in asked(books[account], market, path, newest(sample)):
        if float(row["positionAmt"]) and row["symbol"] in by_symbol("binance", kind):
            mark, end = float(row["markPrice"]), float(row["liquidationPrice"])
            distance = ours[row["symbol"], row["positionSide"].lower().replace("both", "net")]
            assert distance == pytest.approx(end / mark - 1.0, rel=1e-6) if end else math.isnan(distance)
            compared += 1
    assert compared


@pytest.mark.parametrize("account", ["desk binance:hedge", "desk binance:main"])
def test_the_margin_ratio_of_usd_m_is_the_exchanges_own(
    sample: Lab, market: Market, books: Books, account: str
) -> None:
    told: Any = asked(books[account], market, "/fapi/v3/account", newest(sample))
    theirs = float(told["totalMaintMargin"]) / float(told["totalMarginBalance"])
    margins = sample.risk().margins.query("account == @account and wallet == 'usd_m' and asset == 'USDT'")
    assert margins["margin_ratio"].tolist() == pytest.approx([theirs], rel=1e-9)
    positions = sample.risk().positions.query("account == @account and wallet == 'usd_m'")
    assert positions["margin_ratio"].tolist() == pytest.approx([theirs] * len(positions), rel=1e-9)
    assert len(positions)


def test_margins_are_in_every_frame_of_theirs(sample: Lab) -> None:
    risk = sample.risk()
    ratios = risk.margins["margin_ratio"].dropna()
    assert ratios.is_monotonic_decreasing
    highest = risk.margins.groupby("account")["margin_ratio"].max().dropna()
    assert risk.accounts["margin_ratio"].dropna().to_dict() == highest.to_dict()
    positions, wallets = sample.positions("desk"), sample.wallets("desk")
    assert positions["margin_ratio"].notna().any()
    assert wallets["margin_ratio"].max() == pytest.approx(
        risk.margins[risk.margins["account"].str.startswith("desk ")]["margin_ratio"].max(), rel=1e-12
    )
    assert "margins" not in wallets


def asked(one: DemoAccount, market: Market, path: str, now: int) -> list[dict[str, str]]:
    """Return what the exchange answers about the positions of an account."""
    query = urlencode({"timestamp": now})
    signed = f"{query}&signature={signature_of(one.credentials.secret, query.encode())}"
    venue = BinanceVenue(Exchange(market, DemoClock(now), (one,)))
    told = venue.answer(Asked("GET", path, signed, {"X-MBX-APIKEY": one.credentials.key}, b"", "::1", now, now))
    assert told.status == 200
    rows: list[dict[str, str]] = json.loads(told.encoded())
    return rows


@pytest.mark.parametrize("account", ["desk okx:main", "desk okx:carry"])
def test_and_okx_s_own(sample: Lab, market: Market, books: Books, account: str) -> None:
    at, one = newest(sample), books[account]
    question = Asked("GET", "", "", {}, b"", "::1", at, at)
    told: Any = OKX["account/positions"].reply(OkxAsk(Exchange(market, DemoClock(at), (one,)), question, one))
    rows = list(told)
    ours = sample.risk().positions.query("account == @account").set_index("instrument")["distance"]
    for row in rows:
        end = float(row["liqPx"]) / float(row["markPx"]) - 1.0 if row["liqPx"] else math.nan
        assert ours[row["instId"]] == pytest.approx(end, rel=1e-6, nan_ok=True)
    assert any(row["liqPx"] for row in rows)


def test_a_desk_of_fifty_accounts() -> None:
    names = [f"account {place}" for place in range(50)]
    exposures = pd.DataFrame({"BTC": range(50), "ETH": range(50, 0, -1)}, index=names, dtype="float64")
    shocks = pd.DataFrame({place: [place / 1_000, -0.1] for place in range(1_000)}, index=["BTC", "ETH"])
    pnl = stressed(exposures, shocks)
    assert pnl.shape == (50, 1_000)
    assert pnl.loc["account 3", 500] == pytest.approx(3 * 0.5 - 47 * 0.1)
