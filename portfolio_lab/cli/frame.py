"""What every command stands on: the group that ends with one sentence, and a lab's settings."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from portfolio_lab.errors import BadInputError, PortfolioLabError

if TYPE_CHECKING:
    from portfolio_lab.settings import Settings


class Doors(click.Group):
    """A group whose commands end with one sentence, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command; a failure becomes one sentence on standard error and its exit code."""
        try:
            return super().invoke(ctx)
        except PortfolioLabError as error:
            _stop(ctx, str(error), error.exit_code)
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            _stop(ctx, f"{error.strerror or error}{place}: mend that and run it again", 1)


def _stop(context: click.Context, message: str, exit_code: int) -> NoReturn:
    click.echo(clean("Error: " + " ".join(message.split())), err=True)
    context.exit(exit_code)


def clean(message: str) -> str:
    """Return the message without any secret that this process knows."""
    from portfolio_lab.security import redact  # noqa: PLC0415

    return redact(message)


def command(
    name: str, *, examples: str, into: click.Group | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Return the decorator that makes a function a command, with examples below its help.

    Args:
        name: as it is typed.
        examples: one command line a line.
        into: the group that it joins; None where `portfolio_lab.cli` registers it.
    """
    # \b keeps click from re-wrapping the examples.
    lines = "\n".join(f"  {line}" for line in examples.strip().splitlines())
    epilog = f"\b\nExamples:\n{lines}"
    return click.command(name, epilog=epilog) if into is None else into.command(name, epilog=epilog)


def settings_of(lab: Path) -> Settings:
    """Return the settings of the lab in that folder; raises ConfigError."""
    from portfolio_lab.settings import load_settings  # noqa: PLC0415

    return load_settings(lab)


def settings_with_store(lab: Path) -> Settings:
    """Return the settings of a lab that has a store; raises BadInputError."""
    settings = settings_of(lab)
    if isinstance(settings.store_path, Path) and not settings.store_path.is_dir():
        raise BadInputError(f"there is no store at {settings.store_path}: run `portfolio-lab init`, or mend store_path")
    return settings


def vault_passphrase() -> str:
    """Return the vault's passphrase, from its file or asked for at the terminal; raises VaultError."""
    from portfolio_lab.security import PASSPHRASE_VARIABLE, passphrase_from_environment  # noqa: PLC0415

    if sys.stdin.isatty() and not os.environ.get(PASSPHRASE_VARIABLE):
        passphrase: str = click.prompt("the vault's passphrase (not shown)", hide_input=True)
        return passphrase
    return passphrase_from_environment()


def log_to_stderr() -> None:
    """Send every log line to standard error, cleaned of secrets."""
    from portfolio_lab.security import RedactingFormatter  # noqa: PLC0415

    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[lines], force=True)
