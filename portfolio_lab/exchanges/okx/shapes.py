"""The fields of OKX's answers that we rely on, as OKX names them.

All numbers are texts. "" means absent, and only the fields that are read by `amount_or_none`
may be absent.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - OKX's own names

Row = TypeVar("Row")


class Envelope(Fields, Generic[Row], frozen=True):
    """What every answer is wrapped in; code "0" has been checked before."""

    code: str
    data: list[Row]


class Time(Fields, frozen=True):
    """public/time."""

    ts: str


class CoinBalance(Fields, frozen=True):
    """One coin of account/balance. `eq` is its equity: negative when borrowed, open PnL inside."""

    ccy: str
    eq: str
    cashBal: str
    upl: str
    availEq: str = ""
    availBal: str = ""
    isoEq: str = ""
    isoUpl: str = ""
    stgyEq: str = ""
    spotIsoBal: str = ""
    rewardBal: str = ""


class TradingBalance(Fields, frozen=True):
    """account/balance: exactly one row, with a total that is always stated."""

    totalEq: str
    details: list[CoinBalance]


class FundingBalance(Fields, frozen=True):
    """One coin of asset/balances."""

    ccy: str
    bal: str
    availBal: str
    frozenBal: str


class Position(Fields, frozen=True):
    """account/positions; `pos` is in contracts, in posCcy for margin positions.

    A position without a mark is refused when it is open; closed rows may lack one.
    """

    instId: str
    instType: str
    posSide: str
    pos: str
    avgPx: str
    upl: str
    ccy: str
    markPx: str = ""
    posCcy: str = ""
    liab: str = ""
    lever: str = ""
    liqPx: str = ""


class Instrument(Fields, frozen=True):
    """public/instruments."""

    instId: str
    instType: str
    ctVal: str
    ctMult: str
    ctType: str
    ctValCcy: str
    settleCcy: str
    uly: str = ""
    instFamily: str = ""
    baseCcy: str = ""


class Order(Fields, frozen=True):
    """trade/orders-pending; `sz` is in contracts for derivatives."""

    instId: str
    instType: str
    ordId: str
    side: str
    ordType: str
    sz: str
    accFillSz: str
    px: str
    reduceOnly: str
    cTime: str
    tgtCcy: str = ""


class AlgoOrder(Fields, frozen=True):
    """trade/orders-algo-pending: rests until its trigger, or places slices by itself."""

    instId: str
    instType: str
    algoId: str
    side: str
    ordType: str
    sz: str
    cTime: str
    reduceOnly: str = ""
    ordPx: str = ""
    triggerPx: str = ""
    slTriggerPx: str = ""
    slOrdPx: str = ""
    tpTriggerPx: str = ""
    tpOrdPx: str = ""
    tgtCcy: str = ""


class Deposit(Fields, frozen=True):
    """asset/deposit-history; state 2 is credited."""

    depId: str
    ccy: str
    amt: str
    state: str
    ts: str
    txId: str = ""


class Withdrawal(Fields, frozen=True):
    """asset/withdrawal-history; state 2 is completed; `amt` leaves out the fee."""

    wdId: str
    ccy: str
    amt: str
    fee: str
    state: str
    ts: str
    txId: str = ""


class Ticker(Fields, frozen=True):
    """market/tickers; `last` is "" before the first trade."""

    instId: str
    last: str
    ts: str
