"""What rests at Binance: Simple Earn, the ratios of staked coins, and flexible loans."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeVar

from portfolio_lab.errors import AnswerShapeError, WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, sums
from portfolio_lab.exchanges.binance import shapes_rest as shapes
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import AnswerMark, Balance, WalletReading
from portfolio_lab.models.prices import Quote

PAGE = 100

SIZED_BY = {endpoints.FLEXIBLE_LOANS: "limit"}
"""What the size of a page is called where it is not called `size`."""

PAGES = 200
"""More pages than any account has: a venue that never ends its list is refused."""

ENOUGH = Decimal("0.001")
"""Fewer staked coins tell no ratio: both figures are rounded to eight decimals."""

LOWEST, HIGHEST = Decimal("0.99"), Decimal("1.6")
"""Between them lies every ratio of a receipt that began at 1 and grows by some per cent a year."""

Row = TypeVar("Row")


async def fetch_earn(client: VenueClient) -> WalletReading:
    """Return Simple Earn by asset, flexible and locked together; raises the VenueError family.

    What is pledged for a loan ("collateral") is not added: the loan's own answer states it. Whether
    it is inside the total amount as well is unverified; it is read as outside.
    """
    flexible, marks = await _all(client, endpoints.EARN_FLEXIBLE, shapes.FlexibleEarn)
    locked, more = await _all(client, endpoints.EARN_LOCKED, shapes.LockedEarn)
    payloads.each_once((row.productId for row in flexible), "rows.productId")
    payloads.each_once((str(row.positionId) for row in locked), "rows.positionId")
    ratios, rest = await _ratios(client)
    rows = [*(part for row in flexible for part in _flexible(row)), *(_locked(row) for row in locked)]
    return WalletReading(Wallet.EARN, _grouped(rows), answers=(*marks, *more, *rest), ratios=ratios)


async def fetch_loans(client: VenueClient) -> WalletReading:
    """Return flexible loans by asset: debts negative, collateral positive; raises the VenueError family.

    Whether collateral also sits in Simple Earn's amounts is unverified; it is read as outside.
    """
    loans, marks = await _all(client, endpoints.FLEXIBLE_LOANS, shapes.FlexibleLoan)
    payloads.each_once((f"{row.loanCoin} {row.collateralCoin}" for row in loans), "rows")
    return WalletReading(Wallet.LOANS, _grouped([part for row in loans for part in _loan(row)]), answers=marks)


# ---------------------------------------------------------------- pages


async def _all(client: VenueClient, endpoint: Endpoint, shape: type[Row]) -> tuple[list[Row], tuple[AnswerMark, ...]]:
    """Every row of every page; as many as the venue says there are, or an AnswerShapeError."""
    rows: list[Row] = []
    marks: list[AnswerMark] = []
    page_shape: Any = shapes.Page[shape]  # type: ignore[valid-type]
    for current in range(1, PAGES + 1):
        page, mark = await client.ask(endpoint, page_shape, {"current": current, SIZED_BY.get(endpoint, "size"): PAGE})
        rows += page.rows
        marks.append(mark)
        if len(page.rows) < PAGE or len(rows) >= page.total:
            break
    if len(rows) != page.total:
        text = f"{endpoint.path} lists {len(rows)} of {page.total} rows."
        raise AnswerShapeError(text, path="total")
    return rows, tuple(marks)


# ---------------------------------------------------------------- amounts

Part = tuple[str, str, Decimal, Decimal]
"""Asset, name of the component, its magnitude, and how it counts for equity."""


def _flexible(row: shapes.FlexibleEarn) -> Iterable[Part]:
    asset = payloads.asset_code(row.asset, "rows.asset")
    path = f"rows[{asset}]"
    held = payloads.not_negative(row.totalAmount, f"{path}.totalAmount")
    pledged = payloads.not_negative(row.collateralAmount, f"{path}.collateralAmount")
    return (asset, "flexible", held, sums.ONE), (asset, "collateral", pledged, sums.ZERO)


def _locked(row: shapes.LockedEarn) -> Part:
    asset = payloads.asset_code(row.asset, "rows.asset")
    return asset, "locked", payloads.not_negative(row.amount, f"rows[{asset}].amount"), sums.ONE


def _loan(row: shapes.FlexibleLoan) -> Iterable[Part]:
    lent = payloads.asset_code(row.loanCoin, "rows.loanCoin")
    pledged = payloads.asset_code(row.collateralCoin, "rows.collateralCoin")
    debt = payloads.not_negative(row.totalDebt, f"rows[{lent}].totalDebt")
    collateral = payloads.not_negative(row.collateralAmount, f"rows[{pledged}].collateralAmount")
    return (lent, "borrowed", debt, -sums.ONE), (pledged, "collateral", collateral, sums.ONE)


def _grouped(parts: Iterable[Part]) -> tuple[Balance, ...]:
    """One balance an asset, with its components; assets that hold nothing are left out."""
    quantities: dict[str, Decimal] = {}
    components: dict[str, dict[str, Decimal]] = {}
    for asset, name, size, counts in parts:
        quantities[asset] = quantities.get(asset, sums.ZERO) + size * counts
        named = components.setdefault(asset, {})
        named[name] = named.get(name, sums.ZERO) + size
    return tuple(
        Balance(asset, quantities[asset], components=tuple(named.items()))
        for asset, named in components.items()
        if any(named.values())
    )


# ---------------------------------------------------------------- staked coins


async def _ratios(client: VenueClient) -> tuple[tuple[Quote, ...], tuple[AnswerMark, ...]]:
    """What a WBETH is worth in ETH and a BNSOL in SOL, where the account holds some.

    The coins themselves lie in spot: nothing of these answers is a balance.
    """
    quotes: list[Quote] = []
    marks: list[AnswerMark] = []
    for ask in (_eth_ratio, _sol_ratio):
        try:
            ratio, mark = await ask(client)
        except WalletRefusedError:  # an account that never staked has no such answer
            continue
        marks.append(mark)
        quotes += [ratio] if ratio is not None else []
    return tuple(quotes), tuple(marks)


async def _eth_ratio(client: VenueClient) -> tuple[Quote | None, AnswerMark]:
    """The ratio of WBETH; None where BETH makes it doubtful.

    Unverified whether holdingInETH counts BETH, which is worth one ETH. With BETH in the account
    only a reading that alone gives a possible ratio is used.
    """
    account, mark = await client.ask(endpoints.ETH_STAKING, shapes.EthStaking)
    wrapped = payloads.not_negative(account.holdings.wbethAmount, "holdings.wbethAmount")
    plain = payloads.not_negative(account.holdings.bethAmount, "holdings.bethAmount")
    worth = payloads.not_negative(account.holdingInETH, "holdingInETH")
    found = {ratio for ratio in (_ratio(worth, wrapped), _ratio(worth - plain, wrapped)) if ratio is not None}
    return _quote("WBETH", "ETH", found, mark), mark


async def _sol_ratio(client: VenueClient) -> tuple[Quote | None, AnswerMark]:
    account, mark = await client.ask(endpoints.SOL_STAKING, shapes.SolStaking)
    wrapped = payloads.not_negative(account.bnsolAmount, "bnsolAmount")
    worth = payloads.not_negative(account.holdingInSOL, "holdingInSOL")
    ratio = _ratio(worth, wrapped)
    return _quote("BNSOL", "SOL", set() if ratio is None else {ratio}, mark), mark


def _ratio(worth: Decimal, wrapped: Decimal) -> Decimal | None:
    """Plain coins for one wrapped coin, None where the amounts tell no possible one."""
    if wrapped < ENOUGH:
        return None
    ratio = payloads.quotient(worth, wrapped)
    return ratio if LOWEST <= ratio <= HIGHEST else None


def _quote(base: str, quote: str, ratios: set[Decimal], mark: AnswerMark) -> Quote | None:
    if len(ratios) != 1:
        return None
    return Quote(base, quote, ratios.pop(), f"binance {quote} staking account {base} ratio", mark.received_at)
