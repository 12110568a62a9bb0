"""The `portfolio-lab` command: thin doors to the rooms.

Every command imports what it needs when it runs, so that help is quick and the dashboard's
process never loads a vault or a venue.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from portfolio_lab.errors import BadInputError, PortfolioLabError

if TYPE_CHECKING:
    from types import TracebackType

    from portfolio_lab.models.accounts import Credentials
    from portfolio_lab.settings import Settings

CREDENTIALS_LIMIT = 64 * 1024


class _Doors(click.Group):
    """A group whose commands end with one sentence, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except PortfolioLabError as error:
            _stop(ctx, str(error), error.exit_code)
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            _stop(ctx, f"{error.strerror or error}{place}: mend that and run it again", 1)


def _stop(context: click.Context, message: str, exit_code: int) -> NoReturn:
    click.echo(_clean("Error: " + " ".join(message.split())), err=True)
    context.exit(exit_code)


def _clean(message: str) -> str:
    from portfolio_lab.security import redact  # noqa: PLC0415

    return redact(message)


def _last_words(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    # A fault of ours. Its traceback could quote what a venue or a user gave, so it is not shown.
    click.echo(_clean(f"Error: a fault in portfolio-lab itself, {kind.__name__}: {error}. Please report it."), err=True)


def main() -> None:
    """Run the command line; the entry point of `portfolio-lab`."""
    sys.excepthook = _last_words
    doors(prog_name="portfolio-lab")


def _command(group: click.Group, name: str, *, examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    # \b keeps click from re-wrapping the examples.
    lines = "\n".join(f"  {line}" for line in examples.strip().splitlines())
    return group.command(name, epilog=f"\b\nExamples:\n{lines}")


@click.group(cls=_Doors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--lab",
    type=click.Path(path_type=Path, file_okay=True),
    envvar="PORTFOLIO_LAB_DIR",
    default=Path(),
    help="The lab's folder. Default: PORTFOLIO_LAB_DIR, else the current directory.",
)
@click.version_option(package_name="portfolio-lab")
@click.pass_context
def doors(context: click.Context, lab: Path) -> None:
    """A laboratory for crypto portfolios: it reads only and never trades.

    Keys never leave this machine. The vault's passphrase is read from the file that
    PORTFOLIO_LAB_PASSPHRASE_FILE names.
    """
    context.obj = lab.expanduser().resolve()


# ---------------------------------------------------------------- a lab and its accounts


@_command(doors, "init", examples="portfolio-lab --lab ~/lab init")
@click.pass_obj
def init(lab: Path) -> None:
    """Make a new lab: lab.toml, an empty store, and the notebooks."""
    from portfolio_lab.layout import lay_lab  # noqa: PLC0415

    for path in lay_lab(lab):
        click.echo(f"made {path}")
    click.echo(f"next: portfolio-lab --lab {lab} accounts add USER VENUE --label LABEL --credentials -")


@doors.group("accounts", cls=_Doors)
def accounts() -> None:
    """Add, list and remove the accounts that a lab reads."""


@_command(
    accounts,
    "add",
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
) -> None:
    """Add an account: its name to lab.toml, its keys to the vault.

    VENUE is binance, okx, bybit or kraken. Give a key that may only read; OKX keys have a passphrase too.
    """
    from portfolio_lab.enrolment import add_account  # noqa: PLC0415
    from portfolio_lab.models.accounts import Account  # noqa: PLC0415
    from portfolio_lab.settings import check_account, load_settings, wallets_from  # noqa: PLC0415

    load_settings(lab)
    names = [name.strip() for name in wallets.split(",")] if wallets is not None else []
    account = Account(user, venue, label, base_url, wallets_from(names, venue), region)
    check_account(account)
    added = add_account(lab, account, _credentials(credentials, venue), _passphrase())
    click.echo(f"added {user} {added.name}: {', '.join(added.wallets)}")


@_command(accounts, "list", examples="portfolio-lab --lab ~/lab accounts list")
@click.pass_obj
def accounts_list(lab: Path) -> None:
    """List the accounts of the lab; no key is shown, and the vault stays shut."""
    settings = _settings(lab)
    for account in settings.accounts:
        place = f"  {account.base_url}" if account.base_url else ""
        click.echo(f"{account.user}  {account.name}  {','.join(account.wallets)}{place}")
    if not settings.accounts:
        click.echo("no accounts yet: portfolio-lab accounts add --help", err=True)


@_command(accounts, "remove", examples="portfolio-lab accounts remove alice binance --label main")
@click.argument("user")
@click.argument("venue")
@click.option("--label", required=True, help="The account's label.")
@click.pass_obj
def accounts_remove(lab: Path, user: str, venue: str, label: str) -> None:
    """Remove an account and its keys; its history stays in the store."""
    from portfolio_lab.enrolment import remove_account  # noqa: PLC0415

    _settings(lab)
    remove_account(lab, (user, venue, label), _passphrase())
    click.echo(f"removed {user} {venue}:{label}; its history stays in the store")


def _settings(lab: Path) -> Settings:
    from portfolio_lab.settings import load_settings  # noqa: PLC0415

    return load_settings(lab)


def _settings_with_store(lab: Path) -> Settings:
    settings = _settings(lab)
    if not settings.store_path.is_dir():
        raise BadInputError(f"there is no store at {settings.store_path}: run `portfolio-lab init`, or mend store_path")
    return settings


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


def _passphrase() -> str:
    from portfolio_lab.security import PASSPHRASE_VARIABLE, passphrase_from_environment  # noqa: PLC0415

    if sys.stdin.isatty() and not os.environ.get(PASSPHRASE_VARIABLE):
        passphrase: str = click.prompt("the vault's passphrase (not shown)", hide_input=True)
        return passphrase
    return passphrase_from_environment()


# ---------------------------------------------------------------- sync


@_command(
    doors,
    "sync",
    examples="""
portfolio-lab --lab ~/lab sync
portfolio-lab --lab ~/lab sync --json | jq '.users'
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print the cycle's whole report as JSON.")
@click.pass_obj
def sync(lab: Path, *, as_json: bool) -> None:
    """Read every account once and store one snapshot of each user.

    A wallet that cannot be read is graded and told, not an error of this command: its exit
    code is 0 when the cycle is stored.
    """
    _settings_with_store(lab)
    _log_to_stderr()
    from portfolio_lab.sync import sync_once  # noqa: PLC0415

    report = sync_once(lab).as_dict()
    click.echo(json.dumps(report, default=str) if as_json else _summary(report))


def _summary(report: dict[str, Any]) -> str:
    stored = "stored" if report["is_new"] else "stored before, nothing written"
    lines = [f"slot {report['slot']}: {stored}"]
    for user in report["users"]:
        equity = "unknown" if user["equity"] is None else f"{user['equity']:,.2f}"
        lines.append(f"  {user['user']}: {user['grade']}, equity {equity}{_because(user)}")
    return "\n".join(lines)


def _because(row: dict[str, Any]) -> str:
    return f" ({row['reason']})" if row["reason"] else ""


def _log_to_stderr() -> None:
    from portfolio_lab.security import RedactingFormatter  # noqa: PLC0415

    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[lines], force=True)


@_command(
    doors,
    "schedule",
    examples="""
portfolio-lab --lab ~/lab schedule
portfolio-lab --lab ~/lab schedule --every 300
portfolio-lab --lab ~/lab schedule --every 60 --cycles 3
""",
)
@click.option("--every", type=int, metavar="SECONDS", help="Cadence, 60 to 300. Default: interval_seconds of lab.toml.")
@click.option("--any-interval", is_flag=True, help="Allow a cadence outside 60 to 300 seconds.")
@click.option("--cycles", type=click.IntRange(min=1), help="Stop after so many slots. Default: run until Ctrl-C.")
@click.pass_obj
def schedule(lab: Path, every: int | None, cycles: int | None, *, any_interval: bool) -> None:
    """Run scheduled/sync.ipynb by papermill at a steady cadence, until Ctrl-C."""
    settings = _settings_with_store(lab)
    # lab.toml's own interval was allowed there already.
    allowed = any_interval or every in {None, settings.interval_seconds}
    _log_to_stderr()
    from portfolio_lab.sync import run_schedule  # noqa: PLC0415

    run_schedule(
        lab, every=settings.interval_seconds if every is None else every, cycles=cycles, allow_any_interval=allowed
    )


@doors.group("alerts", cls=_Doors)
def alerts() -> None:
    """Look after the channels that failures are told on."""


@_command(alerts, "test", examples="portfolio-lab --lab ~/lab alerts test")
@click.pass_obj
def alerts_test(lab: Path) -> None:
    """Send one test message to every channel of lab.toml."""
    settings = _settings(lab)
    if not settings.alert_channels:
        raise BadInputError("lab.toml names no alert_channels: add an apprise address, e.g. mailto://user:pass@host")
    _log_to_stderr()
    from portfolio_lab.sync import send_test_alert  # noqa: PLC0415

    outcome = send_test_alert(settings)
    for channel, taken in outcome.items():
        click.echo(f"{channel} {'took the message' if taken else 'did not take it'}")
    if not all(outcome.values()):
        raise PortfolioLabError("a channel did not take the message: check its address in lab.toml")


# ---------------------------------------------------------------- views


@_command(
    doors,
    "dashboard",
    examples="""
portfolio-lab --lab ~/lab dashboard
portfolio-lab --lab ~/lab dashboard --port 8900 --open
""",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8866, show_default=True, help="Port on 127.0.0.1.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@click.pass_obj
def dashboard(lab: Path, port: int, *, open_browser: bool) -> None:
    """Serve the dashboard on this machine; its address, with its token, is printed."""
    _settings_with_store(lab)
    from portfolio_lab.dashboard.serve import serve_dashboard  # noqa: PLC0415

    serve_dashboard(lab, port=port, open_browser=open_browser)


@_command(doors, "tearsheet", examples="portfolio-lab --lab ~/lab tearsheet alice -o alice.html")
@click.argument("user")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The HTML file.")
@click.option("--benchmark", default="BTC", show_default=True, help="Asset to compare with, by its stored prices.")
@click.pass_obj
def tearsheet(lab: Path, user: str, output: Path, benchmark: str) -> None:
    """Write USER's tearsheet: daily returns, drawdowns and ratios, as one HTML page."""
    settings = _settings_with_store(lab)
    if user not in settings.users:
        raise BadInputError(f"there is no user {user!r}: the users are {', '.join(settings.users) or 'none yet'}")
    from portfolio_lab import open_lab  # noqa: PLC0415
    from portfolio_lab.reports.tearsheet import write_tearsheet  # noqa: PLC0415

    click.echo(f"wrote {write_tearsheet(open_lab(lab), user, output, benchmark=benchmark)}")


# ---------------------------------------------------------------- the demo


@_command(
    doors,
    "demo",
    examples="""
portfolio-lab demo
portfolio-lab demo --no-serve
""",
)
@click.option("--serve/--no-serve", default=True, help="Stay and serve the dashboard, or do all but stay.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    envvar="PORTFOLIO_LAB_DEMO_DIR",
    default=Path("demo-lab"),
    show_default=True,
    help="Where the demo's lab lies (or PORTFOLIO_LAB_DEMO_DIR).",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8866, show_default=True, help="The dashboard's port.")
def demo(folder: Path, port: int, *, serve: bool) -> None:
    """Show everything on invented accounts: exchange, 90 days of sync, tearsheet, dashboard.

    Needs no key and no network. --lab is not used: the demo has a folder of its own.
    """
    from portfolio_lab.demo_run import run_demo  # noqa: PLC0415

    run_demo(folder.expanduser().resolve(), serve=serve, port=port)


@_command(
    doors,
    "demo-exchange",
    examples="""
portfolio-lab demo-exchange --port 8900
portfolio-lab demo-exchange --clock scripted --since 2026-08-01
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same book.")
@click.option(
    "--since", metavar="DAY", default="2026-08-01", show_default=True, help="The day on which the book opens."
)
@click.option(
    "--clock",
    type=click.Choice(["live", "scripted"]),
    default="live",
    show_default=True,
    help="Scripted: a test sets the time.",
)
def demo_exchange(host: str, port: int, seed: int, since: str, clock: str) -> None:
    """Run the demo exchange: Binance and OKX on this machine, for unmodified ccxt.

    Prints one line of JSON with its addresses when it listens.
    """
    from portfolio_lab.demo.__main__ import main as run_exchange  # noqa: PLC0415

    arguments = {"host": host, "port": port, "seed": seed, "since": since, "clock": clock}
    click.get_current_context().exit(
        run_exchange([part for name, value in arguments.items() for part in (f"--{name}", str(value))])
    )
