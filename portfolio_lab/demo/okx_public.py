"""What OKX tells everyone: time, instruments, prices."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.instruments import INVERSE, LINEAR, SPOT, Instrument, by_symbol, instruments
from portfolio_lab.demo.market import DAY_MS, FUNDING_MS, HOUR_MS, Candle
from portfolio_lab.demo.okx_wire import OkxAsk, Row, no_instrument, plain, wrong

INSTRUMENT_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
LISTED_MS = 1_606_468_572_000
_BARS = {"s": 1_000, "m": 60_000, "H": HOUR_MS, "D": DAY_MS, "W": 7 * DAY_MS}
_MOST_CANDLES = 300
_HISTORY_CANDLES = 100
_RECENT_BARS = 1_440
_DECIMALS = Decimal("0.000001")
_MOST_SIZES = {
    "maxIcebergSz": "9999999999",
    "maxLmtAmt": "20000000",
    "maxLmtSz": "9999999999",
    "maxMktSz": "1000000",
    "maxStopSz": "1000000",
    "maxTriggerSz": "9999999999",
    "maxTwapSz": "9999999999",
}


def instrument_type(one: Instrument) -> str:
    """OKX's word for a kind of instrument: a contract whose name ends in a day expires then."""
    if one.kind == SPOT:
        return "SPOT"
    if one.option_side:
        return "OPTION"
    return "FUTURES" if one.symbol.rpartition("-")[2].isdigit() else "SWAP"


def find_instrument(name: str) -> Instrument:
    """The instrument of an instId, or 51001."""
    for kind in (SPOT, LINEAR, INVERSE):
        found = by_symbol("okx", kind).get(name)
        if found is not None:
            return found
    raise no_instrument()


def asked_instruments(ask: OkxAsk) -> list[Instrument]:
    """Instruments of the mandatory instType, and of instId where that is given."""
    wanted, name = ask.required("instType"), ask.text("instId")
    if wanted not in INSTRUMENT_TYPES:
        raise wrong("instType")
    return [one for one in instruments("okx") if instrument_type(one) == wanted and name in ("", one.symbol)]


def time(ask: OkxAsk) -> list[Row]:
    """The servers' clock."""
    return [{"ts": str(ask.asked.wire_now)}]


def listing(ask: OkxAsk) -> list[Row]:
    """public/instruments."""
    return [_instrument_row(one) for one in asked_instruments(ask)]


def _instrument_row(one: Instrument) -> Row:
    spot, inverse = one.kind == SPOT, one.kind == INVERSE
    family = "" if spot else f"{one.base}-{one.quote}"
    return {
        **_MOST_SIZES,
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": one.base if spot else "",
        "category": "1",
        "contTdSwTime": "",
        "ctMult": "" if spot else "1",
        "ctType": "" if spot else one.kind,
        "ctVal": "" if spot else plain(one.contract_size),
        "ctValCcy": "" if spot else ("USD" if inverse else one.base),
        "expTime": "",
        "futureSettlement": False,
        "groupId": "1",
        "instFamily": family,
        "instId": one.symbol,
        "instIdCode": 1,
        "instType": instrument_type(one),
        "lever": "10" if spot else "100",
        "listTime": str(LISTED_MS),
        "lotSz": plain(one.lot),
        "maxMktAmt": "1000000" if spot else "",
        "minSz": plain(one.lot),
        "openType": "",
        "optType": "",
        "quoteCcy": one.quote if spot else "",
        "ruleType": "normal",
        "settleCcy": one.settle,
        "state": "live",
        "stk": "",
        "tickSz": plain(one.tick),
        "tradeQuoteCcyList": [one.quote] if spot else [],
        "uly": family,
    }


def tickers(ask: OkxAsk) -> list[Row]:
    """market/tickers."""
    return [_ticker_row(ask, one) for one in asked_instruments(ask)]


def ticker(ask: OkxAsk) -> list[Row]:
    """market/ticker."""
    return [_ticker_row(ask, find_instrument(ask.required("instId")))]


def _ticker_row(ask: OkxAsk, one: Instrument) -> Row:
    now = ask.now
    moments = (now - DAY_MS, now - DAY_MS // 2, now - HOUR_MS, now - now % DAY_MS, now)
    prices = [ask.exchange.market.last("okx", one.symbol, one.kind, at) for at in moments]
    last = prices[-1]
    return {
        "instType": instrument_type(one),
        "instId": one.symbol,
        "last": plain(last),
        "lastSz": plain(one.lot),
        "askPx": plain(last + one.tick),
        "askSz": "11.5",
        "bidPx": plain(last - one.tick),
        "bidSz": "9.25",
        "open24h": plain(prices[0]),
        "high24h": plain(max(prices)),
        "low24h": plain(min(prices)),
        "volCcy24h": "1250000",
        "vol24h": "31250",
        "ts": str(now),
        "sodUtc0": plain(prices[3]),
        "sodUtc8": plain(prices[3]),
    }


def index_tickers(ask: OkxAsk) -> list[Row]:
    """market/index-tickers by instId or quoteCcy."""
    name, quote = ask.text("instId"), ask.text("quoteCcy")
    indices = dict.fromkeys(one.index for one in instruments("okx") if one.index)
    indices |= dict.fromkeys(("USDT-USD", "USDC-USD"))
    chosen = [one for one in indices if one == name or (not name and quote == one.partition("-")[2])]
    if name and not chosen:
        raise no_instrument()
    return [_index_row(ask, one) for one in chosen]


def _index_row(ask: OkxAsk, name: str) -> Row:
    base, _, quote = name.partition("-")
    now, market = ask.now, ask.exchange.market
    value, opening = (plain(market.index("okx", base, quote, at)) for at in (now, now - DAY_MS))
    return {
        "instId": name,
        "idxPx": value,
        "high24h": max(value, opening, key=Decimal),
        "low24h": min(value, opening, key=Decimal),
        "open24h": opening,
        "sodUtc0": opening,
        "sodUtc8": opening,
        "ts": str(now),
    }


def mark_prices(ask: OkxAsk) -> list[Row]:
    """public/mark-price of contracts, by instType or by instId alone."""
    named = [find_instrument(ask.text("instId"))] if ask.text("instId") else asked_instruments(ask)
    return [
        {
            "instType": "SWAP",
            "instId": one.symbol,
            "markPx": plain(ask.exchange.market.mark("okx", one.symbol, one.kind, ask.now)),
            "ts": str(ask.now),
        }
        for one in named
        if one.is_contract
    ]


def funding_rate(ask: OkxAsk) -> list[Row]:
    """public/funding-rate of one swap."""
    one = _swap(ask)
    upcoming = ask.now // FUNDING_MS * FUNDING_MS + FUNDING_MS
    market = ask.exchange.market
    return [
        {
            "formulaType": "noRate",
            "fundingRate": plain(market.funding_rate("okx", one.symbol, one.kind, upcoming)),
            "fundingTime": str(upcoming),
            "instId": one.symbol,
            "instType": "SWAP",
            "maxFundingRate": "0.00375",
            "method": "current_period",
            "minFundingRate": "-0.00375",
            "nextFundingRate": "",
            "nextFundingTime": str(upcoming + FUNDING_MS),
            "premium": "0.0001",
            "settFundingRate": plain(market.funding_rate("okx", one.symbol, one.kind, upcoming - FUNDING_MS)),
            "settState": "settled",
            "ts": str(ask.now),
        }
    ]


def funding_rate_history(ask: OkxAsk) -> list[Row]:
    """public/funding-rate-history of one swap, newest first."""
    one, newest = _swap(ask), ask.now // FUNDING_MS * FUNDING_MS
    settled = [newest - FUNDING_MS * step for step in range(MOST_SETTLEMENTS)]
    rate = ask.exchange.market.funding_rate
    return [
        {
            "instId": one.symbol,
            "instType": "SWAP",
            "fundingRate": plain(rate("okx", one.symbol, one.kind, at)),
            "realizedRate": plain(rate("okx", one.symbol, one.kind, at)),
            "fundingTime": str(at),
            "method": "current_period",
        }
        for at in ask.page(settled[::-1], int)
    ]


MOST_SETTLEMENTS = 270
"""Three months of settlements."""


def _swap(ask: OkxAsk) -> Instrument:
    one = find_instrument(ask.required("instId"))
    if not one.is_contract:
        raise no_instrument()
    return one


def candles(ask: OkxAsk) -> list[list[str]]:
    """market/candles: the newest 1,440 bars."""
    return _candles(ask, most=_MOST_CANDLES, reach=_RECENT_BARS)


def history_candles(ask: OkxAsk) -> list[list[str]]:
    """market/history-candles: any age."""
    return _candles(ask, most=_HISTORY_CANDLES, reach=None)


def _candles(ask: OkxAsk, *, most: int, reach: int | None) -> list[list[str]]:
    """Bars newest first: `after` and `before` are instants, both outside."""
    one, width = find_instrument(ask.required("instId")), _bar_width(ask.text("bar") or "1m")
    after, before = ask.whole("after"), ask.whole("before")
    end = min(ask.now, ask.now if after is None else after - 1)
    start = end - end % width - (ask.limit(most) - 1) * width
    start = max(start, 0 if before is None else before + 1)
    if reach is not None:
        start = max(start, ask.now - reach * width)
    bars = ask.exchange.market.candles("okx", one.symbol, one.kind, width=width, start=start, end=end, now=ask.now)
    return [_candle_row(bar, width, ask.now) for bar in reversed(bars)][: ask.limit(most)]


def _candle_row(bar: Candle, width: int, now: int) -> list[str]:
    prices = (bar.opening, bar.high, bar.low, bar.closing)
    turnover = plain((bar.volume * bar.closing).quantize(_DECIMALS))
    confirmed = "1" if bar.start + width <= now else "0"
    return [str(bar.start), *map(plain, prices), plain(bar.volume), plain(bar.volume), turnover, confirmed]


def _bar_width(bar: str) -> int:
    """Milliseconds of "1m", "4H", "1Dutc" ..., or 51000."""
    text = bar.removesuffix("utc")
    count, unit = text[:-1], text[-1:]
    if not count.isdigit() or unit not in _BARS:
        raise wrong("bar")
    return int(count) * _BARS[unit]


def nothing(_: OkxAsk) -> list[Row]:
    """A list with nothing in it: the demo exchange has none of these."""
    return []
