"""What else changes a Binance account's balances: distributions, dust, conversions, payments, rewards, rebates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import ledger_shapes as shapes
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.sources import Ask, Page, Raw, Window, by_number, by_time
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import Income

DIVIDEND_PAGE, CONVERSION_PAGE, PAY_PAGE, REBATE_PAGE = 500, 1_000, 100, 100

GIFTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("promotion", ("voucher", "bonus", "gift", "trial", "reward center", "campaign", "competition", "promotion")),
    ("rebate", ("rebate", "cashback", "referral", "kickback")),
    ("staking_reward", ("staking", "eth 2.0", "wbeth", "bnsol")),
    ("earn_reward", ("flexible", "locked", "earn", "saving", "interest", "bfusd", "launchpool", "rwusd")),
)
"""Words of a distribution's English text by kind, first found first; everything else is a dividend."""


def numbered(names: Sequence[str], before: Counter[str] | None = None) -> list[str]:
    """Return the names, the second and later ones of a kind with their number: rows without an id of their own.

    `before` counts the names of earlier pages, and these after them.
    """
    seen: Counter[str] = Counter() if before is None else before
    found = []
    for name in names:
        found.append(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def page_numbering() -> Callable[[int, Sequence[str]], list[str]]:
    """Return what numbers the names of a window's pages from 1 on: two rows that a page's border parts are two."""
    seen: Counter[str] = Counter()

    def of_page(number: int, names: Sequence[str]) -> list[str]:
        if number == 1:
            seen.clear()
        return numbered(names, seen)

    return of_page


# ---------------------------------------------------------------- distributions


def dividends(client: VenueClient) -> Ask:
    """Return the source of what the venue distributed into spot: airdrops, rewards, gifts."""

    async def ask(window: Window, _: str) -> Page:
        asked = {"startTime": window.start, "endTime": window.last, "limit": DIVIDEND_PAGE}
        answer, _mark = await client.ask(at.DIVIDENDS, shapes.Dividends, asked)
        if len(answer.rows) >= DIVIDEND_PAGE:
            return Page((), is_cut=True)
        return Page(tuple(dividend(row) for row in answer.rows if not is_earn_reward(row.enInfo)))

    return ask


def dividend(row: shapes.Dividend) -> Income:
    """Return our row of one distribution; its kind follows from its English text (unverified)."""
    asset = payloads.asset_code(row.asset, "asset")
    amount = payloads.amount(row.amount, f"[{asset}].amount")
    return Income(
        at=payloads.instant(row.divTime, f"[{asset}].divTime"),
        income_id=f"dividend-{row.tranId}-{asset}-{row.id}",
        kind=gift_kind(row.enInfo),
        venue_kind=row.enInfo[:80],
        wallet=Wallet.SPOT,
        asset=asset,
        quantity=-abs(amount) if row.direction < 0 else amount,
        reference=str(row.tranId),
    )


def is_earn_reward(text: str) -> bool:
    """True for a reward of Simple Earn, which its own history tells (the words are unverified)."""
    return text.lower().startswith(("flexible", "locked", "simple earn"))


def gift_kind(text: str) -> str:
    """Return the kind of income that a distribution's text means."""
    words = text.lower()
    return next((kind for kind, marks in GIFTS if any(mark in words for mark in marks)), "dividend")


# ---------------------------------------------------------------- conversions


def dust(client: VenueClient) -> Ask:
    """Return the source of small balances turned into BNB: two legs a coin.

    Of each window the venue tells the last hundred, and how many there were.
    """

    async def ask(window: Window, _: str) -> Page:
        asked = {"startTime": window.start, "endTime": window.last}
        answer, _mark = await client.ask(at.DUST, shapes.Dust, asked)
        if answer.total > len(answer.userAssetDribblets):
            return Page((), is_cut=True)
        groups = [dust_legs(one) for one in answer.userAssetDribblets if window.start <= one.operateTime < window.end]
        return Page(tuple(leg for legs in groups for leg in legs))

    return ask


def dust_legs(conversion: shapes.DustConversion) -> list[Income]:
    """Return the legs of one go: each coin that left, and what arrived for it after the service charge."""
    names = numbered([f"dust-{conversion.transId}-{line.fromAsset}" for line in conversion.userAssetDribbletDetails])
    legs = []
    for name, line in zip(names, conversion.userAssetDribbletDetails, strict=True):
        given = payloads.not_negative(line.amount, f"[{line.fromAsset[:20]}].amount")
        taken = payloads.not_negative(line.transferedAmount, f"[{line.fromAsset[:20]}].transferedAmount")
        left, came = (line.fromAsset, given), (line.targetAsset, taken)
        legs += two_legs("dust", name, line.operateTime, given=left, taken=came, wallet=Wallet.SPOT)
    return legs


def two_legs(
    kind: str,
    reference: str,
    moment: int,
    *,
    given: tuple[str, Decimal],
    taken: tuple[str, Decimal],
    wallet: Wallet | None,
) -> list[Income]:
    """Return the two rows of an exchange without a market: what left, and what arrived."""
    legs = (("out", given[0], -given[1]), ("in", taken[0], taken[1]))
    return [
        Income(
            at=payloads.instant(moment, f"[{reference}].time"),
            income_id=f"{reference}-{way}",
            kind=kind,
            venue_kind=kind,
            wallet=wallet,
            asset=payloads.asset_code(asset, f"[{reference}].asset"),
            quantity=quantity,
            reference=reference,
        )
        for way, asset, quantity in legs
    ]


def conversions(client: VenueClient) -> Ask:
    """Return the source of conversions that succeeded: two legs each, of a wallet that the venue does not tell."""

    async def ask(window: Window, _: str) -> Page:
        asked = {"startTime": window.start, "endTime": window.last, "limit": CONVERSION_PAGE}
        answer, _mark = await client.ask(at.CONVERSIONS, shapes.Conversions, asked)
        if answer.moreData:
            return Page((), is_cut=True)
        done = [row for row in answer.rows if row.orderStatus == "SUCCESS"]
        names = numbered([f"convert-{row.orderId}" for row in done])
        return Page(tuple(leg for name, row in zip(names, done, strict=True) for leg in conversion_legs(row, name)))

    return ask


def conversion_legs(row: shapes.Conversion, name: str) -> list[Income]:
    """Return the two legs of one conversion."""
    given = payloads.positive(row.fromAmount, f"[{name}].fromAmount")
    taken = payloads.positive(row.toAmount, f"[{name}].toAmount")
    legs = {"given": (row.fromAsset, given), "taken": (row.toAsset, taken)}
    return two_legs("convert", name, row.createTime, **legs, wallet=None)


# ---------------------------------------------------------------- payments, rewards, rebates


def payments(client: VenueClient) -> Ask:
    """Return the source of payments to and from people; each currency that was used is a row."""

    async def fetch(window: Window, _: str) -> Raw[shapes.PayTransaction]:
        asked = {"startTime": window.start, "endTime": window.last, "limit": PAY_PAGE}
        answer, _mark = await client.ask(at.PAY, shapes.PayTransactions, asked)
        return Raw(answer.data, tuple(leg for row in answer.data for leg in payment_rows(row)))

    return by_time(fetch, size=PAY_PAGE)


def payment_rows(row: shapes.PayTransaction) -> list[Income]:
    """Return what a payment took from, or brought to, the account by currency: the sign is the payment's own."""
    number = payloads.flow_code(row.transactionId, "transactionId")
    total = payloads.amount(row.amount, f"[{number}].amount")
    used = [(part.currency, part.amount) for part in row.fundsDetail] or [(row.currency, row.amount)]
    sizes: dict[str, Decimal] = {}
    for currency, text in used:  # one currency may be used twice, from two wallets
        asset = payloads.asset_code(currency, f"[{number}].currency")
        sizes[asset] = sizes.get(asset, Decimal(0)) + abs(payloads.amount(text, f"[{number}].amount"))
    return [
        Income(
            at=payloads.instant(row.transactionTime, f"[{number}].transactionTime"),
            income_id=f"pay-{number}-{asset}",
            kind="pay",
            venue_kind=row.orderType[:40],
            wallet=Wallet.FUNDING,
            asset=asset,
            quantity=-size if total < 0 else size,
            reference=number,
        )
        for asset, size in sizes.items()
    ]


def rebates(client: VenueClient) -> Ask:
    """Return the source of rebates on spot fees; they carry no id: time, coin, type and amount make one."""
    numbering = page_numbering()

    async def fetch(window: Window, number: int) -> Raw[shapes.Rebate]:
        asked = {"startTime": window.start, "endTime": window.last, "page": number}
        answer, _ = await client.ask(at.REBATES, shapes.Rebates, asked)
        rows = answer.data.data
        names = numbering(number, [f"{row.updateTime}-{row.asset}-{row.type}-{row.amount}" for row in rows])
        return Raw(rows, tuple(map(rebate, rows, names)))

    return by_number(fetch, size=REBATE_PAGE)


def rebate(row: shapes.Rebate, name: str) -> Income:
    """Return our row of one rebate."""
    asset = payloads.asset_code(row.asset, "asset")
    return Income(
        at=payloads.instant(row.updateTime, f"[{asset}].updateTime"),
        income_id=f"rebate-{name}"[:200],
        kind="rebate",
        venue_kind=f"taxQuery type {row.type}",
        wallet=Wallet.SPOT,
        asset=asset,
        quantity=payloads.amount(row.amount, f"[{asset}].amount"),
    )
