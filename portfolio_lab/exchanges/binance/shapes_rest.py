"""The fields of Binance's answers about what only rests (earn, loans), about totals and about the key."""

from __future__ import annotations

from typing import Generic, TypeVar

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - Binance's own names

Row = TypeVar("Row")


class Page(Fields, Generic[Row], frozen=True):
    """One page of a list; `total` counts the rows of all pages."""

    rows: list[Row]
    total: int


class FlexibleEarn(Fields, frozen=True):
    """One product of simple-earn/flexible/position."""

    asset: str
    productId: str
    totalAmount: str
    collateralAmount: str


class LockedEarn(Fields, frozen=True):
    """One subscription of simple-earn/locked/position."""

    positionId: int | str
    asset: str
    amount: str


class EthHoldings(Fields, frozen=True):
    """What an ETH staking account holds."""

    wbethAmount: str
    bethAmount: str


class EthStaking(Fields, frozen=True):
    """sapi/v2/eth-staking/account."""

    holdingInETH: str
    holdings: EthHoldings


class SolStaking(Fields, frozen=True):
    """sapi/v1/sol-staking/account."""

    bnsolAmount: str
    holdingInSOL: str


class FlexibleLoan(Fields, frozen=True):
    """One order of loan/flexible/ongoing/orders; totalDebt holds the interest."""

    loanCoin: str
    totalDebt: str
    collateralCoin: str
    collateralAmount: str


class WalletTotal(Fields, frozen=True):
    """One wallet of asset/wallet/balance."""

    walletName: str
    balance: str
    activate: bool


class AccountNumber(Fields, frozen=True):
    """The part of api/v3/account that says who it is."""

    uid: int
