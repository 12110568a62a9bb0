"""What an account holds at one instant, in the venue's own units, signed from our side."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.margins import Margin
from portfolio_lab.models.prices import Quote


class Holding(StrEnum):
    """How a balance is known."""

    HELD = "held"
    """The venue states the asset and its quantity."""
    LD_FALLBACK = "ld_fallback"
    """A receipt for flexible savings, counted because the savings themselves were not read."""
    OPAQUE = "opaque"
    """Only a value is stated (a bot, copy trading): what is inside, and its exposure, is unknown."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset in one wallet.

    `quantity` is what counts for equity: free + locked (+ freeze + withdrawing) in a cash
    wallet, net of debt and interest; the *margin balance* in a margin wallet, so that
    `quantity == wallet_balance + unrealised_pnl` there (both are None in cash wallets).
    All in units of the asset; a debt is negative. `available` is as the venue states it,
    None where it states nothing. `pair` is the isolated-margin pair that holds it ("" elsewhere).
    `components` are all parts that the venue stated, by our names and as magnitudes where the
    name says a debt: "free", "locked", "freeze", "withdrawing", "borrowed", "interest",
    "cash", "isolated_equity", "bots", "flexible", "collateral" ...
    """

    asset: str
    quantity: Decimal
    wallet_balance: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    available: Decimal | None = None
    pair: str = ""
    holding: Holding = Holding.HELD
    components: tuple[tuple[str, Decimal], ...] = ()


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
    "long" / "short" in hedge mode. An option's `quantity` is signed base units of its
    underlying (+ bought, - written) and `mark_price` its premium in the settlement asset per base
    unit; `delta` is change of premium per change of the underlying's price, for one unit bought
    (calls > 0, puts < 0), None where the venue states none, and for everything else. `details_at`
    is when entry and liquidation price were stated, where that was earlier than the rest. An
    entry price that there was no room to ask for yet is worked back from the PnL, without a liquidation price.
    `maintenance_margin` is what the venue needs for this position alone, `margin_balance` what stands
    behind an isolated one and nothing else (its margin + PnL; None in cross margin), `margin_level` the
    venue's own margin balance / maintenance margin: all None where it tells none.
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
    delta: Decimal | None = None
    details_at: datetime | None = None
    maintenance_margin: Decimal | None = None
    margin_balance: Decimal | None = None
    margin_level: Decimal | None = None


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
    """Everything that one wallet said in one cycle. An empty wallet is a reading without rows.

    `ratios` are conversion ratios that the venue stated beside it (base WBETH, quote ETH): the
    last resort for a wrapper coin that no market prices. `locks` names what is held back for
    resting orders (the assets), empty where the venue states that nothing is, None where the
    answer does not tell. `margins` are those that positions share, empty where the venue tells none.
    """

    wallet: Wallet
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...] = ()
    answers: tuple[AnswerMark, ...] = field(default=())
    ratios: tuple[Quote, ...] = ()
    locks: frozenset[str] | None = None
    margins: tuple[Margin, ...] = ()

    @property
    def received_at(self) -> datetime:
        """When the oldest of its answers arrived: the wallet is no younger than that."""
        return min(answer.received_at for answer in self.answers)
