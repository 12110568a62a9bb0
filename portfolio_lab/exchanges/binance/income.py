"""The ledgers of Binance's contracts: funding, realised PnL, commission and whatever else they book."""

from __future__ import annotations

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import history_shapes as shapes
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.sources import Ask, Raw, Window, by_time
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, Income, Transfer

PAGE, BILL_PAGE = 1_000, 1_000

KINDS = {
    "FUNDING_FEE": "funding",
    "REALIZED_PNL": "realised_pnl",
    "COMMISSION": "commission",
    "COMMISSION_REBATE": "rebate",
    "REFERRAL_KICKBACK": "rebate",
    "API_REBATE": "rebate",
    "FEE_RETURN": "rebate",
    "INSURANCE_CLEAR": "insurance",
    "LIQUIDATION_FEE": "liquidation",
    "WELCOME_BONUS": "promotion",
    "CONTEST_REWARD": "promotion",
    "DELIVERED_SETTELMENT": "settlement",
    "DELIVERED_SETTLEMENT": "settlement",
    "OPTIONS_SETTLE_PROFIT": "settlement",
    "OPTIONS_PREMIUM_FEE": "trade",
    "COIN_SWAP_DEPOSIT": "convert",
    "COIN_SWAP_WITHDRAW": "convert",
    "AUTO_EXCHANGE": "convert",
    "BFUSD_REWARD": "earn_reward",
}
"""Binance's words for income, and ours; any other word is "other"."""

MOVES = frozenset({"TRANSFER", "INTERNAL_TRANSFER", "CROSS_COLLATERAL_TRANSFER"})
"""Moves between own wallets, or within the family of accounts: the streams of transfers tell them."""

BOT_MOVES = frozenset({"STRATEGY_UMFUTURES_TRANSFER", "STRATEGY_CMFUTURES_TRANSFER"})
"""Moves to and from trading bots, which no stream of transfers tells."""

BILLS = {
    "FEE": "commission",
    "COMMISSION_REBATE": "rebate",
    "CONTRACT": "trade",
    "PREMIUM": "trade",
    "OPTIONS_PREMIUM_FEE": "trade",
    "OPTION_EXERCISE": "settlement",
    "EXERCISE": "settlement",
    "SETTLEMENT": "settlement",
    "LIQUIDATION": "liquidation",
}
"""Words of options' bills; they are not fully documented (unverified), any other is "other"."""


def income(client: VenueClient, endpoint: Endpoint, wallet: Wallet, prefix: str) -> Ask:
    """Return the source of a contract wallet's income; moves between own wallets are left out."""

    async def fetch(window: Window, _: str) -> Raw[shapes.Income]:
        asked = {"startTime": window.start, "endTime": window.last, "limit": PAGE}
        rows, _mark = await client.ask(endpoint, list[shapes.Income], asked)
        made = (income_row(row, wallet, prefix) for row in rows)
        return Raw(rows, tuple(row for row in made if row is not None))

    return by_time(fetch, size=PAGE)


def income_row(row: shapes.Income, wallet: Wallet, prefix: str) -> ActivityRow | None:
    """Return our row of one line of income; None for a move that a stream of transfers tells.

    Binance's tranId is unique only within one incomeType: type, asset, symbol and trade belong to the id.
    """
    if row.incomeType in MOVES:
        return None
    asset = payloads.asset_code(row.asset, "asset")
    path = f"[{asset}]"
    kind = payloads.instrument_code(row.incomeType, f"{path}.incomeType")
    symbol = payloads.instrument_code(row.symbol, f"{path}.symbol") if row.symbol else ""
    number = f"{prefix}-{kind}-{row.tranId}-{asset}-{symbol}-{row.tradeId}"[:200]
    quantity = payloads.amount(row.income, f"{path}.income")
    moment = payloads.instant(row.time, f"{path}.time")
    if kind in BOT_MOVES:
        sides = (Wallet.BOTS, wallet) if quantity > 0 else (wallet, Wallet.BOTS)
        return Transfer(moment, number, asset, abs(quantity), *sides)
    return Income(
        at=moment,
        income_id=number,
        kind=KINDS.get(kind, "other"),
        venue_kind=kind,
        wallet=wallet,
        asset=asset,
        quantity=quantity,
        instrument=symbol,
        reference=str(row.tradeId)[:80],
    )


def pm_income(client: VenueClient, which: str) -> Ask:
    """Return the source of a portfolio-margin account's income of "usd_m" or "coin_m"."""
    endpoint = at.PM_USD_M_INCOME if which == "usd_m" else at.PM_COIN_M_INCOME
    return income(client, endpoint, Wallet.PORTFOLIO_MARGIN, f"pm_{which}")


def option_bills(client: VenueClient) -> Ask:
    """Return the source of what was booked in the options wallet; transfers are left out."""

    async def fetch(window: Window, _: str) -> Raw[shapes.OptionBill]:
        asked = {"currency": "USDT", "startTime": window.start, "endTime": window.last, "limit": BILL_PAGE}
        rows, _mark = await client.ask(at.OPTION_BILLS, list[shapes.OptionBill], asked)
        return Raw(rows, tuple(bill(row) for row in rows if row.type not in MOVES))

    return by_time(fetch, size=BILL_PAGE)


def bill(row: shapes.OptionBill) -> Income:
    """Return our row of one line of the options wallet."""
    asset = payloads.asset_code(row.asset, "asset")
    word = payloads.instrument_code(row.type, f"[{asset}].type")
    return Income(
        at=payloads.instant(row.createDate, f"[{asset}].createDate"),
        income_id=f"options-{word}-{row.id}-{asset}",
        kind=BILLS.get(word, "other"),
        venue_kind=word,
        wallet=Wallet.OPTIONS,
        asset=asset,
        quantity=payloads.amount(row.amount, f"[{asset}].amount"),
    )
