"""Sums that Binance states beside their terms: where they disagree, neither is believed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError

ABSOLUTE, RELATIVE = Decimal("1e-6"), Decimal("1e-4")
"""How far a stated sum may lie from the sum of its terms inside one answer."""

ZERO, ONE = Decimal(0), Decimal(1)


def is_near(stated: Decimal, found: Decimal, slack: Decimal = ZERO) -> bool:
    """True when two figures of one thing agree; `slack` widens the band (units of the figures)."""
    return abs(stated - found) <= max(ABSOLUTE, RELATIVE * abs(stated), slack)


def refuse_unless_near(stated: Decimal, found: Decimal, path: str, terms: str, slack: Decimal = ZERO) -> None:
    """Raise AnswerShapeError with the path when a stated sum is not the sum of its terms."""
    if not is_near(stated, found, slack):
        raise AnswerShapeError(f"The answer has a sum at {path} that is not {terms}.", path=path)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum; 0 for none."""
    return sum(amounts, ZERO)
