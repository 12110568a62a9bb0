"""One account's book: cash, positions, orders and everything that ever happened to them.

The book is written forwards in time by its story and can be read at any instant up to that:
every balance, position and set of open orders is a step function of time, every list is
ordered by time. Reading at an instant shows nothing that happens after it.

Written with `deposit`, `withdraw`, `transfer`, `trade`, `fund`, `place` and `cancel`;
read with `at(now)` (a `View`) and the history methods. Cash is the sum of its entries, so
the answers of all endpoints agree by construction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from portfolio_lab.demo.facts import (
    ONE_WAY,
    ZERO,
    Entry,
    Fill,
    Flow,
    Order,
    Position,
    Reason,
    Transfer,
    changed_position,
    eight,
    notional,
    settle_notional,
)
from portfolio_lab.demo.instruments import Instrument
from portfolio_lab.demo.market import FUNDING_MS, Market, name_seed
from portfolio_lab.demo.steps import History, Steps
from portfolio_lab.models.accounts import Wallet

DEFAULT_LEVERAGE = Decimal(5)


@dataclass(frozen=True, slots=True)
class View:
    """An account as it stood at one instant, with marks from the market at that instant."""

    book: Book
    market: Market
    now: int

    def cash(self, wallet: Wallet) -> dict[str, Decimal]:
        """Wallet balance W by asset: every asset that this wallet ever touched, 0 included."""
        return self.book.cash_at(wallet, self.now)

    def orders(self, wallet: Wallet | None = None) -> list[Order]:
        """Open orders, limit and conditional, oldest first."""
        found = self.book.orders_at(self.now)
        return [order for order in found if wallet is None or order.wallet is wallet]

    def positions(self, wallet: Wallet | None = None) -> list[Position]:
        """Open positions, in the order in which their markets were first touched."""
        found = self.book.positions_at(self.now)
        return [position for position in found if wallet is None or position.wallet is wallet]

    def mark(self, instrument: Instrument) -> Decimal:
        """Mark price now."""
        return self.market.mark(instrument.venue, instrument.symbol, instrument.kind, self.now)

    def unrealised(self, wallet: Wallet) -> dict[str, Decimal]:
        """Unrealised PnL U by settlement asset; assets without a position are absent."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for position in self.positions(wallet):
            sums[position.instrument.settle] += position.unrealised_pnl(self.mark(position.instrument))
        return dict(sums)

    def initial_margin(self, wallet: Wallet) -> dict[str, Decimal]:
        """Margin set aside for positions by settlement asset."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for position in self.positions(wallet):
            sums[position.instrument.settle] += position.initial_margin(self.mark(position.instrument))
        return dict(sums)

    def order_margin(self, wallet: Wallet) -> dict[str, Decimal]:
        """Margin set aside for open contract orders by settlement asset."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.orders(wallet):
            if order.instrument.is_contract and order.price is not None and not order.reduce_only:
                worth = settle_notional(order.instrument, order.remaining, order.price)
                sums[order.instrument.settle] += eight(worth / self.book.leverage)
        return dict(sums)

    def locked(self, wallet: Wallet) -> dict[str, Decimal]:
        """Cash locked by open spot limit orders, by asset; conditional orders lock nothing."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.orders(wallet):
            if not order.instrument.is_contract and not order.is_conditional:
                asset, amount = _locks(order)
                sums[asset] += amount
        return dict(sums)

    def free(self, wallet: Wallet, asset: str) -> Decimal:
        """Spendable cash: W - locked in a cash wallet; in a margin wallet also less margin and losses."""
        cash = self.cash(wallet).get(asset, ZERO) - self.locked(wallet).get(asset, ZERO)
        loss = min(ZERO, self.unrealised(wallet).get(asset, ZERO))
        used = self.initial_margin(wallet).get(asset, ZERO) + self.order_margin(wallet).get(asset, ZERO)
        return cash + loss - used


class Book:
    """See the module's words. `venue` decides which wallet a trade settles in."""

    def __init__(self, name: str, market: Market, *, hedge: bool = False) -> None:
        self.name = name
        self.market = market
        self.hedge = hedge
        self.leverage = DEFAULT_LEVERAGE
        self.head = 0
        self._next_id = 10_000_000 + name_seed(name) % 80_000_000 * 10
        self._cash: dict[Wallet, dict[str, Steps[Decimal]]] = defaultdict(dict)
        self._positions: dict[tuple[Instrument, str], Steps[Position | None]] = {}
        self._orders: Steps[tuple[Order, ...]] = Steps()
        self._entries: History[Entry] = History()
        self._fills: History[Fill] = History()
        self._flows: History[Flow] = History()
        self._transfers: History[Transfer] = History()

    # ------------------------------------------------------------ reading

    def at(self, now: int) -> View:
        """The account as it stood at an instant."""
        return View(self, self.market, now)

    def cash_at(self, wallet: Wallet, now: int) -> dict[str, Decimal]:
        """Cash by asset of one wallet at an instant."""
        return {asset: steps.at(now, ZERO) for asset, steps in self._cash[wallet].items()}

    def positions_at(self, now: int) -> list[Position]:
        """Open positions at an instant."""
        found = (steps.at(now, None) for steps in self._positions.values())
        return [position for position in found if position is not None]

    def orders_at(self, now: int) -> tuple[Order, ...]:
        """Open orders at an instant, oldest first."""
        return self._orders.at(now, ())

    def entries(self, *, since: int | None = None, until: int, wallets: Iterable[Wallet] | None = None) -> list[Entry]:
        """Changes of cash with since <= at <= until, oldest first."""
        found = self._entries.between(since, until)
        return found if wallets is None else [entry for entry in found if entry.wallet in wallets]

    def fills(self, *, since: int | None = None, until: int, instrument: Instrument | None = None) -> list[Fill]:
        """Fills with since <= at <= until, oldest first, of one instrument or of all."""
        found = self._fills.between(since, until)
        return found if instrument is None else [fill for fill in found if fill.instrument == instrument]

    def flows(self, kind: str | None = None, *, since: int | None = None, until: int) -> list[Flow]:
        """Deposits and withdrawals ("deposit" | "withdrawal" | both) with since <= at <= until."""
        found = self._flows.between(since, until)
        return found if kind is None else [flow for flow in found if flow.kind == kind]

    def transfers(
        self, *, since: int | None = None, until: int, source: Wallet | None = None, target: Wallet | None = None
    ) -> list[Transfer]:
        """Transfers between wallets with since <= at <= until, of one direction or of all."""
        found = self._transfers.between(since, until)
        return [one for one in found if source in (None, one.source) and target in (None, one.target)]

    # ------------------------------------------------------------ writing

    def deposit(self, at: int, wallet: Wallet, asset: str, amount: Decimal, *, network: str, txid: str) -> Flow:
        """Money from outside arrives."""
        flow = Flow(self._id(), at, "deposit", wallet, asset, amount, ZERO, network, "demo-address-in", txid)
        self._flows.append(flow)
        self._book(at, wallet, asset, amount, Reason.DEPOSIT, reference=flow.flow_id)
        return flow

    def withdraw(
        self, at: int, wallet: Wallet, asset: str, amount: Decimal, *, fee: Decimal, network: str, txid: str
    ) -> Flow:
        """Money leaves: amount + fee."""
        flow = Flow(self._id(), at, "withdrawal", wallet, asset, amount, fee, network, "demo-address-out", txid)
        self._flows.append(flow)
        self._book(at, wallet, asset, -(amount + fee), Reason.WITHDRAWAL, reference=flow.flow_id)
        return flow

    def transfer(self, at: int, asset: str, amount: Decimal, source: Wallet, target: Wallet) -> Transfer:
        """Move cash between two wallets of this account."""
        one = Transfer(self._id(), at, asset, amount, source, target)
        self._transfers.append(one)
        self._book(at, source, asset, -amount, Reason.TRANSFER, reference=one.transfer_id)
        self._book(at, target, asset, amount, Reason.TRANSFER, reference=one.transfer_id)
        return one

    def grant(self, at: int, wallet: Wallet, asset: str, amount: Decimal) -> None:
        """Put an asset that the story never touches into a wallet: how a test gets an unpriced coin."""
        self._book(at, wallet, asset, amount, Reason.GRANT, reference=self._id())

    def trade(
        self,
        at: int,
        wallet: Wallet,
        instrument: Instrument,
        side: str,
        contracts: Decimal,
        price: Decimal,
        *,
        fee_rate: Decimal,
        position_side: str = ONE_WAY,
        maker: bool = False,
        order_id: int | None = None,
    ) -> Fill:
        """One fill: cash changes hands in spot, a position changes and PnL is realised in contracts."""
        fee_asset, fee = _fee(instrument, side, contracts, price, fee_rate)
        pnl = ZERO
        if instrument.is_contract:
            pnl = self._move(at, wallet, (instrument, position_side), _signed(side, contracts), price)
        fill = Fill(
            self._id(),
            order_id or self._id(),
            at,
            wallet,
            instrument,
            side,
            contracts,
            price,
            fee,
            fee_asset,
            pnl,
            position_side,
            maker,
        )
        self._fills.append(fill)
        self._settle(fill)
        return fill

    def fund(self, at: int) -> None:
        """Settle funding of every open position at one settlement instant (every eight hours)."""
        for position in self.positions_at(at):
            one = position.instrument
            rate = self.market.funding_rate(one.venue, one.symbol, one.kind, at)
            mark = self.market.mark(one.venue, one.symbol, one.kind, at)
            payment = eight(-position.notional(mark) * rate)
            self._book(at, position.wallet, one.settle, payment, Reason.FUNDING, reference=self._id(), instrument=one)

    def fund_until(self, at: int) -> None:
        """Settle every funding instant after the last thing that happened, up to and with `at`."""
        start = self.head // FUNDING_MS * FUNDING_MS + FUNDING_MS
        for settled_at in range(start, at + 1, FUNDING_MS):
            self.fund(settled_at)
        self.head = max(self.head, at)

    def place(
        self,
        at: int,
        wallet: Wallet,
        instrument: Instrument,
        side: str,
        contracts: Decimal,
        *,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        order_type: str = "limit",
        reduce_only: bool = False,
        position_side: str = ONE_WAY,
    ) -> Order:
        """Rest an order in the book."""
        order = Order(
            self._id(),
            at,
            wallet,
            instrument,
            side,
            order_type,
            contracts,
            ZERO,
            price,
            trigger_price,
            reduce_only,
            position_side,
        )
        self._orders.change(at, (*self.orders_at(at), order))
        return order

    def fill_partly(self, at: int, order_id: int, contracts: Decimal, *, fee_rate: Decimal) -> Fill:
        """Trade part of a resting limit order, as maker, at its price; it leaves when it is full."""
        order = next(one for one in self.orders_at(at) if one.order_id == order_id)
        grown = replace(order, filled=order.filled + contracts)
        kept = [grown if one is order else one for one in self.orders_at(at)]
        self._orders.change(at, tuple(one for one in kept if one.remaining > ZERO))
        return self.trade(
            at,
            order.wallet,
            order.instrument,
            order.side,
            contracts,
            order.price or ZERO,
            fee_rate=fee_rate,
            position_side=order.position_side,
            maker=True,
            order_id=order_id,
        )

    def cancel(self, at: int, order_id: int) -> None:
        """Take an order out of the book; an unknown id changes nothing."""
        self._orders.change(at, tuple(order for order in self.orders_at(at) if order.order_id != order_id))

    # ------------------------------------------------------------ inside

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _book(
        self,
        at: int,
        wallet: Wallet,
        asset: str,
        amount: Decimal,
        reason: Reason,
        *,
        reference: int,
        instrument: Instrument | None = None,
    ) -> None:
        steps = self._cash[wallet].setdefault(asset, Steps())
        balance = steps.at(at, ZERO) + amount
        steps.change(at, balance)
        self._entries.append(Entry(self._id(), at, wallet, asset, amount, balance, reason, reference, instrument))
        self.head = max(self.head, at)

    def _settle(self, fill: Fill) -> None:
        """Book the money of a fill."""
        one, key = fill.instrument, fill.fill_id
        if one.is_contract:
            if fill.realised_pnl != ZERO:
                self._book(
                    fill.at, fill.wallet, one.settle, fill.realised_pnl, Reason.PNL, reference=key, instrument=one
                )
            self._book(fill.at, fill.wallet, one.settle, -fill.fee, Reason.FEE, reference=key, instrument=one)
            return
        sign = 1 if fill.side == "buy" else -1
        self._book(fill.at, fill.wallet, one.base, sign * fill.contracts, Reason.TRADE, reference=key, instrument=one)
        self._book(
            fill.at,
            fill.wallet,
            one.quote,
            -sign * eight(fill.quote_amount),
            Reason.TRADE,
            reference=key,
            instrument=one,
        )
        self._book(fill.at, fill.wallet, fill.fee_asset, -fill.fee, Reason.FEE, reference=key, instrument=one)

    def _move(self, at: int, wallet: Wallet, key: tuple[Instrument, str], signed: Decimal, price: Decimal) -> Decimal:
        """Change the position of (contract, book) and return the PnL that this realises."""
        steps = self._positions.setdefault(key, Steps())
        old = steps.at(at, None)
        if old is None:
            opened = Position(self._id(), at, at, wallet, *key, signed, price, self.leverage)
            steps.change(at, opened)
            return ZERO
        new, pnl = changed_position(old, signed, price, at)
        steps.change(at, new)
        return pnl


def _signed(side: str, contracts: Decimal) -> Decimal:
    return contracts if side == "buy" else -contracts


def _locks(order: Order) -> tuple[str, Decimal]:
    """What a resting spot order keeps from being spent."""
    if order.side == "sell":
        return order.instrument.base, order.remaining
    return order.instrument.quote, eight(order.remaining * (order.price or ZERO))


def _fee(one: Instrument, side: str, contracts: Decimal, price: Decimal, rate: Decimal) -> tuple[str, Decimal]:
    """Fees are paid in what is received (spot) or in the settlement asset (contracts)."""
    if one.is_contract:
        return one.settle, eight(settle_notional(one, contracts, price) * rate)
    if side == "buy":
        return one.base, eight(contracts * rate)
    return one.quote, eight(notional(one, contracts, price) * rate)
