"""Trades of a Binance account, as fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import history_shapes as shapes
from portfolio_lab.exchanges.binance.prices import Instrument, Instruments
from portfolio_lab.exchanges.binance.symbol_walk import AskTrades, Trade, read_cursor, take_walk
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.sources import Ask, Raw, Window, by_time
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityStep, Fill

QUOTES = frozenset({"USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BUSD", "TUSD", "USD1"})
"""Coins that buy others and may be gone again before anybody looks."""

PAGE = 1_000
INCOME_PAGE, INCOME_DAYS = 1_000, 89
DAY = 86_400_000

SIDES = {"BUY": "buy", "SELL": "sell"}
POSITION_SIDES = {"BOTH": "net", "LONG": "long", "SHORT": "short"}


@dataclass(frozen=True, slots=True)
class Market:
    """Where fills of one wallet are told, symbol by symbol.

    `listing` is the wallet whose instruments are traded; `income` tells which contracts were
    traded at all (None on spot markets, where only assets tell).
    """

    wallet: Wallet
    listing: Wallet
    endpoint: Endpoint
    prefix: str
    income: Endpoint | None = None
    is_isolated: bool | None = None
    page: int = PAGE


MARKETS: dict[str, Market] = {
    "spot_fills": Market(Wallet.SPOT, Wallet.SPOT, at.SPOT_FILLS, "spot"),
    "usd_m_fills": Market(Wallet.USD_M, Wallet.USD_M, at.USD_M_FILLS, "usd_m", at.USD_M_INCOME),
    "coin_m_fills": Market(Wallet.COIN_M, Wallet.COIN_M, at.COIN_M_FILLS, "coin_m", at.COIN_M_INCOME),
    "cross_margin_fills": Market(
        Wallet.CROSS_MARGIN, Wallet.SPOT, at.MARGIN_FILLS, "margin", is_isolated=False, page=500
    ),
    "isolated_margin_fills": Market(
        Wallet.ISOLATED_MARGIN, Wallet.SPOT, at.MARGIN_FILLS, "isolated", is_isolated=True, page=500
    ),
    "pm_margin_fills": Market(Wallet.PORTFOLIO_MARGIN, Wallet.SPOT, at.PM_MARGIN_FILLS, "pm_margin", page=500),
    "pm_usd_m_fills": Market(Wallet.PORTFOLIO_MARGIN, Wallet.USD_M, at.PM_USD_M_FILLS, "pm_usd_m", at.PM_USD_M_INCOME),
    "pm_coin_m_fills": Market(
        Wallet.PORTFOLIO_MARGIN, Wallet.COIN_M, at.PM_COIN_M_FILLS, "pm_coin_m", at.PM_COIN_M_INCOME
    ),
}
"""Streams of fills that are walked symbol by symbol."""


async def step_fills(
    client: VenueClient,
    instruments: Instruments,
    stream: str,
    cursor: str,
    *,
    now: datetime,
    assets: frozenset[str],
) -> ActivityStep:
    """Take one step along the fills of a market.

    Candidates are the listed symbols whose base was ever seen in the account and whose quote
    was too, or is one of `QUOTES`; for contracts also those that their income names. A contract that the
    venue no longer lists is not asked for: its income is still told. That pages from an id on have no age
    limit on the futures hosts is unverified.
    """
    market = MARKETS[stream]
    walk = read_cursor(cursor)
    listed = await instruments.all(market.listing)
    symbols = {name for name, one in listed.items() if is_candidate(one, assets)}
    if market.income is not None:
        symbols |= await _named_by_income(client, market.income, walk.scanned, now)
        walk.scanned = payloads.milliseconds(now)
    symbols = (symbols | set(walk.tracks)) & set(listed)
    walk.tracks = {name: track for name, track in walk.tracks.items() if name in listed}
    ask = asker(client, market, listed)
    step = await take_walk(stream, walk, symbols, ask, size=market.page, now=now, is_upward=stream != "spot_fills")
    return replace(step, is_by_assets=market.income is None)


def is_candidate(one: Instrument, assets: frozenset[str]) -> bool:
    """True for a market that the coins ever seen in an account point to."""
    return one.base in assets and (one.quote in assets or one.quote in QUOTES or one.quote == "USD")


async def _named_by_income(client: VenueClient, endpoint: Endpoint, scanned: int, now: datetime) -> set[str]:
    """The contracts that had income since the last look, a day before it included; at first, of all that is kept."""
    end = payloads.milliseconds(now)
    start = max(scanned - DAY, end - INCOME_DAYS * DAY)
    symbols: set[str] = set()
    while True:
        span = {"startTime": start, "endTime": end, "limit": INCOME_PAGE}
        rows, _ = await client.ask(endpoint, list[shapes.Income], span)
        symbols |= {payloads.instrument_code(row.symbol, "symbol") for row in rows if row.symbol}
        latest = max((row.time for row in rows), default=end)
        if len(rows) < INCOME_PAGE or latest <= start:
            return symbols
        start = latest


def asker(client: VenueClient, market: Market, listed: dict[str, Instrument]) -> AskTrades:
    """Return what fetches a market's trades of one symbol."""
    is_spot = market.listing is Wallet.SPOT

    async def ask(symbol: str, start: int | None) -> Sequence[Trade]:
        asked: dict[str, object] = {"symbol": symbol, "limit": market.page}
        if start is not None:
            asked["fromId"] = start
        if market.is_isolated is not None:
            asked["isIsolated"] = "TRUE" if market.is_isolated else "FALSE"
        if is_spot:
            spot, _ = await client.ask(market.endpoint, list[shapes.SpotFill], asked)
            return [Trade(row.id, row.time, spot_fill(row, listed[symbol], market)) for row in spot]
        rows, _ = await client.ask(market.endpoint, list[shapes.FuturesFill], asked)
        return [Trade(row.id, row.time, futures_fill(row, listed[symbol], market)) for row in rows]

    return ask


# ---------------------------------------------------------------- one fill


def spot_fill(row: shapes.SpotFill, traded: Instrument, market: Market) -> Fill:
    """Return the fill that a spot or margin trade is; what was paid for it is a negative fee."""
    path = f"[{traded.symbol}]"
    return Fill(
        at=payloads.instant(row.time, f"{path}.time"),
        fill_id=f"{market.prefix}-{traded.symbol}-{row.id}",
        order_id=str(row.orderId),
        wallet=market.wallet,
        instrument=traded.symbol,
        underlying=traded.base,
        side="buy" if row.isBuyer else "sell",
        quantity=payloads.not_negative(row.qty, f"{path}.qty"),
        price=payloads.positive(row.price, f"{path}.price"),
        fee=-payloads.amount(row.commission, f"{path}.commission"),
        fee_asset=payloads.asset_code(row.commissionAsset, f"{path}.commissionAsset"),
        is_maker=row.isMaker,
        settle_asset=traded.quote,
    )


def futures_fill(row: shapes.FuturesFill, traded: Instrument, market: Market) -> Fill:
    """Return the fill that a trade of contracts is, in base units."""
    path = f"[{traded.symbol}]"
    price = payloads.positive(row.price, f"{path}.price")
    contracts = payloads.not_negative(row.qty, f"{path}.qty")
    is_inverse = market.listing is Wallet.COIN_M
    return Fill(
        at=payloads.instant(row.time, f"{path}.time"),
        fill_id=f"{market.prefix}-{traded.symbol}-{row.id}",
        order_id=str(row.orderId),
        wallet=market.wallet,
        instrument=traded.symbol,
        underlying=traded.base,
        side=one_of(SIDES, row.side, f"{path}.side"),
        quantity=payloads.quotient(contracts * traded.size, price) if is_inverse else contracts * traded.size,
        price=price,
        fee=-payloads.amount(row.commission, f"{path}.commission"),
        fee_asset=payloads.asset_code(row.commissionAsset, f"{path}.commissionAsset"),
        is_maker=row.maker,
        position_side=one_of(POSITION_SIDES, row.positionSide, f"{path}.positionSide"),
        realised_pnl=payloads.amount(row.realizedPnl, f"{path}.realizedPnl"),
        settle_asset=traded.settle,
    )


def one_of(names: dict[str, str], text: str, path: str) -> str:
    """Return our word for a venue's; raise AnswerShapeError for one that we do not know."""
    if text not in names:
        raise AnswerShapeError(f"The answer has an unknown word at {path}.", path=path)
    return names[text]


# ---------------------------------------------------------------- options


def option_fills(client: VenueClient) -> Ask:
    """Return the source of the trades of options.

    A quantity is in contracts of one base unit; the fee is negative when it was paid (as documented).
    """

    async def fetch(window: Window, _: str) -> Raw[shapes.OptionFill]:
        asked = {"startTime": window.start, "endTime": window.last, "limit": PAGE}
        rows, _mark = await client.ask(at.OPTION_FILLS, list[shapes.OptionFill], asked)
        return Raw(rows, tuple(option_fill(row) for row in rows))

    return by_time(fetch, size=PAGE)


def option_fill(row: shapes.OptionFill) -> Fill:
    """Return the fill that a trade of an option is."""
    symbol = payloads.instrument_code(row.symbol, "symbol")
    path = f"[{symbol}]"
    asset = payloads.asset_code(row.quoteAsset, f"{path}.quoteAsset")
    return Fill(
        at=payloads.instant(row.time, f"{path}.time"),
        fill_id=f"options-{symbol}-{row.tradeId}-{row.id}",
        order_id=str(row.orderId),
        wallet=Wallet.OPTIONS,
        instrument=symbol,
        underlying=payloads.asset_code(symbol.split("-")[0], f"{path}.symbol"),
        side=one_of(SIDES, row.side, f"{path}.side"),
        quantity=abs(payloads.amount(row.quantity, f"{path}.quantity")),
        price=payloads.not_negative(row.price, f"{path}.price"),
        fee=payloads.amount(row.fee, f"{path}.fee"),
        fee_asset=asset,
        is_maker=row.liquidity == "MAKER",
        realised_pnl=payloads.amount(row.realizedProfit, f"{path}.realizedProfit"),
        settle_asset=asset,
    )
