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
    frozenBal: str = ""
    ordFrozen: str = ""
    borrowFroz: str = ""
    fixedBal: str = ""
    isoEq: str = ""
    isoUpl: str = ""
    liab: str = ""
    uplLiab: str = ""
    crossLiab: str = ""
    isoLiab: str = ""
    interest: str = ""
    stgyEq: str = ""
    spotIsoBal: str = ""
    spotCopyTradingEq: str = ""
    smtSyncEq: str = ""
    rewardBal: str = ""
    eqUsd: str = ""
    mmr: str = ""
    mgnRatio: str = ""


class TradingBalance(Fields, frozen=True):
    """account/balance: exactly one row, with a total that is always stated."""

    totalEq: str
    details: list[CoinBalance]
    adjEq: str = ""
    mmr: str = ""
    mgnRatio: str = ""


class FundingBalance(Fields, frozen=True):
    """One coin of asset/balances."""

    ccy: str
    bal: str
    availBal: str
    frozenBal: str


class Position(Fields, frozen=True):
    """account/positions; `pos` is in contracts, in posCcy for margin positions.

    A position without a mark is refused when it is open; closed rows may lack one.
    `deltaBS` is stated for options only. One contract may be held in cross and in isolated margin (`mgnMode`).
    """

    instId: str
    instType: str
    posSide: str
    pos: str
    avgPx: str
    upl: str
    ccy: str
    markPx: str = ""
    mgnMode: str = ""
    posCcy: str = ""
    liab: str = ""
    liabCcy: str = ""
    lever: str = ""
    liqPx: str = ""
    deltaBS: str = ""
    margin: str = ""
    mmr: str = ""
    mgnRatio: str = ""


class Saving(Fields, frozen=True):
    """One coin of finance/savings/balance; `amt` = lent + pending, with what it earned inside."""

    ccy: str
    amt: str
    earnings: str = ""
    loanAmt: str = ""
    pendingAmt: str = ""
    redemptAmt: str = ""


class Invested(Fields, frozen=True):
    """The principal of an on-chain order in one coin."""

    ccy: str
    amt: str


class Earned(Fields, frozen=True):
    """What an on-chain order has earned in one coin; type 0 is estimated, 1 cumulative."""

    ccy: str
    earningType: str
    earnings: str


class StakedOrder(Fields, frozen=True):
    """One order of finance/staking-defi/orders-active."""

    ordId: str
    investData: list[Invested]
    earningData: list[Earned]


class LoanPart(Fields, frozen=True):
    """One coin of a loan, or of what secures it."""

    ccy: str
    amt: str


class Loan(Fields, frozen=True):
    """finance/flexible-loan/loan-info."""

    loanData: list[LoanPart]
    collateralData: list[LoanPart]


class Config(Fields, frozen=True):
    """account/config; `perm` lists what the key may do, commas between."""

    uid: str
    acctLv: str
    perm: str
    mainUid: str = ""
    ip: str | None = None


class Valuation(Fields, frozen=True):
    """asset/asset-valuation: OKX's own total of each of its accounts, by OKX's names."""

    totalBal: str
    details: dict[str, str]


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
    moveTriggerPx: str = ""
    activePx: str = ""
    pxLimit: str = ""
    tgtCcy: str = ""


class Deposit(Fields, frozen=True):
    """asset/deposit-history; state 2 is credited. `chain` is coin and network, "USDT-TRC20"."""

    depId: str
    ccy: str
    amt: str
    state: str
    ts: str
    txId: str = ""
    chain: str = ""


class Withdrawal(Fields, frozen=True):
    """asset/withdrawal-history; state 2 is completed; `amt` leaves out the fee."""

    wdId: str
    ccy: str
    amt: str
    fee: str
    state: str
    ts: str
    txId: str = ""
    chain: str = ""
    feeCcy: str = ""


class Ticker(Fields, frozen=True):
    """market/tickers; `last` is "" before the first trade."""

    instId: str
    last: str
    ts: str
