"""`portfolio-lab sync`, `schedule` and `alerts`: what reads the venues, and what tells when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from portfolio_lab.cli.frame import Doors, command, log_to_stderr, settings_of, settings_with_store
from portfolio_lab.errors import BadInputError, PortfolioLabError


@command(
    "sync",
    examples="""
portfolio-lab --lab ~/lab sync
portfolio-lab --lab ~/lab sync --json | jq '.users'
portfolio-lab --lab ~/lab sync --dask tcp://10.0.0.1:8786
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print the cycle's whole report as JSON.")
@click.option("--dask", metavar="ADDRESS", help="Let the workers of this Dask scheduler read the accounts.")
@click.pass_obj
def sync(lab: Path, dask: str | None, *, as_json: bool) -> None:
    """Read every account once and store one snapshot of each user.

    A wallet that cannot be read is graded and told, not an error of this command: its exit
    code is 0 when the cycle is stored.
    """
    settings_with_store(lab)
    log_to_stderr()
    from portfolio_lab.sync import sync_once  # noqa: PLC0415

    report = sync_once(lab, dask=dask).as_dict()
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


@command(
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
    settings = settings_with_store(lab)
    # lab.toml's own interval was allowed there already.
    allowed = any_interval or every in {None, settings.interval_seconds}
    log_to_stderr()
    from portfolio_lab.sync import run_schedule  # noqa: PLC0415

    run_schedule(
        lab, every=settings.interval_seconds if every is None else every, cycles=cycles, allow_any_interval=allowed
    )


@click.group("alerts", cls=Doors)
def alerts() -> None:
    """Look after the channels that failures are told on."""


@command("test", into=alerts, examples="portfolio-lab --lab ~/lab alerts test")
@click.pass_obj
def alerts_test(lab: Path) -> None:
    """Send one test message to every channel of lab.toml."""
    settings = settings_of(lab)
    if not settings.alert_channels:
        raise BadInputError("lab.toml names no alert_channels: add an apprise address, e.g. mailto://user:pass@host")
    log_to_stderr()
    from portfolio_lab.sync import send_test_alert  # noqa: PLC0415

    outcome = send_test_alert(settings)
    for channel, taken in outcome.items():
        click.echo(f"{channel} {'took the message' if taken else 'did not take it'}")
    if not all(outcome.values()):
        raise PortfolioLabError("a channel did not take the message: check its address in lab.toml")
