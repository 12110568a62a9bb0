"""`portfolio-lab demo` and `demo-exchange`: everything on invented accounts."""

from __future__ import annotations

from pathlib import Path

import click

from portfolio_lab.cli.frame import command


@command(
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


@command(
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
