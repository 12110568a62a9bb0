"""The exchange's own truth: what an account is worth, computed from facts and published prices.

It shares nothing with the endpoints but the market and the book's raw facts: wallet balances
are summed anew from every entry, positions are replayed anew from every fill. So a mistake in
a running balance, in an endpoint or in a client shows as a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import ZERO, Fill, Flow, Reason, contract_pnl, eight
from portfolio_lab.demo.instruments import INVERSE, Instrument
from portfolio_lab.demo.market import Market
from portfolio_lab.demo.moves import own_address
from portfolio_lab.models.accounts import WITHIN_PORTFOLIO_MARGIN, Wallet


@dataclass(frozen=True, slots=True)
class WalletTruth:
    """One wallet at one instant. Quantities are units by asset; money is in USD, None when unpriced.

    equity = wallet_balance + unrealised_pnl. Balances are net of debts and interest; options
    count with their market value, since their premium was paid in cash. `unpriced` names
    assets held without a price.
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
    """One account at one instant: its wallets, and its total in USD and USDT (None when unpriced).

    `assets` are units by asset over all wallets: balances and open PnL, net of debts.
    """

    at: int
    wallets: tuple[WalletTruth, ...]
    equity: Decimal | None
    equity_usdt: Decimal | None
    assets: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class TransitTruth:
    """One move between two accounts of a user that has left here and has not arrived there.

    `at` is when it left; `value` is in USD at the source's price now, None when unpriced.
    """

    at: int
    source: str
    target: str
    asset: str
    quantity: Decimal
    txid: str
    value: Decimal | None


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
    assets: dict[str, Decimal] = defaultdict(Decimal)
    for wallet in wallets:
        for part in (wallet.balances, wallet.unrealised):
            for asset, amount in part.items():
                assets[asset] += amount
    return AccountTruth(at, wallets, equity, None if equity is None else equity / usdt, dict(assets))


def transit_truth(accounts: Iterable[DemoAccount], market: Market, at: int) -> list[TransitTruth]:
    """Moves between the given accounts, all of one user, that are under way at an instant."""
    own = tuple(accounts)
    for one in own:
        one.view(at)
    arrived = {flow.txid for one in own for flow in one.book.flows("deposit", until=at)}
    by_address = {own_address(one.uid): one for one in own}
    found = []
    for one in own:
        for flow in one.book.flows("withdrawal", until=at):
            target = by_address.get(flow.address)
            if target is not None and flow.done_at <= at and flow.txid not in arrived:
                found.append(_transit(one, target, flow, market.coin_usd(one.account.venue, flow.asset, at)))
    return found


def _transit(one: DemoAccount, target: DemoAccount, flow: Flow, price: Decimal | None) -> TransitTruth:
    value = None if price is None else flow.amount * price
    names = (one.account.name, target.account.name)
    return TransitTruth(flow.done_at, *names, flow.asset, flow.amount, flow.txid, value)


def flows_truth(one: DemoAccount, market: Market, since: int, until: int) -> list[FlowTruth]:
    """What crossed the account's border with since < at <= until, oldest first.

    Deposits and withdrawals (when completed), moves to and from the master or a sub-account
    ("sub_transfer"), fiat ("fiat") and payments between people ("pay").
    """
    one.view(until)
    found = [*_chain_flows(one, until), *_sub_transfers(one, until), *_entry_flows(one, until)]
    chosen = sorted((flow for flow in found if since < flow.at <= until), key=lambda flow: (flow.at, flow.flow_id))
    return [_valued(flow, market, one.account.venue) for flow in chosen]


def _valued(flow: FlowTruth, market: Market, venue: str) -> FlowTruth:
    price = market.coin_usd(venue, flow.asset, flow.at)
    return replace(flow, value=None if price is None else flow.quantity * price)


def _chain_flows(one: DemoAccount, until: int) -> Iterable[FlowTruth]:
    for flow in one.book.flows(until=until):
        quantity = flow.amount if flow.kind == "deposit" else -(flow.amount + flow.fee)
        yield FlowTruth(flow.done_at, flow.flow_id, flow.kind, flow.asset, quantity, flow.fee, flow.txid, None)


def _sub_transfers(one: DemoAccount, until: int) -> Iterable[FlowTruth]:
    for moved in one.book.transfers(until=until):
        if moved.counterparty:
            quantity = moved.amount if moved.source is None else -moved.amount
            yield FlowTruth(moved.at, moved.transfer_id, "sub_transfer", moved.asset, quantity, ZERO, "", None)


def _entry_flows(one: DemoAccount, until: int) -> Iterable[FlowTruth]:
    for entry in one.book.entries(until=until):
        if entry.reason in {Reason.FIAT, Reason.PAY}:
            kind = entry.reason.value
            yield FlowTruth(entry.at, entry.reference, kind, entry.asset, entry.amount, ZERO, "", None)


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


def _parts(one: DemoAccount, wallet: Wallet) -> frozenset[Wallet]:
    """The inner wallets whose money the venue answers as one wallet."""
    if wallet is Wallet.PORTFOLIO_MARGIN:
        return WITHIN_PORTFOLIO_MARGIN
    if (one.account.venue, wallet) == ("okx", Wallet.TRADING):
        return frozenset({Wallet.TRADING, Wallet.ISOLATED_MARGIN, Wallet.BOTS})
    return frozenset({wallet})


def _balances(one: DemoAccount, wallet: Wallet, at: int) -> dict[str, Decimal]:
    """What entries put in, less what debt events left owed."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    parts = _parts(one, wallet)
    for entry in one.book.entries(until=at, wallets=parts):
        sums[entry.asset] += entry.amount
    for event in one.book.debt_events(until=at, wallets=parts):
        sums[event.asset] -= event.principal + event.interest
    return dict(sums)


def _unrealised(one: DemoAccount, market: Market, wallet: Wallet, at: int) -> dict[str, Decimal]:
    """Open PnL (options: market value) by settlement asset, from the fills alone."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (instrument, _), (contracts, entry) in _replay(one.book.fills(until=at), _parts(one, wallet)).items():
        if instrument.is_option and instrument.expiry <= at:
            continue
        mark = market.mark(instrument.venue, instrument.symbol, instrument.kind, at)
        paid = ZERO if instrument.is_option else entry
        sums[instrument.settle] += contract_pnl(instrument, contracts, paid, mark)
    return dict(sums)


def _replay(fills: Iterable[Fill], wallets: frozenset[Wallet]) -> dict[tuple[Instrument, str], tuple[Decimal, Decimal]]:
    """(signed contracts, average entry) of open positions by instrument and book."""
    held: dict[tuple[Instrument, str], tuple[Decimal, Decimal]] = {}
    for fill in fills:
        if fill.wallet not in wallets or not fill.instrument.is_contract:
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
