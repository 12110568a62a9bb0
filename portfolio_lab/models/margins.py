"""What stands behind positions: the margin balance, and how much of it maintenance needs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

WHOLE = "USD"
"""The unit of a margin that stands behind a wallet as a whole, whatever its assets."""


@dataclass(frozen=True, slots=True)
class Margin:
    """One margin that several positions share, as the venue states it.

    `asset` is the asset whose positions it stands behind, `WHOLE` where it stands behind all of the wallet.
    `maintenance` and `balance` are in units of it, None where the venue does not tell. `level` is the
    venue's own figure, None where it states none: margin balance / maintenance margin (it liquidates at 1).
    `debt_level` is that of a margin loan: assets / debt. Where a venue liquidates by that depends on the
    account's tier, so that no ratio can be made of it.
    """

    asset: str
    maintenance: Decimal | None = None
    balance: Decimal | None = None
    level: Decimal | None = None
    debt_level: Decimal | None = None
