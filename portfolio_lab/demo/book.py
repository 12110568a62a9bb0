"""One account's book: cash, positions, orders and everything that ever happened to them.

The book is written forwards in time by its story and can be read at any instant up to that:
every balance, position and set of open orders is a step function of time, every list is
ordered by time. Reading at an instant shows nothing that happens after it.

Written with `deposit`, `withdraw`, `transfer`, `trade`, `fund`, `place` and `cancel`;
read with `at(now)` (a `View`) and the history methods. Cash is the sum of its entries, so
the answers of all endpoints agree by construction.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from portfolio_lab.demo.earning import Earning
from portfolio_lab.demo.facts import (
    ONE_WAY,
    ZERO,
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
from portfolio_lab.demo.market import DAY_MS, FUNDING_MS, HOUR_MS, Market
from portfolio_lab.demo.steps import History, Steps
from portfolio_lab.demo.view import View
from portfolio_lab.models.accounts import Wallet

DEFAULT_LEVERAGE = Decimal(5)
_LIQUIDATION_FEE = Decimal("0.0005")

__all__ = ["Book", "View"]


class Book(Earning):
    """See the module's words. `hedge` keeps a long and a short book of each contract."""

    def __init__(self, name: str, market: Market, *, hedge: bool = False) -> None:
        super().__init__(name, market)
        self.hedge = hedge
        self.leverage = DEFAULT_LEVERAGE
        self._last_done = 0
        self._positions: dict[tuple[Instrument, str], Steps[Position | None]] = {}
        self._orders: Steps[tuple[Order, ...]] = Steps()
        self._fills: History[Fill] = History()
        self._flows: History[Flow] = History()
        self._transfers: History[Transfer] = History()

    # ------------------------------------------------------------ reading

    def at(self, now: int) -> View:
        """The account as it stood at an instant."""
        return View(self, self.market, now)

    def has_under_way(self, now: int) -> bool:
        """True when a withdrawal may be under way: none completes after an instant otherwise."""
        return self._last_done > now

    def positions_at(self, now: int) -> list[Position]:
        """Open positions at an instant."""
        found = (steps.at(now, None) for steps in self._positions.values())
        return [position for position in found if position is not None]

    def orders_at(self, now: int) -> tuple[Order, ...]:
        """Open orders at an instant, oldest first."""
        return self._orders.at(now, ())

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
        self,
        at: int,
        wallet: Wallet,
        asset: str,
        amount: Decimal,
        *,
        fee: Decimal,
        network: str,
        txid: str,
        completed_at: int = 0,
        address: str = "demo-address-out",
    ) -> Flow:
        """Money leaves: amount + fee, at once or when the withdrawal is completed."""
        flow = Flow(self._id(), at, "withdrawal", wallet, asset, amount, fee, network, address, txid, completed_at)
        self._flows.append(flow)
        self._under_way.append(flow)
        self._last_done = max(self._last_done, flow.done_at)
        self._release(at)
        return flow

    def transfer(
        self, at: int, asset: str, amount: Decimal, source: Wallet, target: Wallet, *, pair: str = ""
    ) -> Transfer:
        """Move cash between two wallets of this account; `pair` is that of the side that is isolated margin."""
        one = Transfer(self._id(), at, asset, amount, source, target, pair=pair)
        self._transfers.append(one)
        for wallet, change in ((source, -amount), (target, amount)):
            slot = pair if wallet is Wallet.ISOLATED_MARGIN else ""
            self._book(at, wallet, asset, change, Reason.TRANSFER, reference=one.transfer_id, slot=slot)
        return one

    def universal(
        self,
        at: int,
        asset: str,
        amount: Decimal,
        counterparty: int,
        *,
        source: Wallet | None = None,
        target: Wallet | None = None,
        transfer_id: int = 0,
    ) -> Transfer:
        """One end of a move between a master and its sub-account; both ends have the same id.

        Either `source` (cash leaves) or `target` (cash arrives) is a wallet of this account;
        `counterparty` is the uid of the other one.
        """
        one = Transfer(transfer_id or self._id(), at, asset, amount, source, target, counterparty)
        self._transfers.append(one)
        if source is not None:
            self._book(at, source, asset, -amount, Reason.TRANSFER, reference=one.transfer_id)
        if target is not None:
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
        liquidation: bool = False,
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
            liquidation,
        )
        self._fills.append(fill)
        self._settle(fill)
        return fill

    def fund(self, at: int) -> None:
        """Settle funding of every open position at one settlement instant (every eight hours)."""
        for position in self.positions_at(at):
            one = position.instrument
            if one.is_option:
                continue
            rate = self.market.funding_rate(one.venue, one.symbol, one.kind, at)
            mark = self.market.mark(one.venue, one.symbol, one.kind, at)
            payment = eight(-position.notional(mark) * rate)
            self._book(at, position.wallet, one.settle, payment, Reason.FUNDING, reference=self._id(), instrument=one)

    def fund_until(self, at: int) -> None:
        """Let time pass: funding, interest, rewards, expiries and completed withdrawals up to and with `at`."""
        step = HOUR_MS if self.owes else FUNDING_MS
        start = self.head // step * step + step
        for passed in range(start, at + 1, step):
            self._pass(passed)
        self._release(at)
        self.head = max(self.head, at)

    def liquidate(self, at: int, position: Position, *, penalty_rate: Decimal = Decimal("0.005")) -> Fill:
        """Close a position by force at mark; a part of its worth goes to the insurance fund."""
        one, mark = position.instrument, self.market.mark(*_address(position.instrument), at)
        side = "sell" if position.contracts > ZERO else "buy"
        fill = self.trade(
            at,
            position.wallet,
            one,
            side,
            abs(position.contracts),
            mark,
            fee_rate=_LIQUIDATION_FEE,
            position_side=position.position_side,
            liquidation=True,
        )
        penalty = min(eight(abs(position.notional(mark)) * penalty_rate), self._spendable(at, position))
        self._book(at, position.wallet, one.settle, -penalty, Reason.INSURANCE, reference=fill.fill_id, instrument=one)
        return fill

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

    def _spendable(self, at: int, position: Position) -> Decimal:
        return max(ZERO, self.cash_at(position.wallet, at).get(position.instrument.settle, ZERO))

    def _pass(self, at: int) -> None:
        """Everything that happens by itself at a full hour."""
        self._release(at)
        if self.owes:
            self._charge_interest(at)
        if at % FUNDING_MS == 0:
            self.fund(at)
            self._expire(at)
        if at % DAY_MS == 0 and self._earns:
            self._reward(at)

    def _expire(self, at: int) -> None:
        """Pay out options whose time is up."""
        for position in self.positions_at(at):
            one = position.instrument
            if one.is_option and one.expiry <= at:
                worth = eight(position.contracts * one.contract_size * self.market.option_settlement(one))
                self._positions[one, position.position_side].change(at, None)
                self._book(
                    at,
                    position.wallet,
                    one.settle,
                    worth,
                    Reason.SETTLEMENT,
                    reference=position.position_id,
                    instrument=one,
                )

    def _settle(self, fill: Fill) -> None:
        """Book the money of a fill."""
        one = fill.instrument
        slot = one.symbol if fill.wallet is Wallet.ISOLATED_MARGIN else ""
        for asset, amount, reason in _payments(fill):
            self._book(fill.at, fill.wallet, asset, amount, reason, reference=fill.fill_id, instrument=one, slot=slot)

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


def _address(one: Instrument) -> tuple[str, str, str]:
    return one.venue, one.symbol, one.kind


def _payments(fill: Fill) -> list[tuple[str, Decimal, Reason]]:
    """What a fill does to cash: coins and quote (spot), PnL (contracts) or premium (options), then the fee."""
    one, sign = fill.instrument, 1 if fill.side == "buy" else -1
    paid = (fill.fee_asset, -fill.fee, Reason.FEE)
    if one.is_option:
        return [(one.settle, -sign * eight(fill.quote_amount), Reason.PREMIUM), paid]
    if one.is_contract:
        return [*([(one.settle, fill.realised_pnl, Reason.PNL)] if fill.realised_pnl else []), paid]
    return [
        (one.base, sign * fill.contracts, Reason.TRADE),
        (one.quote, -sign * eight(fill.quote_amount), Reason.TRADE),
        paid,
    ]


def _fee(one: Instrument, side: str, contracts: Decimal, price: Decimal, rate: Decimal) -> tuple[str, Decimal]:
    """Fees are paid in what is received (spot) or in the settlement asset (contracts)."""
    if one.is_contract:
        return one.settle, eight(settle_notional(one, contracts, price) * rate)
    if side == "buy":
        return one.base, eight(contracts * rate)
    return one.quote, eight(notional(one, contracts, price) * rate)
