"""What rests with OKX outside trading and funding: savings, on-chain earn, and loans against collateral.

Receipts of ETH and SOL staking (BETH, OKSOL) are coins of the other two wallets and not counted here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import Balance, WalletReading

SAVING_PARTS = {
    "flexible": "amt",
    "flexible_earnings": "earnings",
    "lent": "loanAmt",
    "pending": "pendingAmt",
    "redeeming": "redemptAmt",
}
"""Parts of savings, ours to OKX's names; all but the first are inside it."""

EARNING_TYPES = {"0": "staked_estimated", "1": "staked_cumulative"}

ZERO = Decimal(0)

Part = tuple[str, str, Decimal, Decimal]
"""Asset, name of the part, its magnitude, and what it adds to the wallet."""


async def fetch_earn(client: VenueClient) -> WalletReading:
    """Return savings and active on-chain orders, one balance a coin.

    Savings count with what they earned (a published answer bears out that `amt` has it inside).
    On-chain orders count with principal and both kinds of earnings; whether cumulative earnings have
    been paid out already is unverified. Each has a component of its own.
    """
    savings, first = await client.ask(endpoints.SAVINGS, shapes.Envelope[shapes.Saving])
    payloads.each_once((row.ccy for row in savings.data), "data")
    orders, second = await client.ask(endpoints.STAKED, shapes.Envelope[shapes.StakedOrder])
    payloads.each_once((row.ordId for row in orders.data), "data")
    parts = [part for row in savings.data for part in _saving(row)]
    parts += [part for row in orders.data for part in _staked(row)]
    return WalletReading(Wallet.EARN, _balances(parts), answers=(first, second))


async def fetch_loans(client: VenueClient) -> WalletReading:
    """Return flexible loans, one balance a coin: collateral less debt."""
    answer, mark = await client.ask(endpoints.LOAN, shapes.Envelope[shapes.Loan])
    parts = [part for row in answer.data for part in _loan(row)]
    return WalletReading(Wallet.LOANS, _balances(parts), answers=(mark,))


def _saving(row: shapes.Saving) -> Iterator[Part]:
    asset = payloads.asset_code(row.ccy, "data.ccy")
    yield asset, "flexible", *_twice(payloads.not_negative(row.amt, f"data[{asset}].amt"))
    for name, field in SAVING_PARTS.items():
        part = payloads.amount_or_none(getattr(row, field), f"data[{asset}].{field}")
        if part and name != "flexible":
            yield asset, name, part, ZERO


def _staked(row: shapes.StakedOrder) -> Iterator[Part]:
    path = f"[{payloads.flow_code(row.ordId, 'ordId')}]"
    for one in row.investData:
        asset = payloads.asset_code(one.ccy, f"{path}.investData.ccy")
        yield asset, "staked", *_twice(payloads.not_negative(one.amt, f"{path}.investData[{asset}].amt"))
    for gain in row.earningData:
        asset = payloads.asset_code(gain.ccy, f"{path}.earningData.ccy")
        if gain.earningType not in EARNING_TYPES:
            raise AnswerShapeError("The answer has earnings of an unknown type.", path=f"{path}.earningType")
        # "" until the first day is over
        earned = payloads.amount_or_none(gain.earnings, f"{path}.earningData[{asset}].earnings") or ZERO
        yield asset, EARNING_TYPES[gain.earningType], *_twice(earned)


def _loan(row: shapes.Loan) -> Iterator[Part]:
    for name, rows, sign in (("collateral", row.collateralData, 1), ("borrowed", row.loanData, -1)):
        payloads.each_once((one.ccy for one in rows), f"data.{name}")
        for one in rows:
            asset = payloads.asset_code(one.ccy, f"data.{name}.ccy")
            size = payloads.not_negative(one.amt, f"data.{name}[{asset}].amt")
            yield asset, name, size, sign * size


def _twice(size: Decimal) -> tuple[Decimal, Decimal]:
    return size, size


def _balances(parts: Iterable[Part]) -> tuple[Balance, ...]:
    """One balance a coin, in the order of first sight; coins without any part are left out."""
    quantities: dict[str, Decimal] = defaultdict(Decimal)
    components: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for asset, name, size, counted in parts:
        quantities[asset] += counted
        components[asset][name] += size
    return tuple(
        Balance(asset, quantity, components=tuple(components[asset].items()))
        for asset, quantity in quantities.items()
        if any(components[asset].values())
    )
