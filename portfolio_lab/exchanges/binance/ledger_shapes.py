"""The fields of Binance's ledgers that we rely on, as Binance names them: dividends, dust, rewards, loans, days."""

from __future__ import annotations

import msgspec

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - Binance's own names


class Dividend(Fields, frozen=True):
    """One row of asset/assetDividend; `direction` 1 came in, -1 went out again."""

    amount: str
    asset: str
    divTime: int
    enInfo: str
    tranId: int
    id: int = 0
    direction: int = 1


class Dividends(Fields, frozen=True):
    """asset/assetDividend."""

    total: int
    rows: list[Dividend]


class DustLine(Fields, frozen=True):
    """One coin that became BNB: `transferedAmount` arrived, the service charge is already off it."""

    transId: int
    serviceChargeAmount: str
    amount: str
    operateTime: int
    transferedAmount: str
    fromAsset: str
    targetAsset: str = "BNB"


class DustConversion(Fields, frozen=True):
    """One go of asset/dribblet."""

    operateTime: int
    transId: int
    userAssetDribbletDetails: list[DustLine]


class Dust(Fields, frozen=True):
    """asset/dribblet: the last hundred since 2020-12."""

    total: int
    userAssetDribblets: list[DustConversion]


class Conversion(Fields, frozen=True):
    """One row of convert/tradeFlow."""

    orderId: int | str
    orderStatus: str
    fromAsset: str
    fromAmount: str
    toAsset: str
    toAmount: str
    createTime: int


class Conversions(Fields, frozen=True):
    """convert/tradeFlow."""

    moreData: bool
    rows: list[Conversion] = msgspec.field(name="list")


class PayFunds(Fields, frozen=True):
    """What one currency contributed to a payment."""

    currency: str
    amount: str


class PayTransaction(Fields, frozen=True):
    """One row of pay/transactions; a negative amount was paid."""

    orderType: str
    transactionId: str
    transactionTime: int
    amount: str
    currency: str
    fundsDetail: list[PayFunds] = []  # noqa: RUF012 - msgspec copies an empty default


class PayTransactions(Fields, frozen=True):
    """pay/transactions."""

    code: str
    data: list[PayTransaction] = []  # noqa: RUF012 - msgspec copies an empty default


class FlexibleReward(Fields, frozen=True):
    """One row of simple-earn/flexible/history/rewardsRecord."""

    asset: str
    rewards: str
    type: str
    time: int
    projectId: str = ""


class FlexibleRewards(Fields, frozen=True):
    """simple-earn/flexible/history/rewardsRecord."""

    total: int
    rows: list[FlexibleReward]


class MarginInterest(Fields, frozen=True):
    """One row of margin interest: `isolatedSymbol` is missing for cross margin."""

    txId: int
    interestAccuredTime: int
    asset: str
    interest: str
    type: str
    isolatedSymbol: str = ""


class MarginInterests(Fields, frozen=True):
    """margin/interestHistory."""

    total: int
    rows: list[MarginInterest]


class MarginLoan(Fields, frozen=True):
    """One row of margin/borrow-repay; `amount` is principal and interest."""

    txId: int
    asset: str
    amount: str
    principal: str
    interest: str
    status: str
    timestamp: int
    isolatedSymbol: str = ""


class MarginLoans(Fields, frozen=True):
    """margin/borrow-repay."""

    total: int
    rows: list[MarginLoan]


class LoanBorrow(Fields, frozen=True):
    """One row of loan/flexible/borrow/history."""

    loanCoin: str
    initialLoanAmount: str
    collateralCoin: str
    initialCollateralAmount: str
    borrowTime: int
    status: str


class LoanBorrows(Fields, frozen=True):
    """loan/flexible/borrow/history."""

    total: int
    rows: list[LoanBorrow]


class LoanRepay(Fields, frozen=True):
    """One row of loan/flexible/repay/history."""

    loanCoin: str
    repayAmount: str
    collateralCoin: str
    collateralReturn: str
    repayStatus: str
    repayTime: int


class LoanRepays(Fields, frozen=True):
    """loan/flexible/repay/history."""

    total: int
    rows: list[LoanRepay]


class Rebate(Fields, frozen=True):
    """One row of rebate/taxQuery: type 1 is a rebate of fees, 2 of referrals."""

    asset: str
    type: int
    amount: str
    updateTime: int


class RebatePage(Fields, frozen=True):
    """One numbered page of rebate/taxQuery."""

    page: int
    totalPageNum: int
    data: list[Rebate]


class Rebates(Fields, frozen=True):
    """rebate/taxQuery."""

    status: str
    data: RebatePage


class SpotAsset(Fields, frozen=True):
    """One coin in a daily snapshot of spot."""

    asset: str
    free: str
    locked: str


class SpotSnapshot(Fields, frozen=True):
    """A daily snapshot of spot; its total in BTC is not used: it is cut to eight decimals."""

    balances: list[SpotAsset]


class MarginAsset(Fields, frozen=True):
    """One coin in a daily snapshot of cross margin, its debt and interest taken off."""

    asset: str
    netAsset: str


class MarginSnapshot(Fields, frozen=True):
    """A daily snapshot of cross margin."""

    userAssets: list[MarginAsset]


class FuturesAsset(Fields, frozen=True):
    """One asset in a daily snapshot of futures."""

    asset: str
    marginBalance: str


class FuturesSnapshot(Fields, frozen=True):
    """A daily snapshot of futures."""

    assets: list[FuturesAsset]


class SpotDay(Fields, frozen=True):
    """One day of accountSnapshot of type SPOT."""

    updateTime: int
    data: SpotSnapshot


class MarginDay(Fields, frozen=True):
    """One day of accountSnapshot of type MARGIN."""

    updateTime: int
    data: MarginSnapshot


class FuturesDay(Fields, frozen=True):
    """One day of accountSnapshot of type FUTURES."""

    updateTime: int
    data: FuturesSnapshot


class SpotDays(Fields, frozen=True):
    """accountSnapshot of type SPOT."""

    code: int
    snapshotVos: list[SpotDay]


class MarginDays(Fields, frozen=True):
    """accountSnapshot of type MARGIN."""

    code: int
    snapshotVos: list[MarginDay]


class FuturesDays(Fields, frozen=True):
    """accountSnapshot of type FUTURES."""

    code: int
    snapshotVos: list[FuturesDay]


class IsolatedPair(Fields, frozen=True):
    """One pair of margin/isolated/account, by name only."""

    symbol: str


class IsolatedPairs(Fields, frozen=True):
    """margin/isolated/account: which pairs there are."""

    assets: list[IsolatedPair]


class EarnMove(Fields, frozen=True):
    """A row of Simple Earn's subscriptionRecord or redemptionRecord, flexible or locked."""

    asset: str
    amount: str
    time: int
    status: str
    purchaseId: int | str = ""
    redeemId: int | str = ""
    sourceAccount: str = "SPOT"
    destAccount: str = "SPOT"


class EarnMoves(Fields, frozen=True):
    """subscriptionRecord and redemptionRecord."""

    total: int
    rows: list[EarnMove]


class LockedReward(Fields, frozen=True):
    """One row of simple-earn/locked/history/rewardsRecord."""

    asset: str
    amount: str
    time: int
    positionId: int | str = ""
    type: str = "Locked Rewards"


class LockedRewards(Fields, frozen=True):
    """simple-earn/locked/history/rewardsRecord."""

    total: int
    rows: list[LockedReward]


class Wrap(Fields, frozen=True):
    """A row of a stakingHistory or redemptionHistory: `asset` was given for `distributeAsset`."""

    time: int
    asset: str
    amount: str
    distributeAsset: str
    distributeAmount: str
    status: str


class Wraps(Fields, frozen=True):
    """stakingHistory and redemptionHistory."""

    total: int
    rows: list[Wrap]
