"""The arithmetic of a futures wallet, shared by the USD-M and the COIN-M host.

For every asset: margin balance = wallet balance + unrealised PnL, and the sums over
positions are the sums that the asset's row shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo.binance_ask import Ask
from portfolio_lab.demo.binance_spot import last_changes
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ONE_WAY, ZERO, Position, eight
from portfolio_lab.demo.instruments import LINEAR, Instrument
from portfolio_lab.models.accounts import Wallet


@dataclass(frozen=True, slots=True)
class Bracket:
    """One step of a maintenance schedule, by notional (base units for COIN-M) from `floor` on."""

    floor: Decimal
    cap: Decimal
    leverage: int
    ratio: Decimal
    deduction: Decimal


def _schedule(*steps: tuple[str, str, int, str]) -> tuple[Bracket, ...]:
    """Brackets whose deductions make maintenance continuous from step to step."""
    brackets: list[Bracket] = []
    deduction, before = ZERO, ZERO
    for floor, cap, leverage, ratio in steps:
        deduction += Decimal(floor) * (Decimal(ratio) - before)
        before = Decimal(ratio)
        brackets.append(Bracket(Decimal(floor), Decimal(cap), leverage, before, deduction))
    return tuple(brackets)


LINEAR_BRACKETS = _schedule(
    ("0", "50000", 125, "0.004"),
    ("50000", "600000", 100, "0.005"),
    ("600000", "3000000", 50, "0.01"),
    ("3000000", "20000000", 20, "0.025"),
)
INVERSE_BRACKETS = _schedule(
    ("0", "5", 125, "0.004"),
    ("5", "10", 100, "0.005"),
    ("10", "20", 50, "0.01"),
    ("20", "50", 20, "0.025"),
)


def brackets_of(one: Instrument) -> tuple[Bracket, ...]:
    """The maintenance schedule of a contract."""
    return LINEAR_BRACKETS if one.kind == LINEAR else INVERSE_BRACKETS


def bracket_of(one: Instrument, notional: Decimal) -> Bracket:
    """The bracket that a notional falls into; the last one above all caps."""
    schedule = brackets_of(one)
    return next((bracket for bracket in reversed(schedule) if abs(notional) >= bracket.floor), schedule[0])


def most_notional(leverage: Decimal, schedule: tuple[Bracket, ...]) -> Decimal:
    """The cap of the largest bracket that this leverage may enter."""
    return max(bracket.cap for bracket in schedule if bracket.leverage >= leverage)


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of a position list: a contract and a side, with or without an open position.

    Money is in the settlement asset; `notional` is signed.
    """

    instrument: Instrument
    position_side: str
    mark: Decimal
    position: Position | None
    order_margin: Decimal = ZERO

    @property
    def contracts(self) -> Decimal:
        """Signed contracts; 0 without a position."""
        return self.position.contracts if self.position else ZERO

    @property
    def entry_price(self) -> Decimal:
        """Average entry; 0 without a position."""
        return self.position.entry_price if self.position else ZERO

    @property
    def changed_at(self) -> int:
        """When the position changed last, in ms; 0 without one."""
        return self.position.changed_at if self.position else 0

    @property
    def notional(self) -> Decimal:
        """Signed worth at mark."""
        return self.position.notional(self.mark) if self.position else ZERO

    @property
    def unrealised(self) -> Decimal:
        """Open PnL at mark."""
        return self.position.unrealised_pnl(self.mark) if self.position else ZERO

    @property
    def initial_margin(self) -> Decimal:
        """Margin of the position alone."""
        return self.position.initial_margin(self.mark) if self.position else ZERO

    @property
    def maintenance(self) -> Decimal:
        """Maintenance margin by the schedule."""
        bracket = bracket_of(self.instrument, self.notional)
        return eight(abs(self.notional) * bracket.ratio - bracket.deduction)


@dataclass(frozen=True, slots=True)
class Pocket:
    """One asset of a futures wallet, in units of the asset."""

    asset: str
    wallet_balance: Decimal
    unrealised: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance: Decimal
    changed_at: int

    @property
    def margin_balance(self) -> Decimal:
        """Wallet balance + unrealised PnL."""
        return self.wallet_balance + self.unrealised

    @property
    def initial_margin(self) -> Decimal:
        """Margin of positions and orders."""
        return self.position_margin + self.order_margin

    @property
    def available(self) -> Decimal:
        """What new positions may use; never negative."""
        return max(ZERO, self.margin_balance - self.initial_margin)

    @property
    def withdrawable(self) -> Decimal:
        """What may leave: open profits may not."""
        return max(ZERO, self.wallet_balance + min(ZERO, self.unrealised) - self.initial_margin)


def open_slots(view: View, wallet: Wallet) -> list[Slot]:
    """A slot for every open position."""
    return [Slot(one.instrument, one.position_side, view.mark(one.instrument), one) for one in view.positions(wallet)]


def all_slots(ask: Ask, wallet: Wallet, kind: str) -> list[Slot]:
    """A slot for every side of every contract asked for, empty ones too.

    One-way accounts have one side; accounts in hedge mode have long and short.
    """
    view = ask.view
    held = {(one.instrument, one.position_side): one for one in view.positions(wallet)}
    sides = ("long", "short") if view.book.hedge else (ONE_WAY,)
    return [Slot(one, side, view.mark(one), held.get((one, side))) for one in ask.instruments(kind) for side in sides]


def pockets(view: View, wallet: Wallet, always: tuple[str, ...]) -> list[Pocket]:
    """Every asset that the wallet ever touched, and those that always show."""
    cash = dict.fromkeys(always, ZERO) | view.cash(wallet)
    slots, changes, orders = open_slots(view, wallet), last_changes(view, wallet), view.order_margin(wallet)
    return [
        _pocket(asset, balance, [slot for slot in slots if slot.instrument.settle == asset], orders, changes)
        for asset, balance in cash.items()
    ]


def _pocket(
    asset: str, balance: Decimal, slots: list[Slot], orders: dict[str, Decimal], changes: dict[str, int]
) -> Pocket:
    return Pocket(
        asset,
        balance,
        sum((slot.unrealised for slot in slots), ZERO),
        sum((slot.initial_margin for slot in slots), ZERO),
        orders.get(asset, ZERO),
        sum((slot.maintenance for slot in slots), ZERO),
        max((changes.get(asset, 0), *(slot.changed_at for slot in slots))),
    )


def liquidation_price(slot: Slot, pocket: Pocket) -> Decimal:
    """The mark at which cross margin runs out, all else standing still; 0 where there is none."""
    if slot.position is None:
        return ZERO
    bracket = bracket_of(slot.instrument, slot.notional)
    others = pocket.margin_balance - slot.unrealised - (pocket.maintenance - slot.maintenance)
    size = slot.contracts * slot.instrument.contract_size
    if slot.instrument.kind == LINEAR:
        below = abs(size) * bracket.ratio - size
        price = (others + bracket.deduction - size * slot.entry_price) / below if below else ZERO
    else:
        below = others + bracket.deduction + size / slot.entry_price
        price = (abs(size) * bracket.ratio + size) / below if below else ZERO
    return max(ZERO, price)
