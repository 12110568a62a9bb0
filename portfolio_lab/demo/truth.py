"""The exchange's own truth: what an account is worth, computed from facts and published prices.

It shares nothing with the endpoints but the market and the book's raw facts: wallet balances
are summed anew from every entry, positions are replayed anew from every fill. So a mistake in
a running balance, in an endpoint or in a client shows as a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import ZERO, Fill, contract_pnl, eight
from portfolio_lab.demo.instruments import INVERSE, Instrument
from portfolio_lab.demo.market import Market
from portfolio_lab.models.accounts import Wallet


@dataclass(frozen=True, slots=True)
class WalletTruth:
    """One wallet at one instant. Quantities are units by asset; money is in USD, None when unpriced.

    equity = wallet_balance + unrealised_pnl. `unpriced` names assets held without a price.
    """

    wallet: Wallet
    balances: dict[str, Decimal]
    unrealised: dict[str, Decimal]
    equity: Decimal | None
    wallet_balance: Decimal | None
    unrealised_pnl: Decimal | None
    unpriced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountTruth:
    """One account at one instant: its wallets, and its total in USD and USDT (None when unpriced)."""

    at: int
    wallets: tuple[WalletTruth, ...]
    equity: Decimal | None
    equity_usdt: Decimal | None


@dataclass(frozen=True, slots=True)
class FlowTruth:
    """One external flow: signed units that crossed the border, and their USD value at that instant."""

    at: int
    flow_id: int
    kind: str
    asset: str
    quantity: Decimal
    fee: Decimal
    txid: str
    value: Decimal | None


def account_truth(one: DemoAccount, market: Market, at: int) -> AccountTruth:
    """What an account is worth at an instant."""
    one.view(at)
    wallets = tuple(_wallet_truth(one, market, wallet, at) for wallet in one.opened)
    equity = _total(wallet.equity for wallet in wallets)
    usdt = market.usdt_usd(one.account.venue, at)
    return AccountTruth(at, wallets, equity, None if equity is None else equity / usdt)


def flows_truth(one: DemoAccount, market: Market, since: int, until: int) -> list[FlowTruth]:
    """External flows with since < at <= until, oldest first."""
    one.view(until)
    found = []
    for flow in one.book.flows(since=since + 1, until=until):
        quantity = flow.amount if flow.kind == "deposit" else -(flow.amount + flow.fee)
        price = market.coin_usd(one.account.venue, flow.asset, flow.at)
        value = None if price is None else quantity * price
        found.append(FlowTruth(flow.at, flow.flow_id, flow.kind, flow.asset, quantity, flow.fee, flow.txid, value))
    return found


def pnl_truth(one: DemoAccount, market: Market, since: int, until: int) -> Decimal | None:
    """PnL between two instants in USD: change of equity less external flows at their own prices."""
    opening, closing = (account_truth(one, market, at).equity for at in (since, until))
    flowed = _total(flow.value for flow in flows_truth(one, market, since, until))
    if opening is None or closing is None or flowed is None:
        return None
    return closing - opening - flowed


def _wallet_truth(one: DemoAccount, market: Market, wallet: Wallet, at: int) -> WalletTruth:
    venue = one.account.venue
    balances = _balances(one, wallet, at)
    unrealised = _unrealised(one, market, wallet, at)
    prices = {asset: market.coin_usd(venue, asset, at) for asset in {*balances, *unrealised}}
    unpriced = tuple(sorted(asset for asset, amount in balances.items() if amount and prices[asset] is None))
    if unpriced:
        return WalletTruth(wallet, balances, unrealised, None, None, None, unpriced)
    cash, pnl = (_worth(amounts, prices) for amounts in (balances, unrealised))
    return WalletTruth(wallet, balances, unrealised, cash + pnl, cash, pnl, ())


def _worth(amounts: dict[str, Decimal], prices: dict[str, Decimal | None]) -> Decimal:
    return sum((amount * (prices[asset] or ZERO) for asset, amount in amounts.items() if amount), ZERO)


def _balances(one: DemoAccount, wallet: Wallet, at: int) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for entry in one.book.entries(until=at, wallets=(wallet,)):
        sums[entry.asset] += entry.amount
    return dict(sums)


def _unrealised(one: DemoAccount, market: Market, wallet: Wallet, at: int) -> dict[str, Decimal]:
    """Open PnL by settlement asset, from the fills alone."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (instrument, _), (contracts, entry) in _replay(one.book.fills(until=at), wallet).items():
        mark = market.mark(instrument.venue, instrument.symbol, instrument.kind, at)
        sums[instrument.settle] += contract_pnl(instrument, contracts, entry, mark)
    return dict(sums)


def _replay(fills: Iterable[Fill], wallet: Wallet) -> dict[tuple[Instrument, str], tuple[Decimal, Decimal]]:
    """(signed contracts, average entry) of open positions by instrument and book."""
    held: dict[tuple[Instrument, str], tuple[Decimal, Decimal]] = {}
    for fill in fills:
        if fill.wallet is not wallet or not fill.instrument.is_contract:
            continue
        key = (fill.instrument, fill.position_side)
        signed = fill.contracts if fill.side == "buy" else -fill.contracts
        contracts, entry = held.get(key, (ZERO, ZERO))
        held[key] = _after(fill.instrument, contracts, entry, signed, fill.price)
    return {key: state for key, state in held.items() if state[0]}


def _after(
    one: Instrument, contracts: Decimal, entry: Decimal, signed: Decimal, price: Decimal
) -> tuple[Decimal, Decimal]:
    """Average cost: growing averages the entry, shrinking keeps it, turning over starts anew."""
    total = contracts + signed
    if contracts * signed < ZERO:
        return (total, entry) if abs(signed) <= abs(contracts) else (total, price)
    if not contracts:
        return total, price
    if one.kind == INVERSE:
        return total, eight(total / (contracts / entry + signed / price))
    return total, eight((contracts * entry + signed * price) / total)


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; None when any part is unknown."""
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
