"""Ask a venue who an account is, before the lab counts on it: key, rights, uid and the venue's own totals."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from portfolio_lab.enrolment import enrolled
from portfolio_lab.errors import (
    AnswerShapeError,
    ClockSkewError,
    CredentialsError,
    RateLimitedError,
    StoreError,
    UnfitAccountError,
    VenueError,
    WalletRefusedError,
)
from portfolio_lab.models.accounts import Account, Credentials, Identity
from portfolio_lab.models.activity import VenueTotals
from portfolio_lab.security import Vault, redact
from portfolio_lab.settings import REGIONS, Settings

if TYPE_CHECKING:
    from portfolio_lab.exchanges import Hub
    from portfolio_lab.exchanges.hub import AccountReader

AT_ONCE = 8
TOTAL = "total"
SHORT_WAIT, LONGEST_WAIT = 2.5, 30.0
"""Seconds to wait where a venue says that it was asked too often."""

_ELSEWHERE = frozenset({"50119", "50101"})
"""OKX's codes for a key that this host does not know."""

_SENTENCES = {
    "-1022": "the secret does not belong to this key: copy both from the venue once more",
    "50113": "the secret does not belong to this key: copy both from the venue once more",
    "50105": "the passphrase is not the one that was chosen with this key: type that one, or make a new key",
    "50110": "this machine's address is not among those that the key is bound to: add it at the venue",
    "-2014": "the key is not of the venue's form: copy it from the venue once more",
}
_KEY = "the venue refuses the key: was it copied whole, is it still there, does it allow this machine's address?"


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a venue says of an account: who it is, and what each wallet is worth by the venue's own figure."""

    identity: Identity
    totals: VenueTotals


@dataclass(frozen=True, slots=True)
class Finding:
    """One account's answer, or what is wrong with it."""

    account: Account
    introduction: Introduction | None
    trouble: UnfitAccountError | None = None


def ask_all(
    settings: Settings, keys: Mapping[Account, Credentials], *, only_who: Container[Account] = ()
) -> dict[Account, Finding]:
    """Ask the venues about all these accounts, some at a time; what is wrong with one stays with it.

    Those in `only_who` are asked for their identity, not for their totals.
    """
    return asyncio.run(_ask_all(settings, keys, only_who))


async def _ask_all(
    settings: Settings, keys: Mapping[Account, Credentials], only_who: Container[Account]
) -> dict[Account, Finding]:
    from portfolio_lab.exchanges import Hub  # noqa: PLC0415 - ccxt costs seconds to import

    places = asyncio.Semaphore(AT_ONCE)
    async with Hub(governor_path=settings.runs_path / "governor") as hub:

        async def asked(account: Account) -> Finding:
            async with places:
                wants_totals = account not in only_who
                return await _finding(hub, account, keys[account], settings, wants_totals=wants_totals)

        return {one.account: one for one in await asyncio.gather(*map(asked, keys))}


async def _finding(
    hub: Hub, account: Account, credentials: Credentials, settings: Settings, *, wants_totals: bool
) -> Finding:
    try:
        introduction = await _introduced(hub, account, credentials, wants_totals=wants_totals)
    except UnfitAccountError as trouble:
        return Finding(account, None, trouble)
    return Finding(account, introduction, _overpowered(introduction.identity, settings))


async def _introduced(hub: Hub, account: Account, credentials: Credentials, *, wants_totals: bool) -> Introduction:
    """Ask in the order in which answers make sense: is it the venue, is it the key, what is there."""
    is_met = False
    try:
        market = await hub.market(*account.origin)
        await market.measure_clock()
        is_met = True
        reader = await hub.reader(account, credentials)
        identity = await reader.fetch_identity()
        totals = await _totals(reader) if wants_totals else VenueTotals(())
        if wants_totals and not totals.totals and account.wallets:
            # A venue without figures of its own has not judged the key yet.
            await reader.fetch_wallet(account.wallets[0])
    except VenueError as error:
        raise unfit(error, account, is_met=is_met) from None
    return Introduction(identity, totals)


async def _totals(reader: AccountReader) -> VenueTotals:
    """Ask once more where the venue says "not so fast": somebody may have asked a moment ago, in another process."""
    try:
        return await reader.fetch_totals()
    except RateLimitedError as error:
        await asyncio.sleep(min(LONGEST_WAIT, error.retry_after or SHORT_WAIT))
        return await reader.fetch_totals()


def unfit(error: VenueError, account: Account, *, is_met: bool) -> UnfitAccountError:
    """Return what a venue's error means for an account that is being introduced.

    `is_met` is False while the venue has not answered anything yet: then an answer of another
    shape means that something else listens at that address.
    """
    name = f"{account.user} {account.name}"
    is_strange = isinstance(error, AnswerShapeError) or type(error) is VenueError
    if error.venue_code in _ELSEWHERE or (is_strange and not is_met):
        return UnfitAccountError(f"{name}: {_elsewhere(account, error)}", code="place")
    if isinstance(error, CredentialsError | WalletRefusedError):
        return UnfitAccountError(f"{name}: {_key_sentence(error)}", code="credentials")
    if isinstance(error, ClockSkewError):
        return UnfitAccountError(f"{name}: the venue refuses our time stamp: set this machine's clock", code="clock")
    if is_strange:
        return UnfitAccountError(f"{name}: {error} Please report it.", code="bad_shape")
    return UnfitAccountError(f"{name}: no answer, so wait and run it again: {error}", code="silent")


def _elsewhere(account: Account, error: VenueError) -> str:
    if account.base_url is not None and error.venue_code not in _ELSEWHERE:
        return f"what answers at base_url is not {account.venue}: mend --base-url, or leave it out"
    regions = [f"--region {region}" for region in REGIONS.get(account.venue, ()) if region != account.region]
    if not regions:
        return f"what answers is not {account.venue}: is there a proxy or a login page in between?"
    here = f"region {account.region}" if account.region else "the main site"
    others = " or ".join([*regions, *(["no --region"] if account.region else [])])
    return f"the key is unknown at {here}: try {others}; if no site knows it, make a new key"


def _key_sentence(error: VenueError) -> str:
    return f"{_SENTENCES.get(error.venue_code, _KEY)} (code {error.venue_code or error.code})"


def _overpowered(identity: Identity, settings: Settings) -> UnfitAccountError | None:
    if identity.is_read_only or settings.allow_trading_keys:
        return None
    return UnfitAccountError(
        f"the key may do more than read ({', '.join(identity.permissions)}): make a read-only key at the venue, "
        "or set allow_trading_keys = true in lab.toml",
        code="not_read_only",
    )


# ---------------------------------------------------------------- the same account twice


def uid_of(one: Finding) -> str:
    """Return the uid that the venue told, "" when it told none."""
    return one.introduction.identity.uid if one.introduction else ""


def same_account(one: Finding, uid: str, other: Account) -> UnfitAccountError | None:
    """Return the refusal when `other`, of this uid, is the same account at the venue as the one found."""
    if not uid or uid != uid_of(one) or one.account.venue != other.venue:
        return None
    return UnfitAccountError(
        f"it is the same account at {other.venue} as {other.user} {other.name}: give the key of another account, "
        "or remove that one first with `portfolio-lab accounts remove`",
        code="duplicate_account",
    )


def known_uids(settings: Settings) -> dict[Account, str]:
    """Return the uids of the lab's accounts as the store has them; of an account never read there is none."""
    from portfolio_lab.store import Store  # noqa: PLC0415 - loads Arrow

    try:
        rows = Store.open(settings.store_path).read("accounts", columns=["user", "account", "uid"]).to_pylist()
    except StoreError:
        return {}
    found = {(row["user"], row["account"]): row["uid"] for row in rows}
    pairs = ((account, found.get((account.user, account.name), "")) for account in settings.accounts)
    return {account: uid for account, uid in pairs if uid}


# ---------------------------------------------------------------- all accounts of a lab


def check(settings: Settings, chosen: Sequence[Account], passphrase: str) -> list[Finding]:
    """Ask about the chosen accounts and return what was found, in their order.

    Raises:
        VaultError: the vault cannot be opened with this passphrase.
    """
    keys = enrolled(Vault.open(settings.vault_path, passphrase), settings)
    found = ask_all(settings, {account: keys[account] for account in chosen if account in keys})
    findings = [found.get(account) or Finding(account, None, _keyless(account)) for account in chosen]
    uids = known_uids(settings) | {one.account: uid_of(one) for one in findings if uid_of(one)}
    return [_alone(one, _before(one.account, settings, uids)) for one in findings]


def _keyless(account: Account) -> UnfitAccountError:
    return UnfitAccountError(
        f"{account.user} {account.name}: the vault has no key of it: remove the account and add it again",
        code="no_credentials",
    )


def _before(account: Account, settings: Settings, uids: Mapping[Account, str]) -> dict[Account, str]:
    """The uids of the accounts that lab.toml names before this one: of two that are the same, the later is refused."""
    return {one: uids.get(one, "") for one in settings.accounts[: settings.accounts.index(account)]}


def _alone(one: Finding, uids: Mapping[Account, str]) -> Finding:
    same = (same_account(one, uid, other) for other, uid in uids.items())
    trouble = next((refusal for refusal in same if refusal is not None), None)
    return one if trouble is None else replace(one, trouble=trouble)


def table(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of a table: who, uid, total by the venue, and what is wrong."""
    rows = [("user", "account", "uid", "total", "verdict"), *map(_cells, findings)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    for row in rows:
        left = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        yield redact("  ".join((*left, row[-1])))


def _cells(one: Finding) -> tuple[str, ...]:
    uid, total = "-", "-"
    if one.introduction is not None:
        uid = masked(one.introduction.identity.uid)
        total = whole(one.introduction.totals)
    verdict = "ok" if one.introduction is None else f"ok: {rights(one.introduction.identity)}"
    if one.trouble is not None:
        verdict = f"{one.trouble.code}: {one.trouble}"
    return one.account.user, one.account.name, uid, total, verdict


# ---------------------------------------------------------------- words


def masked(uid: str) -> str:
    """Return a uid as it may be shown: enough to tell accounts apart, its middle hidden.

    >>> masked("412345987"), masked("12345"), masked("")
    ('412***987', '1***', 'not told')
    """
    if not uid:
        return "not told"
    return f"{uid[:3]}***{uid[-3:]}" if len(uid) > 7 else f"{uid[0]}***"  # noqa: PLR2004 - half of it stays hidden


def rights(identity: Identity) -> str:
    """Return what the key may do, and from where, in a few words."""
    what = "reads only" if identity.is_read_only else f"may also {', '.join(identity.permissions)}"
    if identity.is_ip_bound is None:
        return what
    return f"{what}, {'bound to listed addresses' if identity.is_ip_bound else 'from any address'}"


def whole(totals: VenueTotals) -> str:
    """Return the account's worth by the venue: its own total, else the sum of its wallets; "-" where it tells none."""
    rows = [one for one in totals.totals if one.scope == TOTAL] or totals.totals
    sums: dict[str, Decimal] = {}
    for one in rows:
        sums[one.asset] = sums.get(one.asset, Decimal(0)) + one.quantity
    return " + ".join(f"{quantity:,.2f} {asset}" for asset, quantity in sums.items()) or "-"


def wallet_lines(account: Account, totals: VenueTotals) -> Iterator[tuple[str, str]]:
    """Yield (wallet, the venue's own figure or why there is none), the configured wallets first."""
    figures: dict[str, list[str]] = {}
    for total in totals.totals:
        figures.setdefault(total.scope, []).append(f"{total.quantity:,.2f} {total.asset}")
    for wallet in account.wallets:
        reason = totals.absent.get(wallet)
        told = figures.pop(wallet.value, None)
        yield wallet.value, reason or (" = ".join(told) if told else "no figure by the venue")
    figures.pop(TOTAL, None)
    for scope, told in figures.items():
        is_empty = all(float(total.quantity) == 0 for total in totals.totals if total.scope == scope)
        if not is_empty:
            yield scope, f"{' = '.join(told)}, not read: not among the wallets"
    yield TOTAL, whole(totals)
