"""The fields of Binance's answers that we rely on, as Binance names them.

Amounts are texts until `payloads.amount` has read them. A list of assets in a futures account
may be long: rows that are zero throughout are skipped by the readers, not here.
"""

from __future__ import annotations

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - Binance's own names


class Time(Fields, frozen=True):
    """api/v3/time."""

    serverTime: int


class SpotBalance(Fields, frozen=True):
    """One coin of api/v3/account."""

    asset: str
    free: str
    locked: str


class SpotAccount(Fields, frozen=True):
    """api/v3/account; `balances` lists the coins, zero ones included."""

    balances: list[SpotBalance]
    accountType: str
    updateTime: int


class AssetRow(Fields, frozen=True):
    """One coin of getUserAsset and of get-funding-asset: positive ones only."""

    asset: str
    free: str
    locked: str
    freeze: str
    withdrawing: str
    ipoable: str = ""


class MarginAsset(Fields, frozen=True):
    """One margin asset of a futures account."""

    asset: str
    walletBalance: str
    unrealizedProfit: str
    marginBalance: str
    availableBalance: str
    positionInitialMargin: str = ""
    openOrderInitialMargin: str = ""
    maintMargin: str = ""
    crossWalletBalance: str = ""
    crossUnPnl: str = ""


class PositionLine(Fields, frozen=True):
    """A position as the account answer repeats it; dapi's has no notional."""

    symbol: str
    positionSide: str
    positionAmt: str
    unrealizedProfit: str
    notional: str = ""
    updateTime: int = -1
    maintMargin: str = ""
    isolatedMargin: str = ""
    isolatedWallet: str = ""


class FuturesAccount(Fields, frozen=True):
    """fapi/v3/account and dapi/v1/account; only the former has totals."""

    assets: list[MarginAsset]
    positions: list[PositionLine]
    totalMaintMargin: str = ""
    totalMarginBalance: str = ""


class UsdMPosition(Fields, frozen=True):
    """fapi/v3/positionRisk; where marginAsset is not stated, the contract's own holds."""

    symbol: str
    positionSide: str
    positionAmt: str
    entryPrice: str
    markPrice: str
    unRealizedProfit: str
    liquidationPrice: str
    marginAsset: str = ""


class CoinMPosition(Fields, frozen=True):
    """dapi/v1/positionRisk; positionAmt is in contracts."""

    symbol: str
    positionSide: str
    positionAmt: str
    entryPrice: str
    markPrice: str
    unRealizedProfit: str
    liquidationPrice: str
    leverage: str
    marginType: str = ""
    isolatedMargin: str = ""


class SpotOrder(Fields, frozen=True):
    """api/v3/openOrders."""

    symbol: str
    orderId: int
    price: str
    origQty: str
    executedQty: str
    type: str
    side: str
    stopPrice: str
    time: int


class FuturesOrder(SpotOrder, frozen=True):
    """fapi/v1/openOrders and dapi/v1/openOrders; there quantities are in contracts."""

    reduceOnly: bool
    closePosition: bool = False


class AlgoOrder(Fields, frozen=True):
    """fapi/v1/openAlgoOrders and dapi/v1/openAlgoOrders: rests until its trigger."""

    algoId: int
    symbol: str
    side: str
    orderType: str
    quantity: str
    triggerPrice: str
    price: str
    reduceOnly: bool
    createTime: int
    closePosition: bool = False


class Deposit(Fields, frozen=True):
    """capital/deposit/hisrec; status 1 is completed, 6 credited but locked."""

    id: str
    amount: str
    coin: str
    status: int
    txId: str
    insertTime: int
    completeTime: int = 0
    network: str = ""
    walletType: int = -1


class Withdrawal(Fields, frozen=True):
    """capital/withdraw/history; status 6 is completed; times are texts in UTC."""

    id: str
    amount: str
    transactionFee: str
    coin: str
    status: int
    applyTime: str
    txId: str = ""
    completeTime: str = ""
    network: str = ""
    walletType: int = -1


class SpotInstrument(Fields, frozen=True):
    """One symbol of api/v3/exchangeInfo."""

    symbol: str
    baseAsset: str
    quoteAsset: str


class SpotInstruments(Fields, frozen=True):
    """api/v3/exchangeInfo."""

    symbols: list[SpotInstrument]


class UsdMInstrument(SpotInstrument, frozen=True):
    """One contract of fapi/v1/exchangeInfo: its size is 1 base unit."""

    marginAsset: str


class UsdMInstruments(Fields, frozen=True):
    """fapi/v1/exchangeInfo."""

    symbols: list[UsdMInstrument]


class CoinMInstrument(UsdMInstrument, frozen=True):
    """One contract of dapi/v1/exchangeInfo; contractSize is in units of the quote asset."""

    contractSize: int


class CoinMInstruments(Fields, frozen=True):
    """dapi/v1/exchangeInfo."""

    symbols: list[CoinMInstrument]


class SpotPrice(Fields, frozen=True):
    """api/v3/ticker/price: the last trade's price."""

    symbol: str
    price: str


class CoinMIndex(Fields, frozen=True):
    """dapi/v1/premiumIndex; indexPrice is the pair's spot index in USD."""

    symbol: str
    pair: str
    indexPrice: str
    time: int
