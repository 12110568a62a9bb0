"""The latest state of each user: the newest snapshot, and what is carried forward from older ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot
from portfolio_lab.models.tables import USERS_PORTFOLIO_STATE
from portfolio_lab.sync.rows import Row, known

if TYPE_CHECKING:
    from portfolio_lab.store import Store


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a user's cash flows are known, and the last UTC day whose performance is stored."""

    flows_until: datetime | None
    day: date | None


def load_states(store: Store) -> dict[str, Row]:
    """Return the stored state of each user by name."""
    return {row["user"]: row for row in store.read(USERS_PORTFOLIO_STATE.name).to_pylist()}


def progress_of(state: Mapping[str, object] | None) -> Progress:
    """Return how far a user has come; nothing is known of a user without a state."""
    if state is None:
        return Progress(None, None)
    return Progress(state["flows_until"], state["day"])  # type: ignore[arg-type]


def state_row(
    snapshot: PortfolioSnapshot,
    before: Mapping[str, object] | None,
    *,
    progress: Progress,
    currency: str,
    known_at: datetime,
) -> Row:
    """Return the user's new state; figures are those of the last complete snapshot, this one or an older."""
    return {
        "user": snapshot.user,
        "slot": snapshot.slot,
        "at": snapshot.at,
        "grade": str(snapshot.grade),
        "reason": snapshot.reason,
        "currency": currency,
        **_figures(snapshot, before),
        "day": progress.day,
        "flows_until": progress.flows_until,
        "known_at": known_at,
    }


_CARRIED = ("complete_slot", "equity", "unrealised_pnl", "gross_exposure", "net_exposure")


def _figures(snapshot: PortfolioSnapshot, before: Mapping[str, object] | None) -> Row:
    if snapshot.grade is not Grade.COMPLETE:
        return {name: before[name] if before else None for name in _CARRIED}
    exposure = snapshot.exposure
    pnl = [wallet.unrealised_pnl for wallet in snapshot.equity.wallets]
    return {
        "complete_slot": snapshot.slot,
        "equity": known(snapshot.equity.total),
        "unrealised_pnl": known(sum(value for value in pnl if value is not None)),
        "gross_exposure": known(exposure.gross) if exposure else None,
        "net_exposure": known(exposure.net) if exposure else None,
    }
