"""What a position has brought since it was opened: retold from the account's fills and funding.

OKX tells of each position, open or closed, what closing parts of it has realised, what was
paid in fees and what funding came and went. The book keeps fills and funding apart, so a
`Life` brings them together, from the fill that opens a position to the one that closes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo.facts import ZERO, Entry, Fill, Reason, eight
from portfolio_lab.demo.instruments import INVERSE, Instrument
from portfolio_lab.demo.view import View
from portfolio_lab.models.accounts import Wallet

Key = tuple[Instrument, str]
_LIQUIDATED = frozenset({Reason.LIQUIDATION, Reason.INSURANCE})


@dataclass(slots=True)
class Life:
    """One position from its opening to its closing (`is_open` until then). Instants are ms.

    `contracts` is signed. `pnl`, `fee` (- paid), `funding` and `penalty` (- paid) are in the
    settlement asset. Prices are averages: `entry` by cost, `leaving` by contracts (coin where inverse).
    """

    instrument: Instrument
    side: str
    opened_at: int
    changed_at: int
    contracts: Decimal
    entry: Decimal
    most: Decimal
    last_fill: int
    pnl: Decimal = ZERO
    fee: Decimal = ZERO
    funding: Decimal = ZERO
    penalty: Decimal = ZERO
    closed: Decimal = ZERO
    closed_worth: Decimal = ZERO
    is_long: bool = True
    liquidated: bool = False

    @property
    def is_open(self) -> bool:
        """True while contracts are held."""
        return self.contracts != ZERO

    @property
    def realised(self) -> Decimal:
        """All that the position has brought: PnL, fees, funding and penalties."""
        return self.pnl + self.fee + self.funding + self.penalty

    @property
    def leaving(self) -> Decimal:
        """Average price of what was closed; 0 while nothing was."""
        if not self.closed:
            return ZERO
        if self.instrument.kind == INVERSE:
            return eight(self.closed / self.closed_worth)
        return eight(self.closed_worth / self.closed)


def lives(view: View) -> list[Life]:
    """Every position that the trading account has had, by the instant of its last change, oldest first."""
    found: list[Life] = []
    current: dict[Key, Life] = {}
    for fill in view.book.fills(until=view.now):
        if fill.wallet is Wallet.TRADING and fill.instrument.is_contract:
            _follow(found, current, fill)
    _add_cash(found, view)
    return sorted(found, key=lambda life: life.changed_at)


def _follow(found: list[Life], current: dict[Key, Life], fill: Fill) -> None:
    """Let one fill open, enlarge, reduce, close or turn a position."""
    key = (fill.instrument, fill.position_side)
    signed = fill.contracts if fill.side == "buy" else -fill.contracts
    life = current.get(key)
    if life is None or not life.is_open:
        current[key] = _opened(found, fill, signed, -fill.fee)
        return
    if life.contracts * signed > ZERO:
        _enlarge(life, fill, signed)
        return
    closing = min(abs(signed), abs(life.contracts))
    beyond = abs(signed) - closing
    fee = eight(-fill.fee * closing / abs(signed))
    _reduce(life, fill, closing, fee)
    if beyond:
        current[key] = _opened(found, fill, beyond if signed > ZERO else -beyond, -fill.fee - fee)


def _opened(found: list[Life], fill: Fill, signed: Decimal, fee: Decimal) -> Life:
    life = Life(
        fill.instrument,
        fill.position_side,
        fill.at,
        fill.at,
        signed,
        fill.price,
        abs(signed),
        fill.fill_id,
        fee=fee,
        is_long=signed > ZERO,
    )
    found.append(life)
    return life


def _enlarge(life: Life, fill: Fill, signed: Decimal) -> None:
    total = life.contracts + signed
    if life.instrument.kind == INVERSE:
        life.entry = eight(total / (life.contracts / life.entry + signed / fill.price))
    else:
        life.entry = eight((life.contracts * life.entry + signed * fill.price) / total)
    life.contracts, life.most = total, max(life.most, abs(total))
    life.changed_at, life.last_fill = fill.at, fill.fill_id
    life.fee -= fill.fee


def _reduce(life: Life, fill: Fill, closing: Decimal, fee: Decimal) -> None:
    life.contracts += -closing if life.is_long else closing
    life.pnl += fill.realised_pnl
    life.fee += fee
    life.closed += closing
    life.closed_worth += closing / fill.price if life.instrument.kind == INVERSE else closing * fill.price
    life.changed_at, life.last_fill = fill.at, fill.fill_id
    life.liquidated |= fill.liquidation


def _add_cash(found: list[Life], view: View) -> None:
    """Funding, and what a liquidation took, belong to the position that was held at that instant."""
    for entry in view.book.entries(until=view.now, wallets=(Wallet.TRADING,)):
        if entry.instrument is None or entry.reason not in {Reason.FUNDING, *_LIQUIDATED}:
            continue
        life = next(_held(found, view, entry), None)
        if life is None:
            continue
        if entry.reason is Reason.FUNDING:
            life.funding += entry.amount
        else:
            life.penalty += entry.amount


def _held(found: list[Life], view: View, entry: Entry) -> Iterator[Life]:
    """Positions that an entry can be about; with two books of one contract, the one that the rate's sign fits."""
    for life in found:
        until = view.now if life.is_open else life.changed_at
        if life.instrument == entry.instrument and life.opened_at <= entry.at <= until and _fits(life, view, entry):
            yield life


def _fits(life: Life, view: View, entry: Entry) -> bool:
    if entry.reason is not Reason.FUNDING or life.side == "net":
        return True
    one = life.instrument
    rate = view.market.funding_rate(one.venue, one.symbol, one.kind, entry.at)
    return (entry.amount * rate < ZERO) == life.is_long
