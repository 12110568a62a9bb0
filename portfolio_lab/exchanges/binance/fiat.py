"""Fiat money of a Binance account: bank transfers, and coins bought or sold for it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from portfolio_lab.errors import VenueError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import history_shapes as history
from portfolio_lab.exchanges.binance.ledger import two_legs
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.sources import Ask, Page, Raw, Window, by_number, lanes
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, CashFlow

LONGEST, SURELY_ALLOWED = timedelta(days=3 * 366), timedelta(days=90)
"""Binance states no longest window for fiat: unverified. A long one that it refuses is asked for in halves."""


def fiat(client: VenueClient) -> Ask:
    """Return the source of fiat deposits and withdrawals, and of coins bought and sold by card."""
    orders = [_fiat_orders(client, kind) for kind in ("deposit", "withdrawal")]
    return _in_halves(lanes([*orders, *(_fiat_payments(client, kind) for kind in ("deposit", "withdrawal"))]))


def _in_halves(source: Ask) -> Ask:
    """The source, with a window that is cut where the venue plainly refuses one of that length."""

    async def ask(window: Window, page: str) -> Page:
        try:
            return await source(window, page)
        except VenueError as refusal:
            is_long = window.end - window.start > SURELY_ALLOWED // timedelta(milliseconds=1)
            if type(refusal) is not VenueError or not is_long:
                raise
        return Page((), is_cut=True)

    return ask


_FIAT_TYPES = {"deposit": "0", "withdrawal": "1"}


def _fiat_orders(client: VenueClient, kind: str) -> Ask:
    async def fetch(window: Window, number: int) -> Raw[history.FiatOrder]:
        asked = {"transactionType": _FIAT_TYPES[kind], "beginTime": window.start, "endTime": window.last}
        answer, _ = await client.ask(at.FIAT_ORDERS, history.FiatOrders, {**asked, "page": number, "rows": 500})
        done = [row for row in answer.data if row.status.lower() in _FIAT_DONE]
        return Raw(answer.data, tuple(fiat_order(row, kind) for row in done))

    return by_number(fetch, size=500)


_FIAT_DONE = frozenset({"successful", "finished", "completed"})


def fiat_order(row: history.FiatOrder, kind: str) -> CashFlow:
    """Return the flow of fiat money: what reaches the account, or leaves it with the fee.

    Unverified: that `amount` is what arrives on both ways, the fee apart.
    """
    asset = payloads.asset_code(row.fiatCurrency, "fiatCurrency")
    amount = payloads.not_negative(row.amount, f"[{asset}].amount")
    fee = payloads.not_negative(row.totalFee, f"[{asset}].totalFee")
    return CashFlow(
        at=payloads.instant(row.updateTime or row.createTime, f"[{asset}].updateTime"),
        flow_id=f"fiat-{payloads.flow_code(row.orderNo, f'[{asset}].orderNo')}",
        kind=kind,
        asset=asset,
        quantity=amount if kind == "deposit" else -(amount + fee),
        fee=Decimal(0) if kind == "deposit" else fee,
        txid="",
        network="fiat",
        wallet=Wallet.SPOT,
    )


def _fiat_payments(client: VenueClient, kind: str) -> Ask:
    async def fetch(window: Window, number: int) -> Raw[history.FiatPayment]:
        asked = {"transactionType": _FIAT_TYPES[kind], "beginTime": window.start, "endTime": window.last}
        answer, _ = await client.ask(at.FIAT_PAYMENTS, history.FiatPayments, {**asked, "page": number, "rows": 500})
        done = [row for row in answer.data if row.status.lower() in _FIAT_DONE]
        return Raw(answer.data, tuple(made for row in done for made in fiat_payment(row, kind)))

    return by_number(fetch, size=500)


def fiat_payment(row: history.FiatPayment, kind: str) -> tuple[ActivityRow, ...]:
    """Return what a purchase of coins, or their sale, means for the account.

    By card it is a flow: the coins arrive, or leave. From the account's own fiat balance it is a
    conversion of two legs. Of a sale's two amounts the coins are those that times the price give the other
    (which of them is the source is unverified).
    """
    asset = payloads.asset_code(row.cryptoCurrency, "cryptoCurrency")
    number = payloads.flow_code(row.orderNo, f"[{asset}].orderNo")
    coins, money = _amounts(row, kind, f"[{asset}]")
    moment = row.updateTime or row.createTime
    if row.paymentMethod == "Cash Balance":
        legs = ((row.fiatCurrency, money), (asset, coins))
        given, taken = legs if kind == "deposit" else legs[::-1]
        return tuple(two_legs("convert", f"card-{number}", moment, given=given, taken=taken, wallet=Wallet.SPOT))
    flow = CashFlow(
        at=payloads.instant(moment, f"[{asset}].updateTime"),
        flow_id=f"card-{number}"[:80],
        kind=kind,
        asset=asset,
        quantity=coins if kind == "deposit" else -coins,
        fee=Decimal(0),
        txid="",
        network="card",
        wallet=Wallet.SPOT,
    )
    return (flow,)


def _amounts(row: history.FiatPayment, kind: str, path: str) -> tuple[Decimal, Decimal]:
    """The coins and the money of a payment."""
    source = payloads.not_negative(row.sourceAmount, f"{path}.sourceAmount")
    obtained = payloads.not_negative(row.obtainAmount, f"{path}.obtainAmount")
    price = payloads.not_negative(row.price, f"{path}.price")
    is_source_coins = abs(source * price - obtained) < abs(obtained * price - source)
    return (source, obtained) if kind == "withdrawal" and is_source_coins else (obtained, source)
