"""What can happen to an account of the demo exchange, and what it can hold: frozen facts.

Instants (`at`) are whole milliseconds since 1970. Ids are whole numbers that grow with time
within one account. Amounts are exact Decimals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from portfolio_lab.demo.instruments import LINEAR, Instrument
from portfolio_lab.models.accounts import Wallet

EIGHT = Decimal("0.00000001")
ZERO = Decimal(0)
ONE_WAY = "net"


def eight(amount: Decimal) -> Decimal:
    """Rounded to eight decimals, as both venues book money."""
    return amount.quantize(EIGHT, ROUND_HALF_EVEN)


class Reason(StrEnum):
    """Why the cash of a wallet changed."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    TRADE = "trade"
    FEE = "fee"
    PNL = "pnl"
    FUNDING = "funding"
    GRANT = "grant"
    BORROW = "borrow"
    REPAY = "repay"
    INTEREST = "interest"
    SUBSCRIBE = "subscribe"
    REDEEM = "redeem"
    REWARD = "reward"
    STAKING = "staking"
    DIVIDEND = "dividend"
    CONVERT = "convert"
    DUST = "dust"
    FIAT = "fiat"
    PAY = "pay"
    REBATE = "rebate"
    INSURANCE = "insurance"
    LIQUIDATION = "liquidation"
    PROMOTION = "promotion"
    PREMIUM = "premium"
    SETTLEMENT = "settlement"
    BOT = "bot"
    LOAN = "loan"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of cash in one wallet: `amount` signed, `balance` what is there after it.

    `reference` is the id of the fill, flow or transfer behind it (the entry's own id for
    funding). `instrument` is None where no market is involved. `pair` is the isolated margin
    pair; `note` names what holds the money outside of cash ("flexible", "locked:12", "bot:7").
    """

    entry_id: int
    at: int
    wallet: Wallet
    asset: str
    amount: Decimal
    balance: Decimal
    reason: Reason
    reference: int
    instrument: Instrument | None = None
    pair: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of ours. `contracts` > 0 (base units in spot and Binance USD-M).

    `fee` > 0 is what was paid, in `fee_asset`; `realised_pnl` is in the settlement asset
    (0 in spot; of options it is inside the premiums, no cash of its own). `position_side` is
    "net", "long" or "short". `liquidation` marks a fill that the venue forced.
    """

    fill_id: int
    order_id: int
    at: int
    wallet: Wallet
    instrument: Instrument
    side: str
    contracts: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    realised_pnl: Decimal
    position_side: str
    maker: bool
    liquidation: bool = False

    @property
    def quote_amount(self) -> Decimal:
        """Worth in quote units: contracts x size x price (linear, spot), contracts x size (inverse)."""
        return notional(self.instrument, self.contracts, self.price)


@dataclass(frozen=True, slots=True)
class Flow:
    """A deposit or withdrawal. `amount` > 0 is what arrived at the other end (deposit: here).

    A withdrawal takes amount + fee from `wallet`; a deposit's fee is 0. It is applied for `at`
    and under way until `completed_at`, when the money leaves the wallet (0: at once). A move
    between two demo accounts has the same `txid` at both ends.
    """

    flow_id: int
    at: int
    kind: str
    wallet: Wallet
    asset: str
    amount: Decimal
    fee: Decimal
    network: str
    address: str
    txid: str
    completed_at: int = 0

    @property
    def done_at(self) -> int:
        """When the money crossed the border."""
        return self.completed_at or self.at


@dataclass(frozen=True, slots=True)
class Transfer:
    """Cash moved between two wallets; `amount` > 0.

    `counterparty` is the uid of the other account where money moves between a master and its
    sub-account: then the side outside this account is None (0: both sides are here). `pair`
    is the isolated margin pair of the side that is one.
    """

    transfer_id: int
    at: int
    asset: str
    amount: Decimal
    source: Wallet | None
    target: Wallet | None
    counterparty: int = 0
    pair: str = ""


@dataclass(frozen=True, slots=True)
class Debt:
    """What is owed of one asset: principal and the interest on it that is not yet paid, both >= 0."""

    asset: str
    borrowed: Decimal
    interest: Decimal


@dataclass(frozen=True, slots=True)
class DebtEvent:
    """One change of a debt: borrowed (BORROW), accrued (INTEREST) or repaid (REPAY).

    `principal` and `interest` are what the debt grew by (- where it shrank); `rate` is the
    daily rate as a fraction. Interest changes no cash: it is only owed.
    """

    event_id: int
    at: int
    wallet: Wallet
    pair: str
    asset: str
    reason: Reason
    principal: Decimal
    interest: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Locked:
    """One Simple Earn locked subscription, rewards so far included in `amount`; `apr` is a fraction."""

    position_id: int
    asset: str
    amount: Decimal
    since: int
    until: int
    apr: Decimal


@dataclass(frozen=True, slots=True)
class Loan:
    """One flexible loan: `debt` units of `asset` (interest included) against `collateral`."""

    loan_id: int
    opened_at: int
    asset: str
    debt: Decimal
    collateral_asset: str
    collateral: Decimal


@dataclass(frozen=True, slots=True)
class Bot:
    """One trading bot ("grid") or copy-trading portfolio ("copy"); worth holdings x price, opaque to clients."""

    bot_id: int
    kind: str
    holdings: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Staked:
    """One on-chain earn order: `earned` comes on top of `amount`."""

    order_id: int
    asset: str
    amount: Decimal
    earned: Decimal
    since: int


@dataclass(frozen=True, slots=True)
class Order:
    """A resting order. `trigger_price` is None unless it is conditional; `price` None = at market.

    `filled` contracts of `contracts` have traded. `order_type` is "limit", "stop" (stop loss
    at market or, with a price, stop-limit) or "take_profit".
    """

    order_id: int
    placed_at: int
    wallet: Wallet
    instrument: Instrument
    side: str
    order_type: str
    contracts: Decimal
    filled: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    reduce_only: bool
    position_side: str

    @property
    def is_conditional(self) -> bool:
        """True while it waits for its trigger."""
        return self.trigger_price is not None

    @property
    def remaining(self) -> Decimal:
        """Contracts that have not traded yet."""
        return self.contracts - self.filled


@dataclass(frozen=True, slots=True)
class Position:
    """One open position: `contracts` signed (+ long, - short) at an average `entry_price`."""

    position_id: int
    opened_at: int
    changed_at: int
    wallet: Wallet
    instrument: Instrument
    position_side: str
    contracts: Decimal
    entry_price: Decimal
    leverage: Decimal

    def unrealised_pnl(self, mark: Decimal) -> Decimal:
        """Open PnL at a mark price, in the settlement asset, to eight decimals."""
        return contract_pnl(self.instrument, self.contracts, self.entry_price, mark)

    def notional(self, mark: Decimal) -> Decimal:
        """Worth in the settlement asset at mark: signed, to eight decimals."""
        return eight(settle_notional(self.instrument, self.contracts, mark))

    def initial_margin(self, mark: Decimal) -> Decimal:
        """Margin set aside for it: |notional| / leverage."""
        return eight(abs(self.notional(mark)) / self.leverage)

    def base_quantity(self, mark: Decimal) -> Decimal:
        """Signed base units: contracts x size, divided by mark where the contract is inverse."""
        size = self.contracts * self.instrument.contract_size
        return size if self.instrument.kind == LINEAR else size / mark


def notional(instrument: Instrument, contracts: Decimal, price: Decimal) -> Decimal:
    """Worth in quote units, signed like `contracts`."""
    size = contracts * instrument.contract_size
    return size if instrument.kind == "inverse" else size * price


def settle_notional(instrument: Instrument, contracts: Decimal, price: Decimal) -> Decimal:
    """Worth in the settlement asset, signed like `contracts`: in coin for inverse contracts."""
    size = contracts * instrument.contract_size
    return size / price if instrument.kind == "inverse" else size * price


def contract_pnl(instrument: Instrument, contracts: Decimal, entry: Decimal, price: Decimal) -> Decimal:
    """PnL of signed contracts from entry to price in the settlement asset, to eight decimals."""
    size = contracts * instrument.contract_size
    if instrument.kind == "inverse":
        return eight(size / entry - size / price)
    return eight(size * (price - entry))


def changed_position(old: Position, signed: Decimal, price: Decimal, at: int) -> tuple[Position | None, Decimal]:
    """The position after a trade (None when it is closed) and the PnL realised."""
    total = old.contracts + signed
    if old.contracts * signed > ZERO:
        entry = averaged_entry(old, signed, price)
        return replace(old, contracts=total, entry_price=entry, changed_at=at), ZERO
    closed = old.contracts if abs(signed) >= abs(old.contracts) else -signed
    pnl = contract_pnl(old.instrument, closed, old.entry_price, price)
    if total == ZERO:
        return None, pnl
    if total * old.contracts > ZERO:
        return replace(old, contracts=total, changed_at=at), pnl
    return replace(old, contracts=total, entry_price=price, opened_at=at, changed_at=at), pnl


def averaged_entry(old: Position, signed: Decimal, price: Decimal) -> Decimal:
    """Average entry to eight decimals: by base units (linear), harmonic by coin (inverse)."""
    total = old.contracts + signed
    if old.instrument.kind == "inverse":
        return eight(total / (old.contracts / old.entry_price + signed / price))
    return eight((old.contracts * old.entry_price + signed * price) / total)
