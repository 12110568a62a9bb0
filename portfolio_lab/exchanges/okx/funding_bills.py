"""The bills of an OKX funding account: moves to savings, loans and other accounts, rewards, gifts, fiat.

One event comes from one stream: deposits and withdrawals have histories of their own, moves from
and to the trading account come with its bills, conversions with theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes, shapes_ledger
from portfolio_lab.exchanges.okx.pages import by_instant
from portfolio_lab.exchanges.sources import Ask, Page, Window
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, Income, Transfer


def _by_code(**groups: str) -> dict[str, str]:
    """The name of each group by the codes that it lists."""
    return {code: name for name, codes in groups.items() for code in codes.split()}


TOLD_ELSEWHERE = frozenset(_by_code(flows="1 2 13 221", transfers="130 131 311", conversions="61 272 273"))
"""Deposits, withdrawals with their fees, moves from and to trading, conversions."""

MOVES = _by_code(
    earn="75 76 80 82 304 305 306 339 340 341 342 348 349",
    loans="175 176 177 178 179 180 212 215 217 218",
    outside="20 21 22 23 284 285 286 287 288 289 361",
)
"""Types that move money between the funding account and a wallet, or an account of the family.

What is borrowed comes out of the loans (whose equity falls by it), what secures it goes in.
"""

COUNTERPARTIES = {"20": "sub-account", "21": "sub-account", "22": "master", "23": "master", "361": "sub-account"}

KINDS = _by_code(
    earn_reward="89 307 308 309 343 344 400 408",
    staking_reward="83 139 328 350",
    convert="135 137 138 329 330 331 332",
    rebate="68 150 152 172 173 185 233 271 299 300",
    promotion="28 48 49 72 73 74 77 146 151 181 189 229 313 314 315 333 354",
    fiat="116 117 118 132 133 134 200",
    interest="232 346 347",
    loan="345 351",
)
"""OKX's types to ours; others are "other". Receipts of ETH and SOL staking are conversions."""


RECENT = 29 * 24 * 3600 * 1000
"""Milliseconds for which OKX tells bills at once; older ones come from a slower endpoint that may lag."""


def funding_bills(client: VenueClient, *, now: datetime) -> Ask:
    """Return the source of transfers and income of the funding account."""
    shape = shapes.Envelope[shapes_ledger.FundingBill]
    recent, old = (
        by_instant(client, endpoint, shape, at=lambda row: row.ts, rows_of=_rows)
        for endpoint in (endpoints.FUNDING_BILLS, endpoints.FUNDING_BILLS_OF_OLD)
    )
    oldest = payloads.milliseconds(now) - RECENT

    async def ask(window: Window, page: str) -> Page:
        return await (recent if window.start >= oldest else old)(window, page)

    return ask


def _rows(row: shapes_ledger.FundingBill) -> Iterator[ActivityRow]:
    path = f"[{payloads.flow_code(row.billId, 'data.billId')}]"
    change = payloads.amount(row.balChg, f"{path}.balChg")
    if row.type in TOLD_ELSEWHERE or not change:
        return
    at, asset = payloads.instant(row.ts, f"{path}.ts"), payloads.asset_code(row.ccy, f"{path}.ccy")
    code = f"funding-{row.billId}"
    if row.type in MOVES:
        other = None if MOVES[row.type] == "outside" else Wallet(MOVES[row.type])
        source, target = (other, Wallet.FUNDING) if change > 0 else (Wallet.FUNDING, other)
        yield Transfer(at, code, asset, abs(change), source, target, COUNTERPARTIES.get(row.type, ""))
        return
    kind = payloads.flow_code(row.type, f"{path}.type")
    yield Income(at, code, KINDS.get(kind, "other"), kind, Wallet.FUNDING, asset, change)
