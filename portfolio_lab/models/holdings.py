"""What an account holds at one instant, in the venue's own units, signed from our side."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from portfolio_lab.models.accounts import Wallet


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset in one wallet.

    `quantity` is what counts for equity: free + locked (+ freeze + withdrawing) in a cash
    wallet, net of debt and interest; the *margin balance* in a margin wallet, so that
    `quantity == wallet_balance + unrealised_pnl` there (both are None in cash wallets).
    All in units of the asset; a debt is negative. `available` is as the venue states it,
    None where it states nothing.
    """

    asset: str
    quantity: Decimal
    wallet_balance: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    available: Decimal | None = None


class ContractKind(StrEnum):
    """How a contract's PnL is settled."""

    LINEAR = "linear"
    INVERSE = "inverse"
    OPTION = "option"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class Position:
    """One open position.

    `quantity` is signed base units (+ long, - short): contracts x contract size for linear
    contracts, contracts x contract size / mark for inverse ones. `unrealised_pnl` and the
    rest of the money are in `settle_asset`. `side` is the book it is kept in: "net", or
    "long" / "short" in hedge mode.
    """

    instrument: str
    underlying: str
    kind: ContractKind
    side: str
    quantity: Decimal
    contracts: Decimal
    contract_size: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
    settle_asset: str
    leverage_setting: Decimal | None = None
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One resting order. Quantities in base units, never negative; `side` is "buy" or "sell".

    `quantity` and `filled` are None where the venue sized the order in another unit and states
    no price to convert it by (an inverse order at market): their base units are unknown, not 0.
    `price` is None for orders that trade at market; `trigger_price` is None for orders that
    rest in the book at once.
    """

    wallet: Wallet
    order_id: str
    instrument: str
    underlying: str
    side: str
    order_type: str
    quantity: Decimal | None
    filled: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None
    reduce_only: bool
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class AnswerMark:
    """Which raw answer a fact came from: where it was asked, its SHA-256 and when it arrived."""

    endpoint: str
    sha256: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class WalletReading:
    """Everything that one wallet said in one cycle. An empty wallet is a reading without rows."""

    wallet: Wallet
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...] = ()
    answers: tuple[AnswerMark, ...] = field(default=())

    @property
    def received_at(self) -> datetime:
        """When the oldest of its answers arrived: the wallet is no younger than that."""
        return min(answer.received_at for answer in self.answers)
