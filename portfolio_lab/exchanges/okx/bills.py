"""The bills of an OKX trading account: what changed its cash, apart from what other streams tell.

One event comes from one stream. Trades come as fills, with their fees and realised PnL; what bills say
of them is left out, and so are conversions, which have histories of their own. Margin that moves
into or out of an isolated position, and money that a bot takes or gives back, stays inside the
account's equity: no row. Interest is told as it is deducted, not as it accrues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes, shapes_ledger
from portfolio_lab.exchanges.okx.pages import PAGE, bounds_of, rows_inside
from portfolio_lab.exchanges.sources import Ask, Page, Window
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, EquityEstimate, Income, Transfer

TRANSFER, FUNDING_FEE = "1", "8"

TOLD_ELSEWHERE = frozenset({"2", "27", "28"})
"""Trades, conversions, dust: fills and the histories of conversions tell them."""

INSIDE = frozenset({"6", "12"})
"""Isolated margin, and money of bots: equity stays what it was."""

TRADES = frozenset({"5", "9", "13", "14", "24", "30"})
"""Liquidations and trades of other makes: fills tell them, where they have the id of a trade."""

KINDS = {
    "3": "settlement",
    "4": "convert",
    "5": "liquidation",
    "7": "interest",
    "8": "funding",
    "9": "liquidation",
    "10": "insurance",
    "11": "convert",
    "13": "trade",
    "14": "trade",
    "15": "loan",
    "16": "loan",
    "22": "loan",
    "24": "trade",
    "29": "convert",
    "30": "trade",
    "33": "loan",
    "34": "settlement",
}
"""OKX's types to ours; others are "other"."""

SUB_KINDS = {
    "9": "interest",
    "14": "interest",
    "108": "insurance",
    "117": "insurance",
    "293": "interest",
    "294": "interest",
    "295": "interest",
    "372": "promotion",
    "373": "promotion",
    "374": "promotion",
    "375": "promotion",
    "381": "earn_reward",
}
"""Subtypes that say more than their type."""

DUST_OUT = "290"
"""Subtype of dust that OKX moves to the funding account by itself."""

DAY = 24 * 3600 * 1000

SOURCE = "okx bills"


def bills(client: VenueClient) -> Ask:
    """Return the source of transfers, income, and the cash at the end of days that have bills.

    A page is followed by the id of its last bill, and by what has been told of that bill's day, so that
    only the day's last bill of a coin states its cash. The day on which a window ends is not over.
    """

    async def ask(window: Window, page: str) -> Page:
        last, _, told = page.partition(" ")
        shape = shapes.Envelope[shapes_ledger.Bill]
        answer, _ = await client.ask(endpoints.BILLS, shape, bounds_of(window, last))
        closing = _Closing(window, told)
        rows = rows_inside(answer.data, window, lambda row: row.ts, _rows)
        estimates = rows_inside(answer.data, window, lambda row: row.ts, closing.rows_of)
        more = f"{answer.data[-1].billId} {closing.told}" if len(answer.data) >= PAGE else ""
        return Page((*rows, *estimates), more=more)

    return ask


class _Closing:
    """The cash of each coin at the end of each day, out of bills that come newest first."""

    def __init__(self, window: Window, told: str) -> None:
        self._day, self._assets = window.end // DAY, set[str]()
        if told:
            day, _, assets = told.partition(":")
            self._day, self._assets = int(day), {*assets.split(",")}
        self._open_day = window.end // DAY

    @property
    def told(self) -> str:
        """The day of the last bill, and the coins whose cash at its end has been told."""
        return f"{self._day}:{','.join(sorted(self._assets))}"

    def rows_of(self, row: shapes_ledger.Bill) -> Iterator[EquityEstimate]:
        asset, day = payloads.asset_code(row.ccy, "data.ccy"), int(row.ts) // DAY
        if day != self._day:
            self._day, self._assets = day, set()
        if asset in self._assets:
            return
        self._assets.add(asset)
        cash = payloads.amount(row.bal, f"[{asset}].bal")
        if day != self._open_day:
            yield EquityEstimate(_midnight(day), Wallet.TRADING, asset, cash, SOURCE)


def _midnight(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY // 1000, UTC)


def _rows(row: shapes_ledger.Bill) -> Iterator[ActivityRow]:
    asset = payloads.asset_code(row.ccy, "data.ccy")
    path = f"[{payloads.flow_code(row.billId, 'data.billId')}]"
    if row.type in TOLD_ELSEWHERE | INSIDE or (row.type in TRADES and row.tradeId not in {"", "0"}):
        return
    change = payloads.amount(row.balChg, f"{path}.balChg")
    if (row.type == TRANSFER and row.subType not in SUB_KINDS) or row.subType == DUST_OUT:
        if change:
            yield _moved(row, asset, change)
        return
    quantity = _quantity(row, change, path)
    if quantity:
        yield _income(row, asset, quantity, path)


def _moved(row: shapes_ledger.Bill, asset: str, change: Decimal) -> Transfer:
    """From or to the funding account; where OKX names no other side, it is outside this account."""
    ends = {row.from_, row.to}
    other = Wallet.FUNDING if "6" in ends or row.subType == DUST_OUT else None
    is_in = change > 0
    return Transfer(
        at=payloads.instant(row.ts, "data.ts"),
        transfer_id=f"trading-{row.billId}",
        asset=asset,
        quantity=abs(change),
        source=other if is_in else Wallet.TRADING,
        target=Wallet.TRADING if is_in else other,
    )


def _quantity(row: shapes_ledger.Bill, change: Decimal, path: str) -> Decimal:
    """What it did to the account: the change of cash, or `pnl` where that fell on isolated margin."""
    realised = payloads.amount_or_none(row.pnl, f"{path}.pnl") or Decimal(0)
    if row.type == FUNDING_FEE:
        return realised or change
    return change or realised


def _income(row: shapes_ledger.Bill, asset: str, quantity: Decimal, path: str) -> Income:
    return Income(
        at=payloads.instant(row.ts, f"{path}.ts"),
        income_id=f"trading-{row.billId}",
        kind=SUB_KINDS.get(row.subType) or KINDS.get(row.type, "other"),
        venue_kind=_venue_kind(row, path),
        wallet=Wallet.TRADING,
        asset=asset,
        quantity=quantity,
        instrument=payloads.instrument_code(row.instId, f"{path}.instId") if row.instId else "",
        reference=row.ordId[:80],
    )


def _venue_kind(row: shapes_ledger.Bill, path: str) -> str:
    kinds: Sequence[str] = (row.type, row.subType) if row.subType else (row.type,)
    return "/".join(payloads.flow_code(kind, f"{path}.type") for kind in kinds)
