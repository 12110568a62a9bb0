"""`portfolio-lab accounts`: whose keys the lab reads."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from portfolio_lab.cli.frame import Doors, command, settings_of, vault_passphrase
from portfolio_lab.errors import BadInputError

if TYPE_CHECKING:
    from portfolio_lab.cli.asking import Finding
    from portfolio_lab.enrolment import Enrolled
    from portfolio_lab.models.accounts import Account, Credentials
    from portfolio_lab.settings import Settings

CREDENTIALS_LIMIT = 64 * 1024


@click.group("accounts", cls=Doors)
def accounts() -> None:
    """Add, list and remove the accounts that a lab reads."""


@command(
    "add",
    into=accounts,
    examples="""
portfolio-lab accounts add alice binance --label main --credentials - < key.json
portfolio-lab accounts add alice okx --label main --wallets trading,funding --credentials - < key.json
portfolio-lab accounts add demo binance --label main --base-url http://127.0.0.1:8900 --credentials - < key.json
""",
)
@click.argument("user")
@click.argument("venue")
@click.option("--label", required=True, help="Tells accounts of one user at one venue apart.")
@click.option("--region", default="", help="Where an OKX account lives: eea or us; leave it out for the main site.")
@click.option("--base-url", help="One origin in place of the venue's hosts: the demo exchange, a testnet, a proxy.")
@click.option("--wallets", help="Wallets that must answer, e.g. spot,usd_m. Default: all of the venue.")
@click.option("--offline", is_flag=True, help="Do not ask the venue: the first cycle will check the account.")
@click.option(
    "--credentials",
    type=click.File("r", encoding="utf-8"),
    help='Where {"key": .., "secret": .., "passphrase": ..} is read from; - is standard input. Default: ask.',
)
@click.pass_obj
def accounts_add(
    lab: Path,
    *,
    user: str,
    venue: str,
    label: str,
    base_url: str | None,
    region: str,
    wallets: str | None,
    credentials: IO[str] | None,
    offline: bool,
) -> None:
    """Add an account: its name to lab.toml, its keys to the vault.

    VENUE is binance, okx, bybit or kraken. Give a key that may only read; OKX keys have a passphrase too.
    The venue is asked who the account is before anything is written.
    """
    from portfolio_lab.enrolment import add_account  # noqa: PLC0415
    from portfolio_lab.models.accounts import Account  # noqa: PLC0415
    from portfolio_lab.settings import check_account, load_settings, wallets_from  # noqa: PLC0415

    load_settings(lab)
    names = [name.strip() for name in wallets.split(",")] if wallets is not None else []
    account = Account(user, venue, label, base_url, wallets_from(names, venue), region)
    check_account(account)
    given = _credentials(credentials, venue)
    asked = _nobody if offline else partial(_introduce, given)
    added = add_account(lab, account, given, vault_passphrase(), asked)
    click.echo(f"added {user} {added.name}: {', '.join(added.wallets)}")
    if offline:
        click.echo("the venue was not asked: the first cycle will check the key")


def _nobody(*_: object) -> None:
    """Ask nobody."""


def _introduce(credentials: Credentials, settings: Settings, account: Account, others: Enrolled) -> None:
    """Ask the venue who the account is, and show it; UnfitAccountError when it must not join."""
    from portfolio_lab.cli import asking  # noqa: PLC0415
    from portfolio_lab.security.redaction import register_credentials  # noqa: PLC0415

    register_credentials(credentials)
    uids = asking.known_uids(settings)
    strangers = {one: keys for one, keys in others.items() if one not in uids}
    found = asking.ask_all(settings, {account: credentials, **strangers}, only_who=strangers)
    one = found.pop(account)
    for other, uid in (*uids.items(), *((other, asking.uid_of(there)) for other, there in found.items())):
        if same := asking.same_account(one, uid, other):
            raise same
    if one.trouble is not None:
        raise one.trouble
    _show(one)


def _show(one: Finding) -> None:
    from portfolio_lab.cli import asking  # noqa: PLC0415

    if one.introduction is None:
        return
    identity = one.introduction.identity
    master = f", sub-account of {asking.masked(identity.main_uid)}" if identity.main_uid else ""
    click.echo(f"{one.account.name}: uid {asking.masked(identity.uid)}{master}; the key {asking.rights(identity)}")
    for wallet, worth in asking.wallet_lines(one.account, one.introduction.totals):
        click.echo(f"  {wallet:<17} {worth}")


@command(
    "check",
    into=accounts,
    examples="""
portfolio-lab --lab ~/lab accounts check
portfolio-lab --lab ~/lab accounts check desk
portfolio-lab --lab ~/lab accounts check desk okx:main
""",
)
@click.argument("user", required=False)
@click.argument("account", required=False)
@click.pass_context
def accounts_check(context: click.Context, user: str | None, account: str | None) -> None:
    """Ask the venues about all accounts, those of USER, or one ACCOUNT (as venue:label); nothing is written.

    The exit code is 0 when all are well, that of `accounts add` when one kind of trouble was found, 1 for several.
    """
    from portfolio_lab.cli import asking  # noqa: PLC0415

    settings = settings_of(context.obj)
    findings = asking.check(settings, _chosen(settings, user, account), vault_passphrase())
    for row in asking.table(findings):
        click.echo(row)
    codes = {one.trouble.exit_code for one in findings if one.trouble is not None}
    context.exit(codes.pop() if len(codes) == 1 else min(len(codes), 1))


def _chosen(settings: Settings, user: str | None, name: str | None) -> list[Account]:
    chosen = [one for one in settings.accounts if user in {None, one.user} and name in {None, one.name}]
    if not chosen:
        known = ", ".join(f"{one.user} {one.name}" for one in settings.accounts) or "none yet"
        raise BadInputError(f"there is no such account: the accounts are {known}")
    return chosen


@command("list", into=accounts, examples="portfolio-lab --lab ~/lab accounts list")
@click.pass_obj
def accounts_list(lab: Path) -> None:
    """List the accounts of the lab; no key is shown, and the vault stays shut."""
    settings = settings_of(lab)
    for account in settings.accounts:
        place = f"  {account.base_url}" if account.base_url else ""
        click.echo(f"{account.user}  {account.name}  {','.join(account.wallets)}{place}")
    if not settings.accounts:
        click.echo("no accounts yet: portfolio-lab accounts add --help", err=True)


@command("remove", into=accounts, examples="portfolio-lab accounts remove alice binance --label main")
@click.argument("user")
@click.argument("venue")
@click.option("--label", required=True, help="The account's label.")
@click.pass_obj
def accounts_remove(lab: Path, user: str, venue: str, label: str) -> None:
    """Remove an account and its keys; its history stays in the store."""
    from portfolio_lab.enrolment import remove_account  # noqa: PLC0415

    settings_of(lab)
    remove_account(lab, (user, venue, label), vault_passphrase())
    click.echo(f"removed {user} {venue}:{label}; its history stays in the store")


def _credentials(source: IO[str] | None, venue: str) -> Credentials:
    from portfolio_lab.enrolment import credentials_from_json  # noqa: PLC0415

    if source is not None:
        try:
            return credentials_from_json(source.read(CREDENTIALS_LIMIT), venue=venue)
        except UnicodeDecodeError:
            raise BadInputError("the credentials are not UTF-8 text: copy them again") from None
    if not sys.stdin.isatty():
        raise BadInputError("there are no credentials: add --credentials - and give them on standard input")
    asked = ["key", "secret", *(["passphrase"] if venue == "okx" else [])]
    answers = {name: click.prompt(f"{name} (not shown)", hide_input=True) for name in asked}
    return credentials_from_json(json.dumps(answers), venue=venue)
