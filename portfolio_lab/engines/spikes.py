"""The spike guard: a price that jumped is not believed on the word of one venue.

Only what matters is looked at: a coin above one per cent of equity. Its price may move by
`JUMP` between two snapshots; beyond that a second source must say nearly the same, else the
price is refused and the asset counts as unpriced: its quantity stays, its value is unknown.
A price that has stood for `MEMORY` without a witness is believed: no market errs for so long.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from portfolio_lab.models.prices import Price

WEIGHT = 0.01
"""Share of equity above which a price is looked at."""

JUMP = 0.2
"""Move between two snapshots that needs no witness, as a fraction of the earlier price."""

MEMORY = timedelta(minutes=15)
"""How old the earlier price may be to be compared with."""

AGREEMENT = 0.05
"""How far a second source may lie from the price that it bears out, as a fraction of that source."""


def refused_spikes(
    prices: Mapping[str, Price],
    before: Mapping[str, Price],
    *,
    worths: Mapping[str, float],
    equity: float | None,
    second: Mapping[str, Price],
) -> dict[str, str]:
    """Return the assets whose price is not to be believed yet, each with the reason.

    Args:
        prices: now, by asset.
        before: those of the last complete snapshot, in the same currency.
        worths: what is held of each asset, valued at `prices`; signed.
        equity: of the last complete snapshot; None or not positive: every asset is looked at.
        second: prices from another source, by asset.
    """
    refused = {}
    for asset, price in prices.items():
        earlier = before.get(asset)
        if earlier is None or not _matters(worths.get(asset, 0.0), price, earlier, equity):
            continue
        if abs(price.price / earlier.price - 1) > JUMP and not _is_borne_out(price, second.get(asset)):
            refused[asset] = _reason(asset, earlier, price, second.get(asset))
    return refused


def _matters(worth: float, price: Price, earlier: Price, equity: float | None) -> bool:
    if not worth or earlier.price <= 0 or price.price <= 0 or price.at - earlier.at > MEMORY:
        return False
    if equity is None or equity <= 0:
        return True
    # A price that fell to a thousandth must not make its own holding look too small to matter.
    return max(abs(worth), abs(worth) * earlier.price / price.price) > WEIGHT * equity


def _is_borne_out(price: Price, second: Price | None) -> bool:
    return second is not None and second.price > 0 and abs(price.price / second.price - 1) <= AGREEMENT


def _reason(asset: str, earlier: Price, price: Price, second: Price | None) -> str:
    move = f"the price of {asset} went from {earlier.price:.8g} to {price.price:.8g} ({price.source})"
    if second is None:
        return f"{move}, and no second source bears it out"
    return f"{move}, but {second.source} says {second.price:.8g}"
