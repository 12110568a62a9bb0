"""What a Binance account borrowed, repaid and was charged for it: margin, portfolio margin, loans."""

from __future__ import annotations

from collections.abc import Sequence

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import ledger_shapes as shapes
from portfolio_lab.exchanges.binance.ledger import page_numbering
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.sources import Ask, Page, Raw, Window, by_number, lanes
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, Income, Transfer

PAGE = 100


async def isolated_pairs(client: VenueClient) -> Sequence[str]:
    """Return the isolated pairs of the account: their histories are told pair by pair."""
    answer, _ = await client.ask(endpoints.ISOLATED_MARGIN_ACCOUNT, shapes.IsolatedPairs)
    return [payloads.instrument_code(row.symbol, "assets[].symbol") for row in answer.assets]


async def nothing(_: Window, __: str) -> Page:
    """Return an empty page: a source of nothing."""
    return Page(())


# ---------------------------------------------------------------- interest


def cross_interest(client: VenueClient) -> Ask:
    """Return the source of the interest on cross margin debts."""
    return _interest(client, at.MARGIN_INTEREST, Wallet.CROSS_MARGIN, "")


async def isolated_interest(client: VenueClient) -> Ask:
    """Return the source of the interest on the debts of isolated pairs."""
    pairs = await isolated_pairs(client)
    found = [_interest(client, at.MARGIN_INTEREST, Wallet.ISOLATED_MARGIN, pair) for pair in pairs]
    return lanes(found) if found else nothing


def pm_interest(client: VenueClient) -> Ask:
    """Return the source of the interest on a portfolio-margin account's debts."""
    return _interest(client, at.PM_MARGIN_INTEREST, Wallet.PORTFOLIO_MARGIN, "")


def _interest(client: VenueClient, endpoint: Endpoint, wallet: Wallet, pair: str) -> Ask:
    async def fetch(window: Window, number: int) -> Raw[shapes.MarginInterest]:
        asked = {"startTime": window.start, "endTime": window.last, "current": number, "size": PAGE}
        answer, _ = await client.ask(endpoint, shapes.MarginInterests, asked | _pair(pair))
        return Raw(answer.rows, tuple(interest_row(row, wallet) for row in answer.rows))

    return by_number(fetch, size=PAGE)


def _pair(pair: str) -> dict[str, object]:
    return {"isolatedSymbol": pair} if pair else {}


def interest_row(row: shapes.MarginInterest, wallet: Wallet) -> Income:
    """Return our row of one charge of interest: it adds to the debt, so it is negative."""
    asset = payloads.asset_code(row.asset, "asset")
    pair = payloads.instrument_code(row.isolatedSymbol, f"[{asset}].isolatedSymbol") if row.isolatedSymbol else ""
    return Income(
        at=payloads.instant(row.interestAccuredTime, f"[{asset}].interestAccuredTime"),
        income_id=f"interest-{wallet}-{row.txId}-{asset}-{pair}-{row.interestAccuredTime}",
        kind="interest",
        venue_kind=row.type[:40],
        wallet=wallet,
        asset=asset,
        quantity=-payloads.amount(row.interest, f"[{asset}].interest"),
        instrument=pair,
    )


# ---------------------------------------------------------------- borrowed and repaid


def cross_loans(client: VenueClient) -> Ask:
    """Return the source of what was borrowed and repaid on cross margin."""
    return lanes([_margin_loans(client, Wallet.CROSS_MARGIN, kind, "") for kind in ("BORROW", "REPAY")])


async def isolated_loans(client: VenueClient) -> Ask:
    """Return the source of what was borrowed and repaid in isolated pairs."""
    pairs = await isolated_pairs(client)
    wallet = Wallet.ISOLATED_MARGIN
    found = [_margin_loans(client, wallet, kind, pair) for pair in pairs for kind in ("BORROW", "REPAY")]
    return lanes(found) if found else nothing


def _margin_loans(client: VenueClient, wallet: Wallet, kind: str, pair: str) -> Ask:
    async def fetch(window: Window, number: int) -> Raw[shapes.MarginLoan]:
        asked = {"type": kind, "startTime": window.start, "endTime": window.last, "current": number, "size": PAGE}
        answer, _ = await client.ask(at.MARGIN_LOANS, shapes.MarginLoans, asked | _pair(pair))
        done = [row for row in answer.rows if row.status == "CONFIRMED"]
        return Raw(answer.rows, tuple(margin_loan(row, wallet, kind) for row in done))

    return by_number(fetch, size=PAGE)


def margin_loan(row: shapes.MarginLoan, wallet: Wallet, kind: str) -> Income:
    """Return our row of what was borrowed (+) or repaid (-): the principal, since interest is told apart."""
    asset = payloads.asset_code(row.asset, "asset")
    pair = payloads.instrument_code(row.isolatedSymbol, f"[{asset}].isolatedSymbol") if row.isolatedSymbol else ""
    size = payloads.not_negative(row.principal, f"[{asset}].principal")
    return Income(
        at=payloads.instant(row.timestamp, f"[{asset}].timestamp"),
        income_id=f"margin-{kind}-{row.txId}-{asset}-{pair}",
        kind="loan",
        venue_kind=kind,
        wallet=wallet,
        asset=asset,
        quantity=size if kind == "BORROW" else -size,
        instrument=pair,
    )


def loans(client: VenueClient) -> Ask:
    """Return the source of flexible loans: what was borrowed (+), what was repaid (-), and their collateral's moves."""
    of_borrowed, of_repaid = page_numbering(), page_numbering()

    async def borrowed(window: Window, number: int) -> Raw[shapes.LoanBorrow]:
        asked = {"startTime": window.start, "endTime": window.last, "current": number, "limit": PAGE}
        answer, _ = await client.ask(at.LOAN_BORROWS, shapes.LoanBorrows, asked)
        names = of_borrowed(
            number, [f"borrow-{row.borrowTime}-{row.loanCoin}-{row.collateralCoin}" for row in answer.rows]
        )
        rows: list[ActivityRow] = []
        for name, row in zip(names, answer.rows, strict=True):
            if row.status.lower() != "failed":
                rows += [
                    loan(name, row.loanCoin, row.initialLoanAmount, row.borrowTime, 1),
                    pledge(name, row.collateralCoin, row.initialCollateralAmount, row.borrowTime, is_back=False),
                ]
        return Raw(answer.rows, tuple(rows))

    async def repaid(window: Window, number: int) -> Raw[shapes.LoanRepay]:
        asked = {"startTime": window.start, "endTime": window.last, "current": number, "limit": PAGE}
        answer, _ = await client.ask(at.LOAN_REPAYS, shapes.LoanRepays, asked)
        names = of_repaid(number, [f"repay-{row.repayTime}-{row.loanCoin}-{row.collateralCoin}" for row in answer.rows])
        rows: list[ActivityRow] = []
        for name, row in zip(names, answer.rows, strict=True):
            if row.repayStatus.lower() == "repaid":
                rows += [
                    loan(name, row.loanCoin, row.repayAmount, row.repayTime, -1),
                    pledge(name, row.collateralCoin, row.collateralReturn, row.repayTime, is_back=True),
                ]
        return Raw(answer.rows, tuple(rows))

    return lanes([by_number(borrowed, size=PAGE), by_number(repaid, size=PAGE)])


def loan(name: str, coin: str, text: str, moment: int, sign: int) -> Income:
    """Return our row of one loan taken (sign 1) or repaid (-1); such rows carry no id of their own."""
    asset = payloads.asset_code(coin, "loanCoin")
    return Income(
        at=payloads.instant(moment, f"[{asset}].time"),
        income_id=f"loan-{name}"[:200],
        kind="loan",
        venue_kind=name.split("-", maxsplit=1)[0],
        wallet=Wallet.LOANS,
        asset=asset,
        quantity=sign * payloads.not_negative(text, f"[{asset}].amount"),
    )


def pledge(name: str, coin: str, text: str, moment: int, *, is_back: bool) -> Transfer:
    """Return the move of a loan's collateral: from spot into the loan, or back."""
    asset = payloads.asset_code(coin, "collateralCoin")
    sides = (Wallet.LOANS, Wallet.SPOT) if is_back else (Wallet.SPOT, Wallet.LOANS)
    return Transfer(
        at=payloads.instant(moment, f"[{asset}].time"),
        transfer_id=f"collateral-{name}"[:200],
        asset=asset,
        quantity=payloads.not_negative(text, f"[{asset}].collateral"),
        source=sides[0],
        target=sides[1],
    )
