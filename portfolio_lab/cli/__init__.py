"""The `portfolio-lab` command: thin doors to the rooms.

Every command imports what it needs when it runs, so that help is quick and the dashboard's
process never loads a vault or a venue. A group of commands is a module of this package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from portfolio_lab.cli import accounts, cycles, demos, lay, status, store, views
from portfolio_lab.cli.frame import Doors, clean

if TYPE_CHECKING:
    from types import TracebackType


def _last_words(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    # A fault of ours. Its traceback could quote what a venue or a user gave, so it is not shown.
    click.echo(clean(f"Error: a fault in portfolio-lab itself, {kind.__name__}: {error}. Please report it."), err=True)


def main() -> None:
    """Run the command line; the entry point of `portfolio-lab`."""
    sys.excepthook = _last_words
    doors(prog_name="portfolio-lab")


@click.group(cls=Doors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for _door in (
    lay.init,
    accounts.accounts,
    cycles.sync,
    cycles.schedule,
    cycles.alerts,
    status.status,
    store.store,
    views.dashboard,
    views.tearsheet,
    demos.demo,
    demos.demo_exchange,
):
    doors.add_command(_door)
