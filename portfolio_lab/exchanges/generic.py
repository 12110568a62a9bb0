"""Any other venue of ccxt: spot and swap by the unified calls, unattested.

ccxt's parsing is trusted here where nothing contradicts it: as many currencies as raw rows,
every amount a plain decimal text, every instrument listed. What a venue borrows to the account is not
subtracted, since venues disagree on whether their balance is net of it (unverified).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from portfolio_lab.errors import AnswerShapeError, WalletRefusedError
from portfolio_lab.exchanges import generic_history
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.generic_client import UnifiedClient
from portfolio_lab.exchanges.generic_values import contract_size, number, number_or_none, text
from portfolio_lab.exchanges.generic_venues import MANNERS, Manner
from portfolio_lab.exchanges.payloads import amount, asset_code, instant, instrument_code, positive, quotient
from portfolio_lab.models.accounts import Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import AnswerMark, Balance, ContractKind, OpenOrder, Position, WalletReading
from portfolio_lab.models.prices import Quote

MOST_PAGES = 20
ZERO = Decimal(0)


class GenericReads:
    """One venue's unified calls, with the instruments that all accounts share; see `Reads`."""

    def __init__(self, client: VenueClient) -> None:
        self._public = _unified(client)
        self._manner: Manner = MANNERS[client.venue.name]
        self._listed_at: datetime | None = None

    async def time(self) -> datetime:
        """Return the venue's clock."""
        value, _ = await self._public.call("fetch_time")
        return instant(value if type(value) is int else 0, "time")

    async def quotes(self) -> tuple[Quote, ...]:
        """Return the last price of every spot pair that trades."""
        await self._list()
        tickers, marks = await self._public.call("fetch_tickers", {"params": dict(self._manner.tickers)})
        at = min(mark.received_at for mark in marks)
        name = self._public.venue.name
        return tuple(
            Quote(market["base"], market["quote"], price, f"{name} spot {market['id']} last", at)
            for ticker in _rows(tickers.values() if isinstance(tickers, dict) else ())
            if (market := self._public.market(text(ticker, "symbol")))["spot"]
            and (price := number_or_none(ticker, "last")) is not None
            and price > 0
        )

    async def closes(self, assets: frozenset[str], since: date, until: date) -> tuple[Quote, ...]:  # noqa: ARG002
        """Return nothing: these venues tell no past holdings that would want a price."""
        return ()

    async def identity(self, client: VenueClient) -> Identity:
        """Return what the venue tells of the account: Bybit its id and rights, Kraken nothing (unattested)."""
        if client.venue.name != "bybit":
            return Identity(uid="")
        answer, _ = await _unified(client).call("privateGetV5UserQueryApi")
        rights = answer["result"]
        uid = rights.get("userID")
        if type(uid) not in {int, str} or type(rights.get("readOnly")) is not int:
            raise AnswerShapeError("The answer lacks the account's id or its rights.", path="result.userID")
        master = str(rights.get("parentUid") or "")
        is_free = rights["readOnly"] == 1
        return Identity(str(uid), "" if master == "0" else master, () if is_free else ("trade",))

    async def totals(self, client: VenueClient) -> VenueTotals:  # noqa: ARG002 - the protocol's
        """Return nothing: a unified call for a venue's own totals does not exist."""
        return VenueTotals(())

    async def wallet(self, client: VenueClient, wallet: Wallet) -> WalletReading:
        """Return one wallet: what is held, or what open contracts have earned so far."""
        asked = await self._listed(client)
        if wallet is Wallet.SPOT:
            return await self._spot(asked)
        if wallet is Wallet.SWAP and self._manner.positions:
            return await self._swap(asked)
        raise WalletRefusedError(f"{client.venue.name} has no wallet {wallet.value}.")

    def core(self, wallets: tuple[Wallet, ...], *, with_identity: bool) -> tuple[Endpoint, ...]:  # noqa: ARG002
        """Return nothing: what a unified call costs is ccxt's to know."""
        return ()

    async def open_orders(self, client: VenueClient, wallets: tuple[Wallet, ...]) -> tuple[OpenOrder, ...]:
        """Return the resting orders of the wallets."""
        asked = await self._listed(client)
        orders: dict[str, OpenOrder] = {}
        for params in self._manner.orders:
            rows, _ = await _all_pages(asked, "fetch_open_orders", params)
            found = (_order(asked.market_of(row, params), row) for row in rows)
            orders |= {order.order_id: order for order in found if order.wallet in wallets}
        return tuple(orders.values())

    async def cash_flows(self, client: VenueClient, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        """Return deposits and withdrawals of [since, until)."""
        return await generic_history.fetch_cash_flows(await self._listed(client), self._manner, since, until)

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:  # noqa: ARG002 - told for the account
        """Return the streams of activity, most precious first."""
        return generic_history.streams(self._manner)

    async def step(
        self,
        client: VenueClient,
        stream: str,
        cursor: str,
        *,
        now: datetime,
        assets: frozenset[str],  # noqa: ARG002 - fills are told for all instruments at once
    ) -> ActivityStep:
        """Take one bounded step along a stream."""
        return await generic_history.fetch_step(await self._listed(client), self._manner, stream, cursor, now=now)

    # ------------------------------------------------------------ wallets

    async def _spot(self, client: UnifiedClient) -> WalletReading:
        balance, marks = await client.call("fetch_balance")
        totals, free = balance.get("total"), balance.get("free")
        coins = _at(balance.get("info"), self._manner.raw_coins)
        if not isinstance(totals, dict) or not isinstance(coins, dict | list) or len(coins) != len(totals):
            raise AnswerShapeError("ccxt lost or doubled a currency of the balance.", path="total")
        parts: dict[str, list[tuple[str, Decimal]]] = {}
        for code in totals:
            parts.setdefault(self._asset(code), []).append((code, number(totals, code)))
        rows = tuple(
            _balance(asset, found, free if isinstance(free, dict) else {})
            for asset, found in parts.items()
            if any(quantity for _, quantity in found)
        )
        return WalletReading(Wallet.SPOT, rows, answers=_last(marks))

    async def _swap(self, client: UnifiedClient) -> WalletReading:
        positions: list[Position] = []
        marks: list[AnswerMark] = []
        for params in self._manner.positions:
            rows, answered = await _all_pages(client, "fetch_positions", params)
            found = (_position(client.market_of(row, params), row) for row in rows)
            positions += [position for position in found if position is not None]
            marks += answered
        earned: dict[str, Decimal] = {}
        for position in positions:
            earned[position.settle_asset] = earned.get(position.settle_asset, ZERO) + position.unrealised_pnl
        rows_of = tuple(Balance(asset, pnl, ZERO, pnl) for asset, pnl in earned.items())
        return WalletReading(Wallet.SWAP, rows_of, tuple(positions), tuple(marks))

    def _asset(self, code: str) -> str:
        """The coin of a balance: a suffix such as DOT.S says where it lies, not what it is (unverified)."""
        name, _, suffix = code.partition(".")
        return asset_code(name if suffix in self._manner.suffixes else code, f"total.{code[:20]}")

    # ------------------------------------------------------------ instruments

    async def _listed(self, client: VenueClient) -> UnifiedClient:
        """Return the account's client, with the instruments that all accounts share."""
        await self._list()
        asked = _unified(client)
        asked.share_markets(self._public)
        return asked

    async def _list(self) -> None:
        now = datetime.now(UTC)
        if self._listed_at is None or now - self._listed_at > timedelta(days=1):
            await self._public.call("load_markets", {"reload": True})
            self._listed_at = now


def _unified(client: VenueClient) -> UnifiedClient:
    if not isinstance(client, UnifiedClient):
        raise TypeError("a generic venue is asked by a UnifiedClient")
    return client


def _rows(rows: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401 - whatever ccxt made
    found = list(rows)
    if not all(isinstance(row, dict) for row in found):
        raise AnswerShapeError("ccxt made rows of another kind.")
    return found


def _last(marks: tuple[AnswerMark, ...]) -> tuple[AnswerMark, ...]:
    return marks[-1:]


def _at(value: Any, keys: Sequence[str | int]) -> Any:  # noqa: ANN401 - any JSON value
    for key in keys:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


async def _all_pages(
    client: UnifiedClient, method: str, params: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], list[AnswerMark]]:
    """Return all rows of a paged question; the cursor of the next page lies in the raw part of the first row."""
    rows: list[Mapping[str, Any]] = []
    marks: list[AnswerMark] = []
    cursor = ""
    for _ in range(MOST_PAGES):
        asked = {**params, "cursor": cursor} if cursor else dict(params)
        page, answered = await client.call(method, {"params": asked})
        rows += _rows(page)
        marks += answered
        following = _at(page, (0, "info", "nextPageCursor"))
        if not following or following == cursor:
            return rows, marks
        cursor = str(following)
    raise AnswerShapeError(f"The answer has more than {MOST_PAGES} pages.")


def _balance(asset: str, found: Sequence[tuple[str, Decimal]], free: Mapping[str, Any]) -> Balance:
    known = [number_or_none(free, code) for code, _ in found]
    available = sum((part for part in known if part is not None), ZERO) if None not in known else None
    parts = tuple(found) if len(found) > 1 or found[0][0] != asset else ()
    return Balance(asset, sum((part for _, part in found), ZERO), available=available, components=parts)


def _position(market: Mapping[str, Any], row: Mapping[str, Any]) -> Position | None:
    contracts = number(row, "contracts")
    if not contracts:
        return None
    side, size, mark = text(row, "side"), contract_size(market), positive(text(row, "markPrice"), "markPrice")
    if side not in {"long", "short"} or contracts < 0:
        raise AnswerShapeError("The answer has a position of no known side.", path="side")
    signed = contracts if side == "long" else -contracts
    units = signed * size
    return Position(
        instrument=instrument_code(market["id"], "symbol"),
        underlying=asset_code(market["base"], "base"),
        kind=ContractKind.INVERSE if market["inverse"] else ContractKind.LINEAR,
        side=side if row.get("hedged") else "net",
        quantity=quotient(units, mark) if market["inverse"] else units,
        contracts=contracts,
        contract_size=size,
        entry_price=number(row, "entryPrice"),
        mark_price=mark,
        unrealised_pnl=_open_pnl(row),
        settle_asset=asset_code(market["settle"], "settle"),
        leverage_setting=number_or_none(row, "leverage"),
        liquidation_price=number_or_none(row, "liquidationPrice"),
    )


def _open_pnl(row: Mapping[str, Any]) -> Decimal:
    """The open PnL as the venue states it; of a stated 0 ccxt makes its own figure, from entry and mark price."""
    stated = _at(row, ("info", "unrealisedPnl"))
    if not isinstance(stated, str):
        raise AnswerShapeError("The answer does not state the PnL of a position.", path="unrealisedPnl")
    return amount(stated, "unrealisedPnl")


def _order(market: Mapping[str, Any], row: Mapping[str, Any]) -> OpenOrder:
    size = contract_size(market)
    price = number_or_none(row, "price") or None

    def units(key: str) -> Decimal | None:
        ordered = number(row, key) * size
        if not market.get("inverse"):
            return ordered
        return quotient(ordered, price) if price is not None else None

    return OpenOrder(
        wallet=Wallet.SPOT if market["spot"] else Wallet.SWAP,
        order_id=text(row, "id"),
        instrument=instrument_code(market["id"], "symbol"),
        underlying=asset_code(market["base"], "base"),
        side=text(row, "side"),
        order_type=text(row, "type"),
        quantity=units("amount"),
        filled=units("filled"),
        price=price,
        trigger_price=number_or_none(row, "triggerPrice") or None,
        reduce_only=row.get("reduceOnly") is True,
        placed_at=instant(row.get("timestamp") or 0, "timestamp"),
    )
