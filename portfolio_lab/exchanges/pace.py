"""How often each tier can be read when many accounts share one address: arithmetic, no asking.

A tier costs each account a weight in some budgets. The core is served first, up to its ceiling;
every lower tier is swept over the accounts as fast as what is left allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portfolio_lab.exchanges.tally import CEILINGS, Budget, Priority


@dataclass(frozen=True, slots=True)
class Tier:
    """What one account costs each time: weight by the name of the budget; wished every `seconds`."""

    name: str
    priority: Priority
    seconds: float
    weights: Mapping[str, int]


def fitting_periods(tiers: Sequence[Tier], budgets: Sequence[Budget], *, accounts: int) -> dict[str, float]:
    """Return the seconds that each tier really takes from one reading of an account to its next.

    Never less than wished. Infinite where higher tiers leave nothing. Personal budgets do not
    count here, as accounts do not share them.
    """
    spent = dict.fromkeys((budget.name for budget in budgets), 0.0)
    shared = {budget.name: budget for budget in budgets if not budget.is_personal}
    periods: dict[str, float] = {}
    for tier in sorted(tiers, key=lambda one: one.priority):
        period = tier.seconds
        for name, weight in tier.weights.items():
            if name in shared and weight:
                left = _ceiling(tier, tiers, name) * shared[name].usable / shared[name].seconds - spent[name]
                period = max(period, accounts * weight / left if left > 0 else float("inf"))
        for name, weight in tier.weights.items():
            if name in spent:
                spent[name] += accounts * weight / period
        periods[tier.name] = period
    return periods


def _ceiling(tier: Tier, tiers: Sequence[Tier], budget: str) -> float:
    """The share of a budget that a tier may use up: less than all only where a lower tier wants it too."""
    is_contested = any(other.priority > tier.priority and other.weights.get(budget) for other in tiers)
    return CEILINGS[tier.priority] if is_contested else 1.0
