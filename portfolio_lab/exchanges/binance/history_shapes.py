"""The fields of Binance's history answers that we rely on, as Binance names them.

An id may come as a number or as a text: both are read. Amounts are texts until
`payloads.amount` has read them.
"""

from __future__ import annotations

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - Binance's own names


class Transfer(Fields, frozen=True):
    """One row of asset/transfer."""

    asset: str
    amount: str
    status: str
    tranId: int
    timestamp: int


class Transfers(Fields, frozen=True):
    """asset/transfer; `rows` is missing where there are none."""

    total: int
    rows: list[Transfer] = []  # noqa: RUF012 - msgspec copies an empty default


class SpotFill(Fields, frozen=True):
    """api/v3/myTrades, sapi/v1/margin/myTrades and papi/v1/margin/myTrades."""

    symbol: str
    id: int
    orderId: int
    price: str
    qty: str
    commission: str
    commissionAsset: str
    time: int
    isBuyer: bool
    isMaker: bool


class FuturesFill(Fields, frozen=True):
    """fapi, dapi and papi userTrades; qty is in contracts."""

    symbol: str
    id: int
    orderId: int
    side: str
    price: str
    qty: str
    realizedPnl: str
    commission: str
    commissionAsset: str
    time: int
    positionSide: str
    maker: bool


class OptionFill(Fields, frozen=True):
    """eapi/v1/userTrades; a fee that was paid is negative."""

    id: int
    tradeId: int
    orderId: int
    symbol: str
    price: str
    quantity: str
    fee: str
    realizedProfit: str
    side: str
    liquidity: str
    time: int
    quoteAsset: str


class Income(Fields, frozen=True):
    """fapi, dapi and papi income: `tranId` is unique only within one incomeType."""

    symbol: str
    incomeType: str
    income: str
    asset: str
    time: int
    tranId: int | str
    tradeId: int | str = ""
    info: str = ""


class OptionBill(Fields, frozen=True):
    """eapi/v1/bill."""

    id: int
    asset: str
    amount: str
    type: str
    createDate: int


class SubAccount(Fields, frozen=True):
    """One row of sub-account/list."""

    email: str


class SubAccounts(Fields, frozen=True):
    """sub-account/list."""

    subAccounts: list[SubAccount]


class UniversalTransfer(Fields, frozen=True):
    """One row of sub-account/universalTransfer."""

    tranId: int
    fromEmail: str
    toEmail: str
    asset: str
    amount: str
    fromAccountType: str
    toAccountType: str
    status: str
    createTimeStamp: int


class UniversalTransfers(Fields, frozen=True):
    """sub-account/universalTransfer."""

    result: list[UniversalTransfer]
    totalCount: int


class SubTransfer(Fields, frozen=True):
    """One row of sub-account/transfer/subUserHistory: type 1 came in, 2 went out."""

    tranId: int
    asset: str
    qty: str
    time: int
    type: int
    status: str
    counterParty: str = ""
    email: str = ""
    fromAccountType: str = "SPOT"
    toAccountType: str = "SPOT"


class FiatOrder(Fields, frozen=True):
    """One row of fiat/orders: fiat money in or out; `amount` arrives, the fee is apart."""

    orderNo: str
    fiatCurrency: str
    indicatedAmount: str
    amount: str
    totalFee: str
    status: str
    createTime: int
    updateTime: int


class FiatOrders(Fields, frozen=True):
    """fiat/orders."""

    code: str
    data: list[FiatOrder] = []  # noqa: RUF012 - msgspec copies an empty default


class FiatPayment(Fields, frozen=True):
    """One row of fiat/payments: coins bought with, or sold for, money outside the account."""

    orderNo: str
    sourceAmount: str
    fiatCurrency: str
    obtainAmount: str
    cryptoCurrency: str
    totalFee: str
    price: str
    status: str
    createTime: int
    updateTime: int
    paymentMethod: str = ""


class FiatPayments(Fields, frozen=True):
    """fiat/payments."""

    code: str
    data: list[FiatPayment] = []  # noqa: RUF012 - msgspec copies an empty default
