"""Drawdown: how far the index of returns stands below its own peak. Never of equity."""

from __future__ import annotations

import pandas as pd


def drawdown(returns: pd.Series) -> pd.Series:
    """Drawdown at the end of each period, a fraction <= 0.

        drawdown = index / its running peak - 1

    The index starts at 1 and that start is a peak, so a loss on the first day counts. A
    deposit or a withdrawal is no part of a return and so moves nothing here.

    Args:
        returns: net of cash flows, one a period, oldest first; NaN where unknown.

    Returns:
        Same index. NaN where the return is unknown; the days after go on from the last known level.

    >>> drawdown(pd.Series([0.1, -0.5, 0.2])).round(6).tolist()
    [0.0, -0.5, -0.4]
    """
    known = returns.astype("float64")
    index = (1.0 + known).cumprod()
    peak = index.cummax().clip(lower=1.0)
    return (index / peak - 1.0).rename("drawdown")
