"""Allocation: which share of equity each part is."""

from __future__ import annotations

import math

import pandas as pd


def weights(values: pd.Series) -> pd.Series:
    """Signed weights of `values`: value / total, fractions that sum to 1.

    A debt is a negative weight, so the others sum to more than 1. `math.fsum` of the weights
    is exactly 1: what division rounds away is given to the largest weight.

    Args:
        values: money by name (asset, wallet, account ...), signed.

    Returns:
        Same index. NaN throughout where the total is unknown (a NaN among the values) or not
        positive: a share of nothing has no meaning.

    >>> weights(pd.Series({"BTC": 150.0, "USDT": 100.0, "ETH": -50.0})).tolist()
    [0.75, 0.5, -0.25]
    """
    total = math.fsum(values)
    if not total > 0 or math.isinf(total):
        return pd.Series(math.nan, index=values.index, name="weight", dtype="float64")
    parts = (values.astype("float64") / total).rename("weight")
    largest = int(parts.abs().to_numpy().argmax())
    parts.iloc[largest] += 1.0 - math.fsum(parts)
    return parts
