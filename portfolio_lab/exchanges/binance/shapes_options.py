"""The fields of Binance's options answers that we rely on."""

from __future__ import annotations

from portfolio_lab.exchanges.payloads import Fields

# ruff: noqa: N815 - Binance's own names


class OptionAsset(Fields, frozen=True):
    """One margin asset of the options account; equity holds the options at market."""

    asset: str
    marginBalance: str
    equity: str
    available: str
    unrealizedPNL: str
    maintMargin: str = ""


class OptionAccount(Fields, frozen=True):
    """eapi/v1/marginAccount; its list of assets is called `asset`."""

    asset: list[OptionAsset]


class OptionPosition(Fields, frozen=True):
    """eapi/v1/position; quantity is in contracts, negative for what was written."""

    symbol: str
    side: str
    quantity: str
    entryPrice: str
    markPrice: str
    markValue: str
    unrealizedPNL: str
    quoteAsset: str


class OptionMark(Fields, frozen=True):
    """eapi/v1/mark; delta of one unit bought."""

    symbol: str
    delta: str


class OptionContract(Fields, frozen=True):
    """What a family of options is about."""

    baseAsset: str
    underlying: str
    settleAsset: str


class OptionSymbol(Fields, frozen=True):
    """One option; a contract is `unit` units of the underlying."""

    symbol: str
    underlying: str
    unit: int


class OptionInstruments(Fields, frozen=True):
    """eapi/v1/exchangeInfo."""

    optionContracts: list[OptionContract]
    optionSymbols: list[OptionSymbol]


class OptionOrder(Fields, frozen=True):
    """eapi/v1/openOrders; quantities are in contracts."""

    orderId: int
    symbol: str
    price: str
    quantity: str
    executedQty: str
    side: str
    type: str
    reduceOnly: bool
    createTime: int
