"""What an option is worth: Black-Scholes on the index with a fixed volatility and no interest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

YEAR_MS = 365 * 24 * 3_600_000
VOLATILITY = {"BTC": 0.55, "ETH": 0.7}
"""A year's volatility of the log price by coin: the demo venue quotes the same for every strike."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Terms:
    """What an option promises. `expiry` is in ms; `is_call` False means a put."""

    base: str
    strike: float
    expiry: int
    is_call: bool


def premium(terms: Terms, spot: float, at: int) -> float:
    """Price of an option on one base unit in quote units, before expiry."""
    near, far = _distances(terms, spot, at)
    call = spot * _NORMAL.cdf(near) - terms.strike * _NORMAL.cdf(far)
    return call if terms.is_call else call - spot + terms.strike


def delta(terms: Terms, spot: float, at: int) -> float:
    """Change of the premium per unit of spot; at and after expiry 0 or 1 (put: -1)."""
    expired = at >= terms.expiry
    inside = float(spot > terms.strike) if expired else _NORMAL.cdf(_distances(terms, spot, at)[0])
    return inside if terms.is_call else inside - 1.0


def _distances(terms: Terms, spot: float, at: int) -> tuple[float, float]:
    spread = VOLATILITY[terms.base] * math.sqrt((terms.expiry - at) / YEAR_MS)
    near = math.log(spot / terms.strike) / spread + spread / 2
    return near, near - spread
