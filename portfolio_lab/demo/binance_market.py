"""Public answers: time, prices and bars of the spot, USD-M and COIN-M hosts, at book time."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Answer, Ask, Endpoint, Json, Need, by_presence, by_rows
from portfolio_lab.demo.binance_listing import (
    coin_m_exchange_info,
    spot_exchange_info,
    usd_m_exchange_info,
)
from portfolio_lab.demo.binance_text import eight_text, priced_text
from portfolio_lab.demo.binance_weights import Family
from portfolio_lab.demo.instruments import INVERSE, LINEAR, SPOT, Instrument, by_symbol
from portfolio_lab.demo.market import DAY_MS, FUNDING_MS, GRID_START, HOUR_MS, STEP_MS, Candle

MINUTE_MS = 60_000
WIDTHS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}
TAKER_SHARE = Decimal("0.5")
"""The share of turnover that we ascribe to takers who buy."""


def _last(ask: Ask, one: Instrument) -> Decimal:
    return ask.market.last("binance", one.symbol, one.kind, ask.at)


def _one_or_all(ask: Ask, rows: list[dict[str, Json]]) -> Json:
    """An object when `symbol` was sent, an array otherwise."""
    return rows[0] if ask.parameters.get("symbol") else rows


# ---------------------------------------------------------------- time and listings


def _ping(_: Ask) -> Json:
    return {}


def _time(ask: Ask) -> Json:
    return {"serverTime": ask.server_time}


def _spot_info(ask: Ask) -> Json:
    return spot_exchange_info(now_ms=ask.server_time, weight=ask.limits.by_family[Family.API])


def _usd_m_info(ask: Ask) -> Json:
    return usd_m_exchange_info(now_ms=ask.server_time, weight=ask.limits.by_family[Family.FAPI])


def _coin_m_info(ask: Ask) -> Json:
    return coin_m_exchange_info(now_ms=ask.server_time, weight=ask.limits.by_family[Family.DAPI])


# ---------------------------------------------------------------- tickers


def _price(kind: str) -> Answer:
    def answer(ask: Ask) -> Json:
        rows = [_price_row(ask, one) for one in ask.instruments(kind)]
        # COIN-M answers with an array even for one symbol.
        return rows if kind == INVERSE else _one_or_all(ask, rows)

    return answer


def _price_row(ask: Ask, one: Instrument) -> dict[str, Json]:
    row: dict[str, Json] = {"symbol": one.symbol, "price": priced_text(one, _last(ask, one))}
    if one.kind != SPOT:
        row["time"] = ask.at
    if one.kind == INVERSE:
        row["ps"] = one.base + one.quote
    return row


def _book_ticker(kind: str) -> Answer:
    def answer(ask: Ask) -> Json:
        rows = [_book_row(ask, one) for one in ask.instruments(kind)]
        return rows if kind == INVERSE else _one_or_all(ask, rows)

    return answer


def _book_row(ask: Ask, one: Instrument) -> dict[str, Json]:
    """The last price is the bid; the ask stands one tick above."""
    last = _last(ask, one)
    row: dict[str, Json] = {
        "symbol": one.symbol,
        "bidPrice": priced_text(one, last),
        "bidQty": priced_text(one, one.lot * 1000),
        "askPrice": priced_text(one, last + one.tick),
        "askQty": priced_text(one, one.lot * 1000),
    }
    if one.kind != SPOT:
        row["time"] = ask.at
    return row


def _day_ticker(kind: str) -> Answer:
    def answer(ask: Ask) -> Json:
        rows = [_day_row(ask, one) for one in ask.instruments(kind)]
        return rows if kind == INVERSE else _one_or_all(ask, rows)

    return answer


def _day_bar(ask: Ask, one: Instrument) -> Candle:
    """The last 24 hours as one bar, from the hourly ones."""
    since = ask.at - DAY_MS
    bars = ask.market.candles("binance", one.symbol, one.kind, width=4 * HOUR_MS, start=since, end=ask.at, now=ask.at)
    opening = ask.market.last("binance", one.symbol, one.kind, since)
    last = _last(ask, one)
    return Candle(
        since,
        opening,
        max(opening, last, *(bar.high for bar in bars)),
        min(opening, last, *(bar.low for bar in bars)),
        last,
        sum((bar.volume for bar in bars), Decimal(0)),
    )


def _day_row(ask: Ask, one: Instrument) -> dict[str, Json]:
    bar = _day_bar(ask, one)
    change = bar.closing - bar.opening
    middle = (bar.high + bar.low) / 2
    row: dict[str, Json] = {
        "symbol": one.symbol,
        "priceChange": priced_text(one, change),
        "priceChangePercent": f"{change / bar.opening * 100:.3f}",
        "weightedAvgPrice": eight_text(middle),
        "lastPrice": priced_text(one, bar.closing),
        "lastQty": priced_text(one, one.lot),
        "openPrice": priced_text(one, bar.opening),
        "highPrice": priced_text(one, bar.high),
        "lowPrice": priced_text(one, bar.low),
        "volume": eight_text(bar.volume),
        "openTime": bar.start,
        "closeTime": ask.at,
        "firstId": bar.start // STEP_MS,
        "lastId": ask.at // STEP_MS,
        "count": DAY_MS // STEP_MS + 1,
    }
    return row | _day_extras(one, bar, middle)


def _day_extras(one: Instrument, bar: Candle, middle: Decimal) -> dict[str, Json]:
    """The fields in which the three hosts differ."""
    if one.kind == INVERSE:
        return {"pair": one.base + one.quote, "baseVolume": eight_text(bar.volume)}
    extras: dict[str, Json] = {"quoteVolume": eight_text(bar.volume * middle)}
    if one.kind == SPOT:
        extras |= {
            "prevClosePrice": eight_text(bar.opening),
            "bidPrice": eight_text(bar.closing),
            "bidQty": eight_text(one.lot * 1000),
            "askPrice": eight_text(bar.closing + one.tick),
            "askQty": eight_text(one.lot * 1000),
        }
    return extras


# ---------------------------------------------------------------- mark, index, funding


def _premium_index(kind: str) -> Answer:
    def answer(ask: Ask) -> Json:
        wanted = ask.parameters.get("pair", "")
        rows = [_premium_row(ask, one) for one in ask.instruments(kind) if wanted in {"", one.index}]
        return rows if kind == INVERSE else _one_or_all(ask, rows)

    return answer


def _premium_row(ask: Ask, one: Instrument) -> dict[str, Json]:
    index = eight_text(ask.market.index("binance", one.base, one.quote, ask.at))
    due = (ask.at // FUNDING_MS + 1) * FUNDING_MS
    row: dict[str, Json] = {
        "symbol": one.symbol,
        "markPrice": eight_text(ask.market.mark("binance", one.symbol, one.kind, ask.at)),
        "indexPrice": index,
        "estimatedSettlePrice": index,
        "lastFundingRate": eight_text(ask.market.funding_rate("binance", one.symbol, one.kind, due)),
        "interestRate": "0.00010000",
        "nextFundingTime": due,
        "time": ask.at,
    }
    if one.kind == INVERSE:
        row["pair"] = one.index
    return row


def _funding_rates(kind: str) -> Answer:
    def answer(ask: Ask) -> Json:
        rows = ask.limit(default=100, most=1000)
        until = min(ask.number("endTime", ask.at), ask.at) // FUNDING_MS * FUNDING_MS
        since = max(ask.number("startTime", until - (rows - 1) * FUNDING_MS), GRID_START)
        first = -(-since // FUNDING_MS) * FUNDING_MS
        times = range(first, until + 1, FUNDING_MS)[:rows]
        return [_funding_row(ask, one, at) for at in times for one in ask.instruments(kind)][:rows]

    return answer


def _funding_row(ask: Ask, one: Instrument, at: int) -> dict[str, Json]:
    return {
        "symbol": one.symbol,
        "fundingTime": at,
        "fundingRate": eight_text(ask.market.funding_rate("binance", one.symbol, one.kind, at)),
        "markPrice": eight_text(ask.market.mark("binance", one.symbol, one.kind, at)),
    }


# ---------------------------------------------------------------- bars


def _klines(kind: str) -> Answer:
    def answer(ask: Ask) -> Json:
        one = ask.instrument(kind)
        width = WIDTHS.get(ask.required("interval"))
        if width is None:
            raise refuse.interval_unknown()
        rows = ask.limit(default=500, most=1000 if kind == SPOT else 1500)
        start, end = _bar_span(ask, width, rows)
        bars = ask.market.candles("binance", one.symbol, kind, width=width, start=start, end=end, now=ask.at)
        return [_bar_row(one, bar, width) for bar in bars[:rows]]

    return answer


def _bar_span(ask: Ask, width: int, rows: int) -> tuple[int, int]:
    """The openings asked for: from startTime on, else the newest bars up to endTime."""
    end = min(ask.number("endTime", ask.at), ask.at)
    start = max(ask.number("startTime", end // width * width - (rows - 1) * width), GRID_START)
    return start, min(end, start + rows * width)


def _bar_row(one: Instrument, bar: Candle, width: int) -> list[Json]:
    middle = (bar.high + bar.low) / 2
    # COIN-M counts contracts first and base units second; the others base, then quote units.
    other = bar.volume * middle
    amounts = (other / one.contract_size, bar.volume) if one.kind == INVERSE else (bar.volume, other)
    return [
        bar.start,
        *(priced_text(one, price) for price in (bar.opening, bar.high, bar.low, bar.closing)),
        eight_text(amounts[0]),
        bar.start + width - 1,
        eight_text(amounts[1]),
        width // STEP_MS,
        eight_text(amounts[0] * TAKER_SHARE),
        eight_text(amounts[1] * TAKER_SHARE),
        "0",
    ]


def _index_bars(ask: Ask) -> Json:
    """Bars of the index behind COIN-M contracts: they have prices, and no volume."""
    pair, width = ask.required("pair"), WIDTHS.get(ask.required("interval"))
    one = next((one for one in by_symbol("binance", INVERSE).values() if one.index == pair), None)
    if one is None:
        raise refuse.parameter_invalid("pair")
    if width is None:
        raise refuse.interval_unknown()
    rows = ask.limit(default=500, most=1500)
    start, end = _bar_span(ask, width, rows)
    first = -(-start // width) * width
    return [_index_bar(ask, one, opens, width) for opens in range(first, min(end, ask.at) + 1, width)[:rows]]


def _index_bar(ask: Ask, one: Instrument, opens: int, width: int) -> list[Json]:
    closes = min(opens + width - STEP_MS, ask.at)
    points = sorted({opens, closes, *range(opens, closes, max(STEP_MS, width // 8))})
    prices = [ask.market.index("binance", one.base, one.quote, at) for at in points]
    told = (eight_text(price) for price in (prices[0], max(prices), min(prices), prices[-1]))
    return [opens, *told, "0", opens + width - 1, "0", width // STEP_MS, "0", "0", "0"]


# ---------------------------------------------------------------- what is asked where


def _public(path: str, answer: Answer, weight: int = 1) -> Endpoint:
    return Endpoint("GET", path, answer, weight, Need.NOTHING)


def _by_symbol(path: str, answer: Answer, *, one: int, every: int) -> Endpoint:
    return Endpoint("GET", path, answer, by_presence("symbol", given=one, absent=every), Need.NOTHING)


_FUTURES_BARS = by_rows(500, (100, 1), (500, 2), (1001, 5), (1501, 10))

ENDPOINTS = (
    _public("/api/v3/ping", _ping),
    _public("/api/v3/time", _time),
    _public("/api/v3/exchangeInfo", _spot_info, 20),
    _by_symbol("/api/v3/ticker/price", _price(SPOT), one=2, every=4),
    _by_symbol("/api/v3/ticker/24hr", _day_ticker(SPOT), one=2, every=80),
    _by_symbol("/api/v3/ticker/bookTicker", _book_ticker(SPOT), one=2, every=4),
    _public("/api/v3/klines", _klines(SPOT), 2),
    _public("/fapi/v1/ping", _ping),
    _public("/fapi/v1/time", _time),
    _public("/fapi/v1/exchangeInfo", _usd_m_info),
    _by_symbol("/fapi/v1/premiumIndex", _premium_index(LINEAR), one=1, every=10),
    _by_symbol("/fapi/v1/ticker/price", _price(LINEAR), one=1, every=2),
    _by_symbol("/fapi/v2/ticker/price", _price(LINEAR), one=1, every=2),
    _by_symbol("/fapi/v1/ticker/24hr", _day_ticker(LINEAR), one=1, every=40),
    _by_symbol("/fapi/v1/ticker/bookTicker", _book_ticker(LINEAR), one=2, every=5),
    Endpoint("GET", "/fapi/v1/klines", _klines(LINEAR), _FUTURES_BARS, Need.NOTHING),
    _public("/fapi/v1/fundingRate", _funding_rates(LINEAR)),
    _public("/dapi/v1/ping", _ping),
    _public("/dapi/v1/time", _time),
    _public("/dapi/v1/exchangeInfo", _coin_m_info),
    _public("/dapi/v1/premiumIndex", _premium_index(INVERSE), 10),
    _by_symbol("/dapi/v1/ticker/price", _price(INVERSE), one=1, every=2),
    _by_symbol("/dapi/v1/ticker/24hr", _day_ticker(INVERSE), one=1, every=40),
    _by_symbol("/dapi/v1/ticker/bookTicker", _book_ticker(INVERSE), one=2, every=5),
    Endpoint("GET", "/dapi/v1/klines", _klines(INVERSE), _FUTURES_BARS, Need.NOTHING),
    Endpoint("GET", "/dapi/v1/indexPriceKlines", _index_bars, _FUTURES_BARS, Need.NOTHING),
    _public("/dapi/v1/fundingRate", _funding_rates(INVERSE)),
    _public("/eapi/v1/ping", _ping),
    _public("/eapi/v1/time", _time),
    _public("/papi/v1/ping", _ping),
)
