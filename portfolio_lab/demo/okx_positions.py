"""account/positions: contracts, options and isolated margin, with what each has brought and where it ends."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.facts import ONE_WAY, ZERO, Position
from portfolio_lab.demo.instruments import INVERSE
from portfolio_lab.demo.market import name_seed
from portfolio_lab.demo.okx_holdings import (
    PRECISION,
    IsolatedPosition,
    discount,
    discounted,
    holdings,
    isolated_positions,
    total,
    total_usd,
)
from portfolio_lab.demo.okx_lives import Key, Life, lives
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.demo.view import View
from portfolio_lab.models.accounts import Wallet

MAINTENANCE = Decimal("0.1")
"""Maintenance margin as a share of initial margin."""
_LIQUIDATION_DIGITS = Decimal("0.0000000001")
_FUTURES_MODE = "2"
_BLANK_POSITION = dict.fromkeys(
    (
        "availPos",
        "baseBal",
        "baseBorrowed",
        "baseInterest",
        "bizRefId",
        "bizRefType",
        "clSpotInUseAmt",
        "deltaBS",
        "deltaPA",
        "gammaBS",
        "gammaPA",
        "hedgedPos",
        "interest",
        "liab",
        "liabCcy",
        "liqPx",
        "margin",
        "maxSpotInUseAmt",
        "nonSettleAvgPx",
        "optVal",
        "pendingCloseOrdLiabVal",
        "posCcy",
        "quoteBal",
        "quoteBorrowed",
        "quoteInterest",
        "settledPnl",
        "spotInUseAmt",
        "spotInUseCcy",
        "thetaBS",
        "thetaPA",
        "usdPx",
        "vegaBS",
        "vegaPA",
    ),
    "",
)


def positions(ask: OkxAsk) -> list[Row]:
    """account/positions, all or those of instType, instId and posId, the youngest first."""
    names, kind, ids = ask.listed("instId"), ask.text("instType"), ask.listed("posId")
    rows = [*_contract_rows(ask), *(_margin_row(ask, one) for one in isolated_positions(ask.view))]
    chosen = [
        row
        for row in rows
        if (names is None or row["instId"] in names)
        and kind in ("", row["instType"])
        and (ids is None or row["posId"] in ids)
    ]
    return sorted(chosen, key=lambda row: int(row["cTime"]), reverse=True)


def _contract_rows(ask: OkxAsk) -> list[Row]:
    view = ask.view
    told: dict[Key, Life] = {(one.instrument, one.side): one for one in lives(view) if one.is_open}
    return [
        _position_row(ask, view, one, told[one.instrument, one.position_side]) for one in view.positions(Wallet.TRADING)
    ]


def _position_row(ask: OkxAsk, view: View, position: Position, life: Life) -> Row:
    one, mark = position.instrument, view.mark(position.instrument)
    kind = instrument_type(one)
    return {
        **_BLANK_POSITION,
        **_profit_fields(ask, position, mark),
        **_brought_fields(life),
        **(_option_fields(ask, position, mark) if kind == "OPTION" else {"liqPx": _liquidation_price(ask, position)}),
        "adl": "1",
        "avgPx": plain(position.entry_price),
        "cTime": str(position.opened_at),
        "ccy": one.settle,
        "closeOrderAlgo": [],
        "idxPx": plain(ask.exchange.market.index(one.venue, one.base, one.quote, ask.now)),
        "instId": one.symbol,
        "instType": kind,
        "lever": "" if kind == "OPTION" else plain(position.leverage),
        "markPx": plain(mark),
        "mgnMode": "cross",
        "nonSettleAvgPx": plain(position.entry_price) if kind == "FUTURES" else "",
        "notionalUsd": plain(notional_usd(ask, view, position)),
        "pTime": str(ask.now),
        "pos": plain(_told_contracts(position)),
        "posId": str(position.position_id),
        "posSide": position.position_side,
        "settledPnl": "0" if kind == "FUTURES" else "",
        "tradeId": str(life.last_fill),
        "uTime": str(position.changed_at),
        "usdPx": plain(ask.exchange.market.coin_usd("okx", one.settle, ask.now) or ZERO),
    }


def _told_contracts(position: Position) -> Decimal:
    """Signed in net mode; a long or short side of hedge mode is told as a magnitude."""
    return position.contracts if position.position_side == ONE_WAY else abs(position.contracts)


def _profit_fields(ask: OkxAsk, position: Position, mark: Decimal) -> Row:
    """Open PnL at mark and at last, and the margin set aside, in the settlement asset."""
    one, margin = position.instrument, position.initial_margin(mark)
    last = ask.exchange.market.last(one.venue, one.symbol, one.kind, ask.now)
    pnl, pnl_last = position.unrealised_pnl(mark), position.unrealised_pnl(last)
    alone, needed = ask.asker.mode == _FUTURES_MODE, margin * MAINTENANCE
    shared = needed + _others_maintenance(ask, position, ZERO) if alone else ZERO
    return {
        "imr": plain(margin),
        "last": plain(last),
        "mgnRatio": plain(_ratio(_backing_of(ask, one.settle), shared)) if shared else "",
        "mmr": plain(needed),
        "upl": plain(pnl),
        "uplLastPx": plain(pnl_last),
        "uplRatio": plain(_ratio(pnl, margin)),
        "uplRatioLastPx": plain(_ratio(pnl_last, margin)),
    }


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return (part / whole).quantize(PRECISION) if whole else ZERO


def _backing_of(ask: OkxAsk, asset: str) -> Decimal:
    return sum((one.backing for one in holdings(ask) if one.asset == asset), ZERO)


def _brought_fields(life: Life) -> Row:
    """RealizedPnl = pnl + fee + fundingFee + liqPenalty; bePx is where closing would repay all of it."""
    return {
        "bePx": plain(_break_even(life)),
        "fee": plain(life.fee),
        "fundingFee": plain(life.funding),
        "liqPenalty": plain(life.penalty),
        "pnl": plain(life.pnl),
        "realizedPnl": plain(life.realised),
    }


def _break_even(life: Life) -> Decimal:
    """The price at which open PnL undoes what was realised so far; the entry where no price does."""
    size = life.contracts * life.instrument.contract_size
    if life.instrument.kind == INVERSE:
        coins = size / life.entry + life.realised
        return (size / coins).quantize(_LIQUIDATION_DIGITS) if coins * size > ZERO else life.entry
    return max(ZERO, life.entry - life.realised / size).quantize(_LIQUIDATION_DIGITS)


def _liquidation_price(ask: OkxAsk, position: Position) -> str:
    """Mark at which the equity behind a cross position falls to its maintenance margin, all else unmoved.

    In futures mode that is what there is of the settlement asset, in the other modes the account's equity after
    haircuts, to which a coin won or lost counts less, too.
    "" where no positive price does it.
    """
    one, mark = position.instrument, ask.view.mark(position.instrument)
    unit = ask.exchange.market.coin_usd("okx", one.settle, ask.now) or ZERO
    if not unit:
        return ""
    alone = ask.asker.mode == _FUTURES_MODE
    equity, counted = (
        (_backing_of(ask, one.settle), Decimal(1)) if alone else (_collateral(ask) / unit, discount(one.settle))
    )
    size, rate = position.contracts * one.contract_size, MAINTENANCE / position.leverage / counted
    spare = (equity - _others_maintenance(ask, position, unit)) / counted
    price = _inverse_end(size, mark, spare, rate) if one.kind == INVERSE else _linear_end(size, mark, spare, rate)
    return plain(price.quantize(_LIQUIDATION_DIGITS)) if price > ZERO else ""


def _collateral(ask: OkxAsk) -> Decimal:
    """What stands behind all positions, in USD after haircuts."""
    return total(discounted(ask, one.asset, one.backing) for one in holdings(ask))


def _others_maintenance(ask: OkxAsk, position: Position, unit: Decimal) -> Decimal:
    """Maintenance margin of the other positions that the same equity stands behind.

    In the settlement asset in futures mode, else in units worth `unit` USD.
    """
    alone = ask.asker.mode == _FUTURES_MODE
    parts: dict[str, Decimal] = {}
    for one in ask.view.positions(Wallet.TRADING):
        settle = one.instrument.settle
        if one != position and (not alone or settle == position.instrument.settle):
            margin = one.initial_margin(ask.view.mark(one.instrument)) * MAINTENANCE
            parts[settle] = parts.get(settle, ZERO) + margin
    return parts.get(position.instrument.settle, ZERO) if alone else total_usd(ask, parts) / unit


def _linear_end(size: Decimal, mark: Decimal, spare: Decimal, rate: Decimal) -> Decimal:
    """Solve spare + size x (P - mark) = rate x |size| x P for P."""
    return (size * mark - spare) / (size - rate * abs(size))


def _inverse_end(size: Decimal, mark: Decimal, spare: Decimal, rate: Decimal) -> Decimal:
    """Solve spare + size x (1 / mark - 1 / P) = rate x |size| / P for P; 0 where there is none."""
    coins = spare + size / mark
    return (size + rate * abs(size)) / coins if coins else ZERO


def _option_fields(ask: OkxAsk, position: Position, mark: Decimal) -> Row:
    """Worth and delta of an option position. Which sign conventions the live venue keeps is unverified.

    deltaBS is base units by Black-Scholes, deltaPA the same less the premium's own share.
    The other greeks are not modelled and stay "".
    """
    one, market = position.instrument, ask.exchange.market
    worth = position.notional(mark)
    delta = market.option_delta(one, ask.now) * position.contracts * one.contract_size
    premium = worth / market.index(one.venue, one.base, one.quote, ask.now) if one.settle != one.base else worth
    return {
        "availPos": plain(abs(position.contracts)),
        "deltaBS": plain(delta.quantize(PRECISION)),
        "deltaPA": plain((delta - premium).quantize(PRECISION)),
        "optVal": plain(worth),
    }


def notional_usd(ask: OkxAsk, view: View, position: Position) -> Decimal:
    """Magnitude in USD: the contracts' face (inverse), else base x mark x the quote's price."""
    one = position.instrument
    if one.kind == INVERSE:
        return abs(position.contracts) * one.contract_size
    unit = ask.exchange.market.coin_usd("okx", one.settle, ask.now) or ZERO
    return (abs(position.notional(view.mark(one))) * unit).quantize(PRECISION)


def _margin_row(ask: OkxAsk, one: IsolatedPosition) -> Row:
    """An isolated margin position: `pos` is positive, posCcy tells the side, `liab` is negative."""
    market, opened = ask.exchange.market, _opened(ask, one)
    unit = market.coin_usd("okx", one.asset, ask.now) or ZERO
    return {
        **_BLANK_POSITION,
        **dict.fromkeys(("imr", "bePx", "adl", "mgnRatio"), ""),
        **dict.fromkeys(("upl", "uplLastPx", "uplRatio", "uplRatioLastPx", "fundingFee", "liqPenalty"), "0"),
        **dict.fromkeys(("realizedPnl", "pnl", "fee"), "0"),
        "availPos": plain(one.held),
        "avgPx": plain(one.last),
        "cTime": str(opened),
        "ccy": one.asset,
        "closeOrderAlgo": [],
        "idxPx": plain(market.index("okx", *one.pair.split("-"), ask.now)),
        "instId": one.pair,
        "instType": "MARGIN",
        "interest": plain(one.interest),
        "last": plain(one.last),
        "lever": "5",
        "liab": plain(-one.liability),
        "liabCcy": one.debt_asset,
        "liqPx": plain(_margin_end(one)),
        "margin": plain(max(ZERO, one.equity)),
        "markPx": plain(one.last),
        "mgnMode": "isolated",
        "mmr": plain((one.held * MAINTENANCE / 5).quantize(PRECISION)),
        "notionalUsd": plain((one.held * unit).quantize(PRECISION)),
        "pTime": str(ask.now),
        "pendingCloseOrdLiabVal": "0",
        "pos": plain(one.held),
        "posCcy": one.asset,
        "posId": str(name_seed("margin", one.pair, one.asset)),
        "posSide": ONE_WAY,
        "tradeId": "",
        "uTime": str(opened),
    }


def _opened(ask: OkxAsk, one: IsolatedPosition) -> int:
    """When the pair was first touched."""
    entries = ask.view.book.entries(until=ask.now, wallets=(Wallet.ISOLATED_MARGIN,))
    return next((entry.at for entry in entries if entry.pair == one.pair), ask.now)


def _margin_end(one: IsolatedPosition) -> Decimal:
    """The price at which what is held is worth what is owed plus its maintenance margin."""
    share = 1 - MAINTENANCE / 5
    price = one.liability / (one.held * share) if one.is_long else one.held * share / one.liability
    return price.quantize(_LIQUIDATION_DIGITS)
