"""The fields of OKX's histories that we rely on, as OKX names them; see `shapes`."""

from __future__ import annotations

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - OKX's own names


class Fill(Fields, frozen=True):
    """trade/fills-history; `fillSz` is in contracts for derivatives, `fee` is negative when paid."""

    instId: str
    instType: str
    billId: str
    ordId: str
    side: str
    fillPx: str
    fillSz: str
    fee: str
    feeCcy: str
    execType: str
    ts: str
    posSide: str = ""
    fillPnl: str = ""


class Bill(Fields, frozen=True, rename={"from_": "from"}):
    """account/bills-archive: `balChg` is what it did to the cash, `bal` the cash after it.

    `from` and `to` are stated for transfers: 6 is the funding account, 18 the trading account.
    """

    billId: str
    ccy: str
    type: str
    balChg: str
    bal: str
    ts: str
    subType: str = ""
    pnl: str = ""
    instId: str = ""
    ordId: str = ""
    tradeId: str = ""
    from_: str = ""
    to: str = ""


class FundingBill(Fields, frozen=True):
    """asset/bills."""

    billId: str
    ccy: str
    type: str
    balChg: str
    ts: str


class Conversion(Fields, frozen=True):
    """asset/convert/history."""

    tradeId: str
    side: str
    baseCcy: str
    quoteCcy: str
    fillBaseSz: str
    fillQuoteSz: str
    state: str
    ts: str


class DustConversion(Fields, frozen=True):
    """trade/easy-convert-history; `acct` is 6 for the funding account, 18 for the trading account."""

    fromCcy: str
    toCcy: str
    fillFromSz: str
    fillToSz: str
    status: str
    uTime: str
    acct: str = ""
