"""A small still book for the venues that are read by unified calls: what is held, open and past."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SmallPosition:
    """One open contract: `size` in the venue's unit, + long."""

    symbol: str
    size: Decimal
    entry: Decimal
    mark: Decimal
    settle: str

    @property
    def earned(self) -> Decimal:
        """Unrealised PnL of a linear contract, in the settlement coin."""
        return self.size * (self.mark - self.entry)


@dataclass(frozen=True, slots=True)
class SmallOrder:
    """One resting limit order."""

    order_id: str
    symbol: str
    side: str
    amount: Decimal
    price: Decimal
    at: int
    is_contract: bool = False


@dataclass(frozen=True, slots=True)
class SmallFlow:
    """One deposit (amount > 0) or withdrawal (< 0); `is_done` False while it is under way."""

    flow_id: str
    coin: str
    amount: Decimal
    fee: Decimal
    at: int
    txid: str
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class SmallFill:
    """One trade."""

    fill_id: str
    symbol: str
    side: str
    amount: Decimal
    price: Decimal
    fee: Decimal
    fee_coin: str
    at: int
    is_contract: bool = False


@dataclass(slots=True)
class SmallBook:
    """One account; coins by the venue's own names. Instants are milliseconds."""

    key: str
    secret: str
    uid: str
    coins: dict[str, tuple[Decimal, Decimal]]
    """(held in all, locked of it) by coin."""
    positions: list[SmallPosition] = field(default_factory=list)
    orders: list[SmallOrder] = field(default_factory=list)
    flows: list[SmallFlow] = field(default_factory=list)
    fills: list[SmallFill] = field(default_factory=list)
    is_revoked: bool = False
    may_trade: bool = False
