"""What crossed the border of a Binance account, and what moved between its wallets."""

from __future__ import annotations

from collections.abc import Sequence

from portfolio_lab.errors import CredentialsError, VenueError, WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import activity, shapes
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import history_shapes as history
from portfolio_lab.exchanges.binance.borrowing import nothing
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.sources import Ask, Raw, Window, by_number, by_offset, by_time, lanes
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import Transfer

TRANSFER_PAGE, UNIVERSAL_PAGE, SUB_ACCOUNT_PAGE = 100, 500, 200

NAMES = {
    "MAIN": Wallet.SPOT,
    "FUNDING": Wallet.FUNDING,
    "UMFUTURE": Wallet.USD_M,
    "CMFUTURE": Wallet.COIN_M,
    "MARGIN": Wallet.CROSS_MARGIN,
    "ISOLATED_MARGIN": Wallet.ISOLATED_MARGIN,
    "OPTION": Wallet.OPTIONS,
    "PORTFOLIO_MARGIN": Wallet.PORTFOLIO_MARGIN,
}
"""Binance's names of wallets inside a direction like MAIN_UMFUTURE."""

DIRECTIONS = (
    *("MAIN_UMFUTURE", "UMFUTURE_MAIN", "MAIN_CMFUTURE", "CMFUTURE_MAIN", "MAIN_FUNDING", "FUNDING_MAIN"),
    *("MAIN_MARGIN", "MARGIN_MAIN", "FUNDING_UMFUTURE", "UMFUTURE_FUNDING", "FUNDING_CMFUTURE", "CMFUTURE_FUNDING"),
    *("MARGIN_UMFUTURE", "UMFUTURE_MARGIN", "MARGIN_CMFUTURE", "CMFUTURE_MARGIN", "FUNDING_MARGIN", "MARGIN_FUNDING"),
    *("MAIN_OPTION", "OPTION_MAIN", "FUNDING_OPTION", "OPTION_FUNDING", "UMFUTURE_OPTION", "OPTION_UMFUTURE"),
    *("MARGIN_OPTION", "OPTION_MARGIN", "MAIN_PORTFOLIO_MARGIN", "PORTFOLIO_MARGIN_MAIN"),
    *("MAIN_ISOLATED_MARGIN", "ISOLATED_MARGIN_MAIN"),
)
"""Every direction that a transfer can take without naming a pair."""

COMMON = frozenset({Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M, Wallet.COIN_M, Wallet.CROSS_MARGIN})
"""Between these every account is told its transfers; a direction of another wallet may be refused: it has none."""

ACCOUNT_TYPES = {
    "SPOT": Wallet.SPOT,
    "USDT_FUTURE": Wallet.USD_M,
    "COIN_FUTURE": Wallet.COIN_M,
    "MARGIN": Wallet.CROSS_MARGIN,
    "ISOLATED_MARGIN": Wallet.ISOLATED_MARGIN,
}
"""Binance's names of wallets in transfers within a family of accounts."""

DONE = frozenset({"CONFIRMED", "SUCCESS"})


# ---------------------------------------------------------------- deposits and withdrawals


def deposits(client: VenueClient) -> Ask:
    """Return the source of completed deposits."""

    async def fetch(window: Window, offset: int) -> Raw[shapes.Deposit]:
        asked = {"startTime": window.start, "endTime": window.last, "offset": offset, "limit": activity.PAGE}
        rows, _ = await client.ask(at.DEPOSITS, list[shapes.Deposit], asked)
        return Raw(rows, tuple(activity.deposit(row) for row in rows if row.status in activity.DEPOSITED))

    return by_offset(fetch, size=activity.PAGE)


def withdrawals(client: VenueClient) -> Ask:
    """Return the source of completed withdrawals; their quantity holds the network's fee."""

    async def fetch(window: Window, offset: int) -> Raw[shapes.Withdrawal]:
        asked = {"startTime": window.start, "endTime": window.last, "offset": offset, "limit": activity.PAGE}
        rows, _ = await client.ask(at.WITHDRAWALS, list[shapes.Withdrawal], asked)
        return Raw(rows, tuple(activity.withdrawal(row) for row in rows if row.status in activity.WITHDRAWN))

    return by_offset(fetch, size=activity.PAGE)


# ---------------------------------------------------------------- between wallets


def transfers(client: VenueClient) -> Ask:
    """Return the source of all transfers between the account's wallets, direction by direction."""
    return lanes([_direction(client, name) for name in DIRECTIONS])


def _direction(client: VenueClient, name: str) -> Ask:
    source, target = _sides(name)
    is_rare = not {source, target} <= COMMON

    async def fetch(window: Window, number: int) -> Raw[history.Transfer]:
        asked = {"type": name, "startTime": window.start, "endTime": window.last}
        paged = {**asked, "current": number, "size": TRANSFER_PAGE}
        try:
            answer, _ = await client.ask(at.TRANSFERS, history.Transfers, paged)
        except VenueError as refusal:
            if is_rare and (isinstance(refusal, WalletRefusedError) or type(refusal) is VenueError):
                return Raw([], ())
            raise
        rows = [moved(row, source, target) for row in answer.rows if row.status in DONE]
        return Raw(answer.rows, tuple(rows))

    return by_number(fetch, size=TRANSFER_PAGE)


def _sides(name: str) -> tuple[Wallet, Wallet]:
    """The wallets of MAIN_UMFUTURE and its like: names may hold an underscore themselves."""
    return next(
        (wallet, NAMES[name.removeprefix(f"{first}_")])
        for first, wallet in NAMES.items()
        if name.startswith(f"{first}_") and name.removeprefix(f"{first}_") in NAMES
    )


def moved(row: history.Transfer, source: Wallet, target: Wallet) -> Transfer:
    """Return the transfer of a row."""
    asset = payloads.asset_code(row.asset, "asset")
    return Transfer(
        at=payloads.instant(row.timestamp, f"[{asset}].timestamp"),
        transfer_id=f"{row.tranId}-{source}-{target}-{asset}",
        asset=asset,
        quantity=payloads.not_negative(row.amount, f"[{asset}].amount"),
        source=source,
        target=target,
    )


# ---------------------------------------------------------------- within a family of accounts


async def family(client: VenueClient) -> Ask:
    """Return the source of transfers with the master, or with the sub-accounts; nothing for an account alone.

    Only a master may list sub-accounts: an account that may not is a sub-account. An account that may
    tell neither is a WalletRefusedError.
    """
    try:
        emails = await _sub_accounts(client)
    except VenueError as refusal:
        if not _is_refusal(refusal):
            raise
        return sub_transfers(client)
    if not emails:
        return nothing
    return lanes([_universal(client, {}, emails), *(_universal(client, {"fromEmail": one}, emails) for one in emails)])


async def _sub_accounts(client: VenueClient) -> list[str]:
    """The e-mail address of every sub-account, of all pages: an unknown one would be taken for the master."""
    emails: list[str] = []
    while True:
        asked = {"page": len(emails) // SUB_ACCOUNT_PAGE + 1, "limit": SUB_ACCOUNT_PAGE}
        answer, _ = await client.ask(at.SUB_ACCOUNTS, history.SubAccounts, asked)
        emails += [row.email for row in answer.subAccounts]
        payloads.each_once(emails, "subAccounts.email")
        if len(answer.subAccounts) < SUB_ACCOUNT_PAGE:
            return emails


def _is_refusal(error: VenueError) -> bool:
    """True when the venue refuses this question to this account, and not when it is out of reach."""
    return isinstance(error, CredentialsError | WalletRefusedError) or type(error) is VenueError


def _universal(client: VenueClient, sender: dict[str, str], subs: Sequence[str]) -> Ask:
    async def fetch(window: Window, number: int) -> Raw[history.UniversalTransfer]:
        asked = {"startTime": window.start, "endTime": window.last, "page": number, "limit": UNIVERSAL_PAGE}
        answer, _ = await client.ask(at.UNIVERSAL_TRANSFERS, history.UniversalTransfers, {**asked, **sender})
        rows = [universal_transfer(row, subs) for row in answer.result if row.status in DONE]
        return Raw(answer.result, tuple(row for row in rows if row is not None))

    return by_number(fetch, size=UNIVERSAL_PAGE)


def universal_transfer(row: history.UniversalTransfer, subs: Sequence[str]) -> Transfer | None:
    """Return a master's side of a transfer within its family; None between two sub-accounts."""
    is_ours, is_to_us = row.fromEmail not in subs, row.toEmail not in subs
    if not is_ours and not is_to_us:
        return None
    asset = payloads.asset_code(row.asset, "asset")
    return Transfer(
        at=payloads.instant(row.createTimeStamp, f"[{asset}].createTimeStamp"),
        transfer_id=f"family-{row.tranId}-{asset}",
        asset=asset,
        quantity=payloads.not_negative(row.amount, f"[{asset}].amount"),
        source=ACCOUNT_TYPES.get(row.fromAccountType, Wallet.SPOT) if is_ours else None,
        target=ACCOUNT_TYPES.get(row.toAccountType, Wallet.SPOT) if is_to_us else None,
        counterparty=(row.toEmail if is_ours else row.fromEmail)[:100],
    )


def sub_transfers(client: VenueClient) -> Ask:
    """Return the source of a sub-account's transfers with its master and siblings: what came, then what went."""

    def one_way(kind: int) -> Ask:
        async def fetch(window: Window, _: str) -> Raw[history.SubTransfer]:
            asked = {"type": kind, "startTime": window.start, "endTime": window.last, "limit": UNIVERSAL_PAGE}
            try:
                rows, _mark = await client.ask(at.SUB_TRANSFERS, list[history.SubTransfer], asked)
            except CredentialsError as refusal:
                raise WalletRefusedError("The key may not read transfers within its family of accounts.") from refusal
            return Raw(rows, tuple(sub_transfer(row) for row in rows if row.status in DONE))

        return by_time(fetch, size=UNIVERSAL_PAGE)

    return lanes([one_way(1), one_way(2)])


def sub_transfer(row: history.SubTransfer) -> Transfer:
    """Return a sub-account's side of a transfer within its family."""
    asset = payloads.asset_code(row.asset, "asset")
    came = row.type == 1
    return Transfer(
        at=payloads.instant(row.time, f"[{asset}].time"),
        transfer_id=f"family-{row.tranId}-{asset}",
        asset=asset,
        quantity=payloads.not_negative(row.qty, f"[{asset}].qty"),
        source=None if came else ACCOUNT_TYPES.get(row.fromAccountType, Wallet.SPOT),
        target=ACCOUNT_TYPES.get(row.toAccountType, Wallet.SPOT) if came else None,
        counterparty=(row.email or row.counterParty)[:100],
    )
