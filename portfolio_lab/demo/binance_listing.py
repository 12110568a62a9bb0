"""exchangeInfo of the three markets: what is listed, in what steps, under which limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from portfolio_lab.demo.instruments import INVERSE, LINEAR, SPOT, Instrument, by_symbol

FOREVER_MS = 4_133_404_800_000
"""The delivery date that Binance gives to perpetual contracts: 2100-12-25."""

ONBOARDED_MS = 1_569_398_400_000

CONTRACT_ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
SPOT_ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)


def _listed(kind: str) -> list[Instrument]:
    return list(by_symbol("binance", kind).values())


def decimals(step: Decimal) -> int:
    """Digits after the point that a step needs: 0.001 -> 3, 1 -> 0."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _plain(number: Decimal, digits: int | None = None) -> str:
    return f"{number:f}" if digits is None else f"{number:.{digits}f}"


def request_limits(weight: int) -> list[dict[str, Any]]:
    """What exchangeInfo publishes: weight and orders per minute."""
    return [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    ]


def _spot_filters(one: Instrument) -> list[dict[str, Any]]:
    tick, step = _plain(one.tick, 8), _plain(one.lot, 8)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000.00000000", "stepSize": step},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "100000.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]


def _spot_symbol(one: Instrument) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "status": "TRADING",
        "baseAsset": one.base,
        "baseAssetPrecision": 8,
        "quoteAsset": one.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(SPOT_ORDER_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": _spot_filters(one),
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _contract_filters(one: Instrument) -> list[dict[str, Any]]:
    tick, step = _plain(one.tick), _plain(one.lot)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000000", "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "60000", "stepSize": step},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
    ]


def _contract_symbol(one: Instrument) -> dict[str, Any]:
    """The fields that USD-M and COIN-M contracts have in common."""
    return {
        "symbol": one.symbol,
        "pair": one.base + one.quote,
        "contractType": "PERPETUAL",
        "deliveryDate": FOREVER_MS,
        "onboardDate": ONBOARDED_MS,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": one.base,
        "quoteAsset": one.quote,
        "marginAsset": one.settle,
        "pricePrecision": decimals(one.tick),
        "quantityPrecision": decimals(one.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _contract_filters(one),
        "orderTypes": list(CONTRACT_ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "permissionSets": ["GRID", "COPY"],
    }


def _usd_m_symbol(one: Instrument) -> dict[str, Any]:
    symbol = _contract_symbol(one)
    symbol["status"] = "TRADING"
    symbol["filters"].append({"filterType": "MIN_NOTIONAL", "notional": "5"})
    return symbol


def _coin_m_symbol(one: Instrument) -> dict[str, Any]:
    symbol = _contract_symbol(one)
    symbol["contractStatus"] = "TRADING"
    symbol["contractSize"] = int(one.contract_size)
    symbol["equalQtyPrecision"] = 4
    return symbol


def spot_exchange_info(*, now_ms: int, weight: int) -> dict[str, Any]:
    """GET api/v3/exchangeInfo: spot symbols; `weight` is the minute's limit that it publishes."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [
            *request_limits(weight),
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
        ],
        "exchangeFilters": [],
        "symbols": [_spot_symbol(one) for one in _listed(SPOT)],
    }


def usd_m_exchange_info(*, now_ms: int, weight: int) -> dict[str, Any]:
    """GET fapi/v1/exchangeInfo: USD-M perpetuals."""
    margin_assets = sorted({one.settle for one in _listed(LINEAR)})
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": request_limits(weight),
        "exchangeFilters": [],
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"} for asset in margin_assets],
        "symbols": [_usd_m_symbol(one) for one in _listed(LINEAR)],
    }


def coin_m_exchange_info(*, now_ms: int, weight: int) -> dict[str, Any]:
    """GET dapi/v1/exchangeInfo: COIN-M perpetuals; `contractSize` is in USD."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": request_limits(weight),
        "exchangeFilters": [],
        "symbols": [_coin_m_symbol(one) for one in _listed(INVERSE)],
    }
