"""Whether a book may have changed as its venue says: what vanished or jumped without a reason.

Venues answer for a moment with an empty list, or with a thousand times of what is there. Such
an answer is well formed; only the books before and after it tell. A change is believed when
the rest of the user's book pays for it (a trade, a transfer), or when the venue's own ledger
tells of it; everything else is a doubt, to be confirmed by being seen again. What the ledger
tells of pays for nothing else; what it leaves untold of the same asset does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

MATTERS = 0.01
"""Share of equity below which nothing is doubted."""

VANISHED, JUMPED = "vanished", "jumped"

FACTOR = 10.0
"""A quantity that grows or shrinks to more than so many times has jumped."""

PAID_FOR = 0.2
"""A change is a trade or a transfer when the whole book changed by less than this share of it."""

HoldingKey = tuple[str, str, str, str]
"""(account, wallet, asset, isolated pair)."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One holding that is not believed yet: `before` and `seen` are quantities in units of the asset."""

    account: str
    wallet: str
    asset: str
    pair: str
    kind: str
    before: float
    seen: float

    @property
    def reason(self) -> str:
        """One sentence on what is odd."""
        what = "vanished" if self.kind == VANISHED else "jumped"
        place = f"{self.account} {self.wallet}{' ' + self.pair if self.pair else ''}"
        return (
            f"{self.asset} in {place} {what} from {self.before:.8g} to {self.seen:.8g}, "
            "and nothing in the book or the ledger explains it"
        )


def doubts(
    before: Mapping[HoldingKey, float],
    now: Mapping[HoldingKey, float],
    *,
    prices: Mapping[tuple[str, str], float],
    equity: float,
    explained: Mapping[tuple[str, str], float] = MappingProxyType({}),
) -> list[Doubt]:
    """Return what of `now` is not to be believed yet, given the last complete book `before`.

    A holding is doubted when it vanished (not 0 before, 0 or absent now), or jumped (appeared,
    or changed more than tenfold), when that matters (more than one per cent of equity), when the
    ledger does not tell of it, and when the rest of the book did not pay for it: the change of
    the whole book at constant prices is at least a fifth of the holding's own.

    Args:
        before: quantities in the last complete book, by account, wallet, asset and pair; only of
            wallets that were read both then and now.
        now: the same now.
        prices: in the reporting currency by (account, asset), the same for both books. A holding
            without one cannot be weighed: it is doubted when it vanished, never when it appeared.
        equity: of the last complete book; where it is not positive, its assets' sum is used.
        explained: what events of the ledger between the two books come to, in signed units by (account, asset); NaN
            where they may be anything.
    """
    changes = {key: now.get(key, 0.0) - before.get(key, 0.0) for key in {*before, *now}}
    worths = {key: change * prices.get((key[0], key[2]), math.nan) for key, change in changes.items() if change}
    whole = math.fsum(_untold(changes, explained, prices))
    scale = (
        equity
        if equity > 0
        else math.fsum(abs(quantity) * prices.get((key[0], key[2]), 0.0) for key, quantity in before.items())
    )
    found = []
    for key, worth in sorted(worths.items()):
        kind = _kind(before.get(key, 0.0), now.get(key, 0.0))
        if kind and (key[0], key[2]) not in explained and _is_odd(kind, worth, whole, scale):
            found.append(Doubt(*key, kind, before.get(key, 0.0), now.get(key, 0.0)))
    return found


def _untold(
    changes: Mapping[HoldingKey, float],
    explained: Mapping[tuple[str, str], float],
    prices: Mapping[tuple[str, str], float],
) -> Iterator[float]:
    """The worth of each asset's change of which the ledger does not tell, where it has a price."""
    by_asset: dict[tuple[str, str], float] = {}
    for (account, _, asset, _), change in changes.items():
        by_asset[account, asset] = by_asset.get((account, asset), 0.0) + change
    for place, change in by_asset.items():
        told = explained.get(place, 0.0)
        # At most all of the change: the ledger may tell of what an earlier book held already.
        part = change if math.isnan(told) else min(max(told, min(change, 0.0)), max(change, 0.0))
        if place in prices:
            yield (change - part) * prices[place]


def _kind(before: float, seen: float) -> str:
    if before and not seen:
        return VANISHED
    if not before or abs(seen) > FACTOR * abs(before) or abs(seen) * FACTOR < abs(before):
        return JUMPED
    return ""


def _is_odd(kind: str, worth: float, whole: float, equity: float) -> bool:
    if math.isnan(worth):
        return kind == VANISHED
    return abs(worth) > MATTERS * equity and abs(whole) >= PAID_FOR * abs(worth) and whole * worth > 0
