"""The fields of Binance's margin and portfolio margin answers that we rely on."""

from __future__ import annotations

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - Binance's own names


class MarginRow(Fields, frozen=True):
    """One asset of a margin account; debts are magnitudes, netAsset is signed."""

    asset: str
    free: str
    locked: str
    borrowed: str
    interest: str
    netAsset: str


class CrossMargin(Fields, frozen=True):
    """sapi/v1/margin/account; `userAssets` lists every asset, zero ones included."""

    totalNetAssetOfBtc: str
    userAssets: list[MarginRow]
    marginLevel: str = ""
    created: bool = True


class IsolatedPair(Fields, frozen=True):
    """One pair of margin/isolated/account: a small account of its own."""

    symbol: str
    baseAsset: MarginRow
    quoteAsset: MarginRow
    marginLevel: str = ""


class IsolatedMargin(Fields, frozen=True):
    """sapi/v1/margin/isolated/account."""

    assets: list[IsolatedPair]
    totalNetAssetOfBtc: str


class PmRow(Fields, frozen=True):
    """One asset of papi/v1/balance.

    totalWalletBalance is cross free + cross locked + both futures wallets; debts are magnitudes.
    An unrealised PnL is "" where the asset settles no contract of that kind.
    """

    asset: str
    totalWalletBalance: str
    crossMarginFree: str
    crossMarginLocked: str
    crossMarginBorrowed: str
    crossMarginInterest: str
    umWalletBalance: str
    umUnrealizedPNL: str
    cmWalletBalance: str
    cmUnrealizedPNL: str
    negativeBalance: str = ""


class PmAccount(Fields, frozen=True):
    """papi/v1/account; actualEquity is in US dollars, without the haircuts of accountEquity.

    uniMMR is accountEquity / accountMaintMargin.
    """

    actualEquity: str
    accountStatus: str
    uniMMR: str = ""
    accountEquity: str = ""
    accountMaintMargin: str = ""


class PmOrder(Fields, frozen=True):
    """papi/v1/um/openOrders and cm/openOrders; orders that wait for a trigger have addresses of their own."""

    symbol: str
    orderId: int
    price: str
    origQty: str
    executedQty: str
    type: str
    side: str
    time: int
    reduceOnly: bool
    closePosition: bool = False
    stopPrice: str = "0"


class PmWaitingOrder(Fields, frozen=True):
    """papi/v1/cm/conditional/openOrders: rests until its trigger; quantities are in contracts."""

    strategyId: int
    symbol: str
    side: str
    strategyType: str
    origQty: str
    price: str
    stopPrice: str
    reduceOnly: bool
    bookTime: int
