"""Returns that no book would have on purpose: ragged, flat, constant, lucky, ruined."""

from __future__ import annotations

import math

import numpy as np


def ugly_rows(days: int = 400) -> np.ndarray:
    """Sixty portfolios x days, NaN where unknown."""
    chance = np.random.default_rng(1)
    rows = np.clip(chance.standard_t(3, (60, days)) * 0.02, -0.9, 5.0)
    rows[20:][chance.random((40, days)) < 0.1] = math.nan
    rows[1], rows[2], rows[3] = math.nan, 0.0, 0.001
    rows[4, 1:] = math.nan
    rows[5, : days - 100] = rows[6, 200:] = rows[7, 50:90] = math.nan
    rows[8] = chance.choice([-0.01, 0.0, 0.01], days)
    rows[9], rows[10] = np.abs(rows[9]), -np.abs(rows[10])
    rows[11, 30] = -1.0
    rows[12, 30] = -1.5
    rows[13, 0], rows[14, -1] = -0.5, -0.5
    rows[15] = np.round(rows[15], 2)  # many equal returns
    rows[16] *= 1e-9
    return rows
