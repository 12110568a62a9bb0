"""Exposure: what each underlying does to the book, netted across wallets, accounts and venues.

The quantity that counts is the one whose price moves the book:

    balance              quantity (net of debt; the margin balance in a margin wallet)
    linear contract      signed base units
    inverse contract     signed contracts x contract size / mark, in base units
    COIN-M coin          margin balance + sum of the inverse contracts (not the wallet balance)
    option               signed base units x the venue's delta
    option paid in coin  signed base units x (the venue's delta - its premium in the coin)
    bot, copy trading    unknown: its value is told apart (`opaque`) and is in no other figure

Stablecoins and fiat count as 0 here; they are part of the allocation instead. Which price:
an instrument's own value (`gross_instrument`, `position_exposure`) uses its own price - the
venue's price for a balance, the position's own mark for a contract. Netting uses one price
for each underlying, S x sum of quantities, so that a coin held against its own perpetual
nets to exactly nothing whatever the basis between them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from portfolio_lab.engines.equity import Prices, balance_value, prices_for
from portfolio_lab.engines.pegs import underlying_of
from portfolio_lab.models.accounts import Account
from portfolio_lab.models.exposure import Exposure, UnderlyingExposure
from portfolio_lab.models.holdings import Balance, ContractKind, Holding, Position, WalletReading

STABLECOINS = frozenset(
    [
        "USDT",
        "USDC",
        "FDUSD",
        "TUSD",
        "BUSD",
        "DAI",
        "USDP",
        "USDE",
        "USD1",
        "USDG",
        "USDD",
        "PYUSD",
        "RLUSD",
        "XUSD",
        "EURI",
        "AEUR",
        "EURC",
        "EURT",
    ]
)
FIAT = frozenset(
    [
        "USD",
        "EUR",
        "GBP",
        "JPY",
        "CHF",
        "AUD",
        "CAD",
        "NZD",
        "SGD",
        "HKD",
        "BRL",
        "TRY",
        "ARS",
        "MXN",
        "COP",
        "ZAR",
        "UAH",
        "PLN",
        "CZK",
        "RON",
        "SEK",
        "NOK",
        "DKK",
        "AED",
        "INR",
        "IDR",
    ]
)


class Part(NamedTuple):
    """What one balance or one contract adds to an underlying.

    `name` is the asset, or the instrument and its side in hedge mode; `quantity` signed base units of the
    underlying, None when unknown;
    `value` its magnitude at its own price, NaN when unknown.
    """

    account: str
    wallet: str
    name: str
    quantity: Decimal | None
    value: float


class Line(NamedTuple):
    """One underlying: the one price that nets it (NaN when none is known), and its parts."""

    underlying: str
    price: float
    parts: tuple[Part, ...]


@dataclass(slots=True)
class _Line:
    parts: list[Part] = field(default_factory=list)
    # Price of the underlying by how far it is trusted: venues first, then the contracts' marks.
    prices: dict[tuple[int, str], float] = field(default_factory=dict)


def book_exposure(
    readings: Sequence[tuple[Account, WalletReading]],
    prices_by_venue: Mapping[str, Prices],
    *,
    equity: float | None,
    currency: str,
) -> Exposure:
    """Exposure of one user's whole book in `currency`.

        net of an underlying = S x sum of signed quantities
        gross = long + short, after netting; gross_instrument = sum of notionals before netting

    S is the venue's price of the underlying (the first venue by name that has one), else the
    mark of a contract on it. Spot margin positions are not added: the coins and the debt that
    they consist of are balances already.

    Args:
        readings: what each wallet said, with its account.
        prices_by_venue: `{venue: {asset: Price}}` in `currency`, as in `value_equity`.
        equity: the user's equity, None when unknown.
        currency: the reporting currency. Inverse contracts need the price of "USD" in it.

    Returns:
        Underlyings by falling notional. Where a price (or an option's delta) is missing, the
        underlying and the totals are NaN: unknown, not flat. `gross_share` is gross / equity,
        None where equity is unknown or not positive.
    """
    lines = _lines(readings, prices_by_venue, currency)
    underlyings = sorted((_net(name, line) for name, line in lines.items()), key=_order)
    long = math.fsum(_positive(line.net) for line in underlyings)
    short = math.fsum(_positive(-line.net) for line in underlyings)
    gross = long + short
    return Exposure(
        currency=currency,
        underlyings=tuple(underlyings),
        net=math.fsum(line.net for line in underlyings),
        gross=gross,
        gross_instrument=math.fsum(line.gross_instrument for line in underlyings),
        long=long,
        short=short,
        gross_share=share(gross, equity),
        opaque=_opaque(readings, prices_by_venue),
    )


def exposure_lines(
    readings: Sequence[tuple[Account, WalletReading]], prices_by_venue: Mapping[str, Prices], *, currency: str
) -> list[Line]:
    """Return the parts that `book_exposure` nets, by underlying: net = price x sum of the parts' quantities."""
    lines = _lines(readings, prices_by_venue, currency)
    return [Line(name, _netting_price(line), tuple(line.parts)) for name, line in sorted(lines.items())]


def position_exposure(position: Position, prices: Prices, *, currency: str) -> float | None:
    """Signed exposure of one position at its own mark: + long, - short; None when unpriced.

    Linear: quantity x mark x price of the settlement asset. Inverse: quantity x mark x price
    of USD. Option: quantity x delta (less its premium, where that is paid in the coin) x price of the underlying;
    None where the venue states no delta.
    """
    price = mark_price(position, prices, currency=currency)
    quantity = exposed_quantity(position)
    return None if price is None or quantity is None else float(quantity) * price


def exposed_quantity(position: Position) -> Decimal | None:
    """Signed base units whose price moves the book: an option's are weighted by its delta; None without one.

    The worth of an option that is paid in its own coin is among that coin's balance, which is exposed already: only
    the delta beyond its premium adds to it.
    """
    if position.kind is not ContractKind.OPTION:
        return position.quantity
    if position.delta is None:
        return None
    return position.quantity * (position.delta - (position.mark_price if is_paid_in_coin(position) else 0))


def is_paid_in_coin(option: Position) -> bool:
    """Whether an option is quoted and settled in what it is an option on."""
    return underlying_of(option.settle_asset) == option.underlying


def position_pnl(position: Position, prices: Prices) -> float | None:
    """Open PnL of one position in the reporting currency; None when its settlement asset has no price."""
    if not position.unrealised_pnl:
        return 0.0
    settle = prices.get(position.settle_asset)
    return None if settle is None else float(position.unrealised_pnl) * settle.price


def mark_price(position: Position, prices: Prices, *, currency: str) -> float | None:
    """What one base unit is worth to the position, in the reporting currency; None when it cannot be converted.

    The position's own mark; for an option, whose mark is a premium, the price of its underlying.
    """
    if position.kind is ContractKind.OPTION:
        return _price(prices, position.underlying)
    quote = "USD" if position.kind is ContractKind.INVERSE else position.settle_asset
    rate = 1.0 if quote == currency else _price(prices, quote)
    return None if rate is None else float(position.mark_price) * rate


def share(amount: float, equity: float | None) -> float | None:
    """Amount / equity, a fraction; None where either is unknown or equity is not positive."""
    if equity is None or not equity > 0 or math.isnan(amount):
        return None
    return amount / equity


def is_exposed(asset: str) -> bool:
    """Whether holding the asset is a bet on a price: False for stablecoins, fiat and what is pegged to them."""
    underlying = underlying_of(asset)
    return underlying not in STABLECOINS and underlying not in FIAT


_Place = tuple[str, str, str]
"""Account, wallet, and asset or instrument."""


def _price(prices: Prices, asset: str) -> float | None:
    price = prices.get(asset)
    return None if price is None else price.price


def _lines(
    readings: Sequence[tuple[Account, WalletReading]], prices_by_venue: Mapping[str, Prices], currency: str
) -> dict[str, _Line]:
    lines: dict[str, _Line] = defaultdict(_Line)
    for account, reading in readings:
        prices = prices_for(account, prices_by_venue)
        for balance in reading.balances:
            if balance.quantity and balance.holding is not Holding.OPAQUE and is_exposed(balance.asset):
                place = (account.name, str(reading.wallet), balance.asset)
                _add_balance(lines, balance, place, prices)
        for position in reading.positions:
            if position.quantity and position.kind is not ContractKind.MARGIN:
                book = "" if position.side == "net" else f" {position.side}"
                place = (account.name, str(reading.wallet), f"{position.instrument}{book}")
                _add_position(lines, position, place, prices, currency)
    return lines


def _add_balance(lines: dict[str, _Line], balance: Balance, place: _Place, prices: Prices) -> None:
    underlying = underlying_of(balance.asset)
    own, followed = _price(prices, balance.asset), _price(prices, underlying)
    line = lines[underlying]
    if followed is not None:
        line.prices[0, _venue(place)] = followed
    if own is None or followed is None:
        line.parts.append(Part(*place, None, math.nan))
        return
    ratio = Decimal(1) if underlying == balance.asset else Decimal(own) / Decimal(followed)
    line.parts.append(Part(*place, balance.quantity * ratio, abs(float(balance.quantity) * own)))


def _add_position(lines: dict[str, _Line], position: Position, place: _Place, prices: Prices, currency: str) -> None:
    line = lines[position.underlying]
    spot, mark = _price(prices, position.underlying), mark_price(position, prices, currency=currency)
    quantity = exposed_quantity(position)
    if spot is not None:
        line.prices[0, _venue(place)] = spot
    if mark is None or quantity is None:
        line.parts.append(Part(*place, None, math.nan))
        return
    line.prices.setdefault((1, position.instrument), mark)
    line.parts.append(Part(*place, quantity, abs(float(quantity) * mark)))


def _venue(place: _Place) -> str:
    return place[0].partition(":")[0]


def _opaque(readings: Sequence[tuple[Account, WalletReading]], prices_by_venue: Mapping[str, Prices]) -> float:
    values = [
        balance_value(balance, prices_for(account, prices_by_venue))
        for account, reading in readings
        for balance in reading.balances
        if balance.holding is Holding.OPAQUE
    ]
    return math.nan if None in values else math.fsum(value for value in values if value is not None)


def _net(underlying: str, line: _Line) -> UnderlyingExposure:
    gross_instrument = math.fsum(part.value for part in line.parts)
    quantity = float(sum((part.quantity for part in line.parts if part.quantity is not None), Decimal(0)))
    # A part without a price makes the whole underlying unknown, whatever the rest says.
    net = math.nan if math.isnan(gross_instrument) else quantity * _netting_price(line)
    return UnderlyingExposure(underlying, quantity, net, gross_instrument)


def _netting_price(line: _Line) -> float:
    return line.prices[min(line.prices)] if line.prices else math.nan


def _positive(amount: float) -> float:
    # max() would turn NaN into 0 or not, depending on the order of its arguments.
    return amount if math.isnan(amount) else max(amount, 0.0)


def _order(line: UnderlyingExposure) -> tuple[bool, float, str]:
    unknown = math.isnan(line.gross_instrument)
    return unknown, 0.0 if unknown else -line.gross_instrument, line.underlying
