"""Stress: what the present book would lose, and whose account would fall first.

Spot, linear and inverse contracts are all exactly linear in the price of their underlying once the
margin is counted in (engines.exposure shows why), so a scenario is one product:

    PnL of an account = sum over underlyings of exposure x shock        (shock: a fraction of price)

Options are curved: each is valued anew at the shocked price (engines.options). One that cannot be counts with its
delta, which understates what a large shock gains a bought one and costs a written one. Stablecoins and fiat
are not shocked. What has no exposure (opaque bots) is not in here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import NormalDist

import numpy as np
import pandas as pd

from portfolio_lab.engines import options as optional
from portfolio_lab.errors import BadInputError

LEVELS = (-0.5, -0.3, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shocks of the grid: fractions of each price."""

_TAIL = 0.05
_FEWEST_DAYS = 30
_TOTAL_LOSS = -1.0
_FALLS = -np.linspace(0.0, 1.0, 201)
_RISES = np.linspace(0.0, 9.0, 1_801)


class Correlation(StrEnum):
    """How underlyings move with one another in drawn scenarios."""

    TOGETHER = "together"
    """All the same way: the day when diversification is gone."""
    HISTORY = "history"
    """As their known daily returns did."""
    INDEPENDENT = "independent"
    """Each by itself."""


def shock_grid(underlyings: Sequence[str], levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """Return shocks by underlying (rows) and scenario (columns): the whole market, then each one alone.

    Columns are named "market -10 %", "BTC -10 %" ...
    """
    names = list(underlyings)
    columns = {f"market {level:+.0%}".replace("%", " %"): np.full(len(names), level) for level in levels}
    for place, name in enumerate(names):
        for level in levels:
            columns[f"{name} {level:+.0%}".replace("%", " %")] = np.where(np.arange(len(names)) == place, level, 0.0)
    return pd.DataFrame(columns, index=pd.Index(names, name="underlying"), dtype="float64")


def drawn_shocks(
    returns: pd.DataFrame,
    *,
    scenarios: int = 1_000,
    days: float = 1.0,
    correlation: Correlation | str = Correlation.HISTORY,
    seed: int = 0,
) -> pd.DataFrame:
    """Return normal shocks with the volatility of history and a preset correlation; never below -100 %.

    Args:
        returns: daily returns, one column an underlying; at least 30 days in common.
        scenarios: how many to draw.
        days: horizon; volatility grows with its square root.
        correlation: "together", "history" or "independent".
        seed: the same seed gives the same shocks.

    Raises:
        BadInputError: fewer than 30 days are known for all.
    """
    known = _common(returns)
    scale = known.std(ddof=1).to_numpy() * math.sqrt(days)
    generator = np.random.default_rng(seed)
    width = known.shape[1]
    chosen = Correlation(correlation)
    if chosen is Correlation.TOGETHER:
        draws = np.repeat(generator.standard_normal((scenarios, 1)), width, axis=1)
    elif chosen is Correlation.INDEPENDENT or width == 1:
        draws = generator.standard_normal((scenarios, width))
    else:
        matrix = np.nan_to_num(np.corrcoef(known.to_numpy().T), nan=0.0)
        np.fill_diagonal(matrix, 1.0)
        draws = generator.multivariate_normal(np.zeros(width), matrix, scenarios, method="eigh")
    shocks = np.maximum(draws * scale, _TOTAL_LOSS).T
    return pd.DataFrame(shocks, index=known.columns.rename("underlying"), columns=range(scenarios))


def stressed(exposures: pd.DataFrame, shocks: pd.DataFrame, options: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the PnL (money) of each account (rows) in each scenario (columns).

    Args:
        exposures: signed money, one row an account, one column an underlying; NaN where unknown.
        shocks: from `shock_grid` or `drawn_shocks`; an underlying without a row is not moved, one whose shock is NaN
            is moved nobody knows how far.
        options: those that are valued anew, of method "black-76" (`engines.options.priced`); they are not
            among `exposures`.

    Returns:
        NaN for an account with an unknown exposure in an underlying that the scenario moves, or with any in
        one whose shock is unknown.
    """
    moved = shocks.reindex(exposures.columns, fill_value=0.0).to_numpy(dtype="float64")
    known = exposures.fillna(0.0).to_numpy(dtype="float64")
    unknown = exposures.isna().to_numpy().astype("float64") @ (moved != 0.0) + (known != 0.0) @ np.isnan(moved) * 1.0
    pnl = np.where(unknown > 0, np.nan, known @ np.nan_to_num(moved))
    if options is not None and len(options):
        places = exposures.index.get_indexer(pd.Index(options["account"]))
        np.add.at(pnl, places[places >= 0], optional.gains(options[places >= 0], shocks))
    return pd.DataFrame(pnl, index=exposures.index, columns=shocks.columns)


def liquidation_distances(positions: pd.DataFrame) -> pd.DataFrame:
    """Return the positions with `distance`: how far the mark must move to the liquidation price.

    A signed fraction of the mark: -0.2 is a fall of 20 %. NaN where the venue states no liquidation
    price; such a position may still be closed out with its account.

    Args:
        positions: with `mark_price` and `liquidation_price`.
    """
    mark = positions["mark_price"].astype("float64")
    liquidation = positions["liquidation_price"].astype("float64")
    distance = (liquidation / mark - 1.0).where((mark > 0) & (liquidation > 0))
    return positions.assign(distance=distance)


def first_to_fall(
    exposures: pd.DataFrame, equity: pd.Series, positions: pd.DataFrame, options: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return what fall and what rise of the whole market each account survives, the most endangered first.

    All underlyings move by the same fraction. An account falls when its first liquidation price is
    reached, or when its equity is gone, whichever comes first.

    Args:
        exposures: signed money, one row an account, one column an underlying.
        equity: by account; money, NaN when unknown.
        positions: `account`, `mark_price`, `liquidation_price`; the venue's own liquidation prices.
        options: as for `stressed`. The end of an account with some is looked for in steps of half a per cent,
            up to a rise of 900 %.

    Returns:
        One row an account: `fall` (<= 0) and `rise` (>= 0), fractions of price, NaN when no move of that side
        fells it; `nearest`, the smaller magnitude of the two, and `cause` ("liquidation" or "equity"). All 0 where
        the equity is gone already.
    """
    near = liquidation_distances(positions)[["account", "distance"]].dropna()
    slope = exposures.sum(axis=1, skipna=False)
    curved = _curved_ends(exposures, equity, options)
    rows = []
    for account in exposures.index:
        distances = near.loc[near["account"] == account, "distance"].to_numpy()
        own = float(equity.get(account, math.nan))
        downwards, upwards = curved[account] if account in curved else _gone(own, float(slope[account]))
        fall, fall_cause = _nearest(distances[distances <= 0], downwards)
        rise, rise_cause = _nearest(distances[distances > 0], upwards)
        nearest = np.nanmin([abs(fall), rise]) if not (math.isnan(fall) and math.isnan(rise)) else math.nan
        cause = fall_cause if abs(fall) == nearest else rise_cause
        rows.append((fall, rise, nearest, cause))
    frame = pd.DataFrame(rows, index=exposures.index, columns=["fall", "rise", "nearest", "cause"])
    return frame.sort_values("nearest", kind="stable", na_position="last")


def worst_case(net: pd.Series, orders: pd.DataFrame, prices: pd.Series) -> pd.DataFrame:
    """Return exposure by underlying if every resting order of one side filled.

    Args:
        net: signed money by underlying.
        orders: `underlying`, `side` ("buy", "sell"), `quantity`, `filled` (base units; NaN unknown), `reduce_only`.
        prices: reporting currency per unit, by underlying.

    Returns:
        Index `underlying`: `net`, `if_buys_fill`, `if_sells_fill` (signed money) and `worst`, the largest
        magnitude of the three. NaN where an order's size or a price is unknown. Reduce-only orders can
        only close: they are left out.
    """
    resting = orders[~orders["reduce_only"].astype(bool)]
    left = resting["quantity"].astype("float64") - resting["filled"].astype("float64")
    value = left * resting["underlying"].map(prices).astype("float64")
    names = sorted({*net.index, *resting["underlying"]})
    frame = pd.DataFrame({"net": net.reindex(names).fillna(0.0)}, index=pd.Index(names, name="underlying"))
    for side, sign in (("buy", 1.0), ("sell", -1.0)):
        chosen = resting["side"] == side
        sums = (sign * value[chosen]).groupby(resting.loc[chosen, "underlying"]).sum(min_count=1)
        unknown = value[chosen].isna().groupby(resting.loc[chosen, "underlying"]).any()
        sums[unknown[unknown].index] = math.nan
        added = sums.reindex(names)
        added[~added.index.isin(sums.index)] = 0.0
        frame[f"if_{side}s_fill"] = frame["net"] + added
    frame["worst"] = frame.abs().max(axis=1).where(frame.notna().all(axis=1))
    return frame


def concentration(exposures: pd.Series) -> pd.Series:
    """Return how much of a gross exposure sits in few underlyings.

    `largest` and `largest_three` (shares of gross), `herfindahl` (sum of squared shares, 1 = all in one) and
    `effective_number` (its inverse). NaN when there is no exposure, or one is unknown.
    """
    sizes = exposures.abs().to_numpy(dtype="float64")
    gross = float(sizes.sum())
    names = ("largest", "largest_three", "herfindahl", "effective_number")
    if not gross > 0:
        return pd.Series(dict.fromkeys(names, math.nan))
    shares = np.sort(sizes / gross)[::-1]
    herfindahl = float(shares @ shares)
    return pd.Series(dict(zip(names, (shares[0], shares[:3].sum(), herfindahl, 1 / herfindahl), strict=True)))


def book_value_at_risk(
    exposures: pd.Series, returns: pd.DataFrame, *, tail: float = _TAIL, days: float = 1.0
) -> pd.Series:
    """Return what the present book loses in a bad day, were past days to come again; money, a loss is < 0.

        historical   the `tail` quantile of exposures . returns of each past day, linear, x sqrt(days)
        parametric   z(tail) x sqrt(exposures' covariance exposures) x sqrt(days), mean 0

    Args:
        exposures: signed money by underlying.
        returns: daily returns, one column an underlying, at least 30 days in common.
        tail: probability of the tail.
        days: horizon.

    Returns:
        `historical`, `expected_shortfall` (mean of the days at or below it), `parametric` and `days` (how many were
        used). NaN when an underlying with exposure has no returns: its risk is unknown, not 0.

    Raises:
        BadInputError: fewer than 30 days are known for all underlyings.
    """
    held = exposures[exposures != 0.0]
    if held.isna().any() or not set(held.index) <= set(returns.columns):
        return pd.Series({"historical": math.nan, "expected_shortfall": math.nan, "parametric": math.nan, "days": 0.0})
    if held.empty:
        return pd.Series({"historical": 0.0, "expected_shortfall": 0.0, "parametric": 0.0, "days": float(len(returns))})
    known = _common(returns[list(held.index)])
    pnl = known.to_numpy() @ held.to_numpy(dtype="float64") * math.sqrt(days)
    threshold = float(np.quantile(pnl, tail))
    covariance = np.atleast_2d(np.cov(known.to_numpy().T, ddof=1))
    deviation = math.sqrt(float(held.to_numpy() @ covariance @ held.to_numpy()))
    return pd.Series(
        {
            "historical": threshold,
            "expected_shortfall": float(pnl[pnl <= threshold].mean()),
            "parametric": NormalDist().inv_cdf(tail) * deviation * math.sqrt(days),
            "days": float(len(known)),
        }
    )


def _gone(equity: float, slope: float) -> tuple[float, float]:
    """Return the fall and the rise that take the equity away, NaN where none of that side does."""
    if equity < 0 or (equity == 0 and slope):
        return 0.0, 0.0  # there is nothing left to lose
    move = -equity / slope if slope else math.nan
    return move if _TOTAL_LOSS <= move <= 0 else math.nan, move if move > 0 else math.nan


def _curved_ends(
    exposures: pd.DataFrame, equity: pd.Series, options: pd.DataFrame | None
) -> dict[object, tuple[float, float]]:
    """Return the fall and the rise that take the equity away of each account with options, as `_gone` does."""
    if options is None or not len(options):
        return {}
    held = exposures.loc[exposures.index.isin(options["account"])]
    ends = []
    for moves in (_FALLS, _RISES):
        names = held.columns.union(pd.Index(options["underlying"].unique()))
        together = pd.DataFrame(np.tile(moves, (len(names), 1)), index=names)
        left = stressed(held, together, options).add(equity.reindex(held.index), axis=0).to_numpy()
        ends.append([_first_zero(moves, one) for one in left])
    return dict(zip(held.index, zip(*ends, strict=True), strict=True))


def _first_zero(moves: np.ndarray, values: np.ndarray) -> float:
    """Return the first move at which nothing is left, on the line between its neighbours; NaN where there is none."""
    gone = np.flatnonzero(values <= 0)
    if np.isnan(values).any() or not len(gone):
        return math.nan
    after = int(gone[0])
    if after == 0:
        return 0.0  # there was nothing left to lose
    before = after - 1
    part = values[before] / (values[before] - values[after])
    return float(moves[before] + part * (moves[after] - moves[before]))


def _nearest(liquidations: np.ndarray, gone: float) -> tuple[float, str]:
    candidates = [(float(distance), "liquidation") for distance in liquidations]
    if not math.isnan(gone):
        candidates.append((gone, "equity"))
    return min(candidates, key=lambda one: abs(one[0])) if candidates else (math.nan, "")


def _common(returns: pd.DataFrame) -> pd.DataFrame:
    known = returns.dropna()
    if len(known) < _FEWEST_DAYS:
        raise BadInputError(
            f"{len(known)} days are known for all of {', '.join(map(str, returns.columns))}; "
            f"{_FEWEST_DAYS} are needed: leave out what has a short history, or give shocks of your own"
        )
    return known
