"""What an OKX account holds, by currency, as the book has it: the parts that its answers are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo.facts import ZERO, Reason
from portfolio_lab.demo.instruments import SPOT, by_symbol
from portfolio_lab.demo.okx_wire import OkxAsk
from portfolio_lab.demo.view import View
from portfolio_lab.models.accounts import Wallet

PRECISION = Decimal("0.000000000001")
_DISCOUNTS = {"USDT": Decimal(1), "USDC": Decimal(1), "BTC": Decimal("0.98"), "ETH": Decimal("0.975")}
_OTHER_DISCOUNT = Decimal("0.9")


@dataclass(frozen=True, slots=True)
class Holding:
    """One currency of the trading account, in units of it.

    `cash` is net of what is owed (negative: a liability); `owed` and `interest` repeat the debt
    as magnitudes. `upl` is the open PnL of cross positions, `isolated` what isolated margin pairs
    hold net of what they owe (`isolated_owed` repeats that), `bots` what trading bots keep.

    That the live venue tells an isolated pair's equity by each of its currencies is unverified.
    """

    asset: str
    cash: Decimal
    upl: Decimal
    bots: Decimal
    isolated: Decimal
    isolated_owed: Decimal
    owed: Decimal
    interest: Decimal
    locked: Decimal
    margin: Decimal
    trial: Decimal

    @property
    def equity(self) -> Decimal:
        """Eq = cashBal + isoEq + (upl - isoUpl) + stgyEq, where our `upl` has no isolated part and isoUpl is 0."""
        return self.cash + self.isolated + self.upl + self.bots

    @property
    def backing(self) -> Decimal:
        """What stands behind cross positions: isolated pairs and bots keep theirs for themselves."""
        return self.cash + self.upl

    @property
    def frozen(self) -> Decimal:
        """What orders, margin, isolated positions and bots keep from being spent."""
        return self.locked + self.margin + max(ZERO, self.isolated) + self.bots

    @property
    def free(self) -> Decimal:
        """Cash and open PnL that nothing keeps; negative where more is owed or kept than is there."""
        return self.cash + self.upl - self.locked - self.margin


@dataclass(frozen=True, slots=True)
class IsolatedPosition:
    """One isolated margin position: `held` units of `asset` against `liability` units of `debt_asset`.

    `equity` and `upl` are in `asset`; `interest` is inside `liability` no more than once.
    """

    pair: str
    asset: str
    held: Decimal
    debt_asset: str
    liability: Decimal
    interest: Decimal
    is_long: bool
    equity: Decimal
    last: Decimal


def discount(asset: str) -> Decimal:
    """The share of a currency's worth that counts as collateral."""
    return _DISCOUNTS.get(asset, _OTHER_DISCOUNT)


def discounted(ask: OkxAsk, asset: str, amount: Decimal) -> Decimal | None:
    """Worth in USD with the haircut of its currency; a liability counts in full."""
    worth = usd(ask, asset, amount)
    if worth is None or worth < ZERO:
        return worth
    return (worth * discount(asset)).quantize(PRECISION)


def holdings(ask: OkxAsk) -> list[Holding]:
    """Every currency of the trading account that is not empty."""
    view = ask.view
    found = (_holding(ask, view, asset) for asset in _assets(view))
    return [one for one in found if one.cash or one.equity or one.owed or one.isolated_owed]


def _assets(view: View) -> list[str]:
    """Currencies that can be there, in the order in which the book met them."""
    names = dict.fromkeys(view.cash(Wallet.TRADING))
    names |= dict.fromkeys(view.debts(Wallet.TRADING))
    names |= dict.fromkeys(view.unrealised(Wallet.TRADING))
    names |= dict.fromkeys(bot_holdings(view))
    for pair in view.isolated_pairs():
        names |= dict.fromkeys((*view.cash(Wallet.ISOLATED_MARGIN, pair), *view.debts(Wallet.ISOLATED_MARGIN, pair)))
    return list(names)


def _holding(ask: OkxAsk, view: View, asset: str) -> Holding:
    debt = view.debts(Wallet.TRADING).get(asset)
    owed, interest = (ZERO, ZERO) if debt is None else (debt.borrowed, debt.interest)
    isolated, isolated_owed = _isolated_parts(view, asset)
    reserved = (view.initial_margin(Wallet.TRADING), view.order_margin(Wallet.TRADING))
    return Holding(
        asset,
        cash=view.cash(Wallet.TRADING).get(asset, ZERO) - owed - interest,
        upl=view.unrealised(Wallet.TRADING).get(asset, ZERO),
        bots=bot_holdings(view).get(asset, ZERO),
        isolated=isolated,
        isolated_owed=isolated_owed,
        owed=owed,
        interest=interest,
        locked=view.locked(Wallet.TRADING).get(asset, ZERO),
        margin=sum((part.get(asset, ZERO) for part in reserved), ZERO),
        trial=_trial(ask, view, asset),
    )


def _isolated_parts(view: View, asset: str) -> tuple[Decimal, Decimal]:
    """What isolated pairs hold of a currency net of what they owe, and what they owe."""
    held, owed = ZERO, ZERO
    for pair in view.isolated_pairs():
        debt = view.debts(Wallet.ISOLATED_MARGIN, pair).get(asset)
        held += view.cash(Wallet.ISOLATED_MARGIN, pair).get(asset, ZERO)
        owed += ZERO if debt is None else debt.borrowed + debt.interest
    return held - owed, owed


def _trial(ask: OkxAsk, view: View, asset: str) -> Decimal:
    """Trial funds: promotions booked into the trading account. That they are inside cashBal is unverified."""
    entries = view.book.entries(until=ask.now, wallets=(Wallet.TRADING,))
    return sum((one.amount for one in entries if one.asset == asset and one.reason is Reason.PROMOTION), ZERO)


def bot_holdings(view: View) -> dict[str, Decimal]:
    """What trading bots keep inside the trading account, by currency."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for bot in view.bots():
        for asset, amount in bot.holdings.items():
            sums[asset] += amount
    return dict(sums)


def isolated_positions(view: View) -> list[IsolatedPosition]:
    """Isolated margin pairs that owe something: long when the quote is owed, short when the base is."""
    found = (_isolated(view, pair, is_long=is_long) for pair in view.isolated_pairs() for is_long in (True, False))
    return [one for one in found if one is not None]


def _isolated(view: View, pair: str, *, is_long: bool) -> IsolatedPosition | None:
    one = by_symbol("okx", SPOT)[pair]
    asset, debt_asset = (one.base, one.quote) if is_long else (one.quote, one.base)
    debt = view.debts(Wallet.ISOLATED_MARGIN, pair).get(debt_asset)
    if debt is None or not debt.borrowed:
        return None
    last = view.market.last("okx", pair, SPOT, view.now)
    held = view.cash(Wallet.ISOLATED_MARGIN, pair).get(asset, ZERO)
    liability = debt.borrowed + debt.interest
    worth = liability / last if is_long else liability * last
    equity = (held - worth).quantize(PRECISION)
    return IsolatedPosition(pair, asset, held, debt_asset, liability, debt.interest, is_long, equity, last)


def earning(ask: OkxAsk) -> dict[str, Decimal]:
    """What savings and on-chain earn (flexible or for a term) hold, by currency, rewards so far included."""
    view = ask.view
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for asset, amount in view.flexible().items():
        sums[asset] += amount
    for locked in view.locked_earn():
        sums[locked.asset] += locked.amount
    for staked in view.staked():
        sums[staked.asset] += staked.amount + staked.earned
    return dict(sums)


def usd(ask: OkxAsk, asset: str, amount: Decimal) -> Decimal | None:
    """Worth in USD to twelve decimals; None where nobody prices the currency."""
    price = ask.exchange.market.coin_usd("okx", asset, ask.now)
    return None if price is None else (amount * price).quantize(PRECISION)


def total_usd(ask: OkxAsk, amounts: Mapping[str, Decimal]) -> Decimal:
    """Worth in USD of amounts by currency; what nobody prices counts nothing, as in the venue's own totals."""
    return total(usd(ask, asset, amount) for asset, amount in amounts.items())


def total(parts: Iterable[Decimal | None]) -> Decimal:
    """The sum of the known parts."""
    return sum((part for part in parts if part is not None), ZERO)
