"""How much of each venue's request budget is used, by the ledger files alone."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from portfolio_lab.exchanges.client import Venue
from portfolio_lab.exchanges.hub import REGION, VENUES, Hub
from portfolio_lab.exchanges.ledger import State
from portfolio_lab.exchanges.tally import Budget, Tally
from portfolio_lab.settings import Settings


def budget_use(settings: Settings) -> list[dict[str, Any]]:
    """Return one entry for each venue and address of the lab's accounts; no venue is asked.

    `budgets` has those that something was spent of in this window or the last: `used`, `limit`
    and `share` of the venue's whole budget. `closed_until` is set while the venue must be left
    alone, `is_ban` when the venue called that a ban. Personal budgets are not shared, so not known.
    """
    hub = Hub(governor_path=settings.runs_path / "governor")
    origins = dict.fromkeys(account.origin for account in settings.accounts)
    return [_entry(hub, venue, address) for venue, address in origins]


def _entry(hub: Hub, venue: str, address: str | None) -> dict[str, Any]:
    wire, base_url = _wire(venue, address)
    state, now = hub.ledger(wire, base_url).seen() or State(), time.time()
    shut = state.closure if state.closure is not None and state.closure.until > now else None
    limits = {end.budget.name: end.budget for end in wire.endpoints if not end.budget.is_personal}
    rows = [_row(limits[name], tally, now) for name, tally in state.tallies.items() if name in limits]
    return {
        "venue": venue,
        "address": address or "",
        "closed_until": None if shut is None else datetime.fromtimestamp(shut.until, UTC),
        "is_ban": shut is not None and shut.is_ban,
        "budgets": sorted((row for row in rows if row["used"]), key=lambda row: -row["share"]),
    }


def _wire(venue: str, address: str | None) -> tuple[Venue, str | None]:
    wire = VENUES[venue][0]
    if address is None or not address.startswith(REGION):
        return wire, address
    return replace(wire, hosts=wire.regions[address.removeprefix(REGION)]), None


def _row(budget: Budget, tally: Tally, now: float) -> dict[str, Any]:
    used = used_of(budget, tally, now)
    return {"name": budget.name, "used": used, "limit": budget.limit, "share": used / budget.limit}


def used_of(budget: Budget, tally: Tally, now: float) -> int:
    """Return the weight used in this window or the one before, whichever was more."""
    if budget.is_sliding:
        return sum(weight for at, weight in tally.taken if now - budget.seconds < at <= now)
    window = int(now // budget.seconds)
    if tally.window == window:
        return max(tally.spent, tally.before)
    return tally.spent if tally.window == window - 1 else 0
