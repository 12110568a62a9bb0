"""Reconciliation: our PnL of a wallet beside the figure that its venue shows, and what lies between, term by term.

Ours is the change of equity net of cash flows and transfers. A venue leaves some of that out: its futures
page tells the change of the wallet balance, in which neither open PnL nor the price of the coins stands.
Both are sums of the same attribution terms (engines.attribution), so the difference is the terms that the
venue leaves out, to the last digit:

    ours       = sum of all terms but flow and transfer
    venue      = ours - the terms that its definition leaves out
    difference = ours - venue
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from portfolio_lab.engines.attribution import TERMS
from portfolio_lab.errors import BadInputError

MOVED = ("flow", "transfer")
"""What is nobody's PnL."""

EARNED = tuple(term for term in TERMS if term not in MOVED)
"""The terms that PnL consists of."""

COLUMNS = ("definition", "verified", "ours", "venue", "difference", *EARNED)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a venue calls PnL, in words, the terms that it leaves out, and whether anybody has verified it."""

    words: str
    leaves_out: frozenset[str] = frozenset()
    is_verified: bool = True

    def __post_init__(self) -> None:
        if strange := self.leaves_out - set(EARNED):
            raise BadInputError(f"{min(strange)!r} is no part of PnL: leave out some of {', '.join(EARNED)}")


NO_FIGURE = Definition("the venue shows no PnL of this wallet")
"""Where there is nothing to compare with."""

WALLET_BALANCE = Definition(
    "change of wallet balance less transfers: realised, funding and commission at the prices of their time",
    frozenset({"unrealised", "revaluation"}),
)
"""Binance's futures pages."""

CHANGE_OF_VALUE = Definition("value of the balances at the end, less that at the start, less transfers")
"""Binance's spot page."""

ACCOUNT_EQUITY = Definition(
    "change of the trading account's equity less transfers (PnL of single coins by average cost)", is_verified=False
)
"""OKX's PnL analysis, as documented; nobody has held it against a real account."""


def reconciled(terms: pd.DataFrame, definitions: Mapping[tuple[str, str], Definition]) -> pd.DataFrame:
    """Return our PnL beside the venue's, one row a wallet.

    Args:
        terms: rows of attribution by wallet: `account`, `wallet`, `term`, `value` (money, + gain; NaN unknown).
        definitions: what the venue calls PnL, by (account, wallet); wallets without one have no figure of the venue.

    Returns:
        Index (`account`, `wallet`): `definition` (words), `verified`, `ours`, `venue` and `difference` = ours - venue
        (money), and each term of the difference: 0 where the venue counts it too, NaN where the venue shows no figure.

    Raises:
        BadInputError: a column is missing.
    """
    if missing := [name for name in ("account", "wallet", "term", "value") if name not in terms]:
        raise BadInputError(f"terms have no column {missing[0]!r}: give attribution by wallet")
    ours = _by_wallet(terms)
    chosen = {place: definitions.get(place, NO_FIGURE) for place in ours.index}
    rows = [_row(ours.loc[[place]].iloc[0], definition) for place, definition in chosen.items()]
    return pd.DataFrame(rows, index=ours.index, columns=list(COLUMNS))


def _by_wallet(terms: pd.DataFrame) -> pd.DataFrame:
    sums = terms.groupby(["account", "wallet", "term"])["value"].agg(lambda values: values.sum(skipna=False))
    wide: pd.DataFrame = sums.unstack("term", fill_value=0)  # noqa: PD010 - one value a cell
    return wide.reindex(columns=list(EARNED), fill_value=0.0).astype("float64").rename_axis(columns=None)


def _row(ours: pd.Series, definition: Definition) -> dict[str, object]:
    is_told = definition is not NO_FIGURE
    apart = {
        term: (_share(float(ours[term]), term in definition.leaves_out) if is_told else math.nan) for term in EARNED
    }
    total, difference = math.fsum(ours), math.fsum(apart.values())
    figures = {"ours": total, "venue": total - difference, "difference": difference}
    return {"definition": definition.words, "verified": definition.is_verified and is_told, **figures, **apart}


def _share(value: float, is_left_out: bool) -> float:  # noqa: FBT001 - one switch of a private function
    return value if is_left_out else 0.0
