"""`portfolio-lab dashboard` and `tearsheet`: what people look at."""

from __future__ import annotations

from pathlib import Path

import click

from portfolio_lab.cli.frame import command, settings_with_store
from portfolio_lab.errors import BadInputError


@command(
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
    settings_with_store(lab)
    from portfolio_lab.dashboard.serve import serve_dashboard  # noqa: PLC0415

    serve_dashboard(lab, port=port, open_browser=open_browser)


@command("tearsheet", examples="portfolio-lab --lab ~/lab tearsheet alice -o alice.html")
@click.argument("user")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The HTML file.")
@click.option("--benchmark", default="BTC", show_default=True, help="Asset to compare with, by its stored prices.")
@click.pass_obj
def tearsheet(lab: Path, user: str, output: Path, benchmark: str) -> None:
    """Write USER's tearsheet: daily returns, drawdowns and ratios, as one HTML page."""
    settings = settings_with_store(lab)
    if user not in settings.users:
        raise BadInputError(f"there is no user {user!r}: the users are {', '.join(settings.users) or 'none yet'}")
    from portfolio_lab import open_lab  # noqa: PLC0415
    from portfolio_lab.reports.tearsheet import write_tearsheet  # noqa: PLC0415

    click.echo(f"wrote {write_tearsheet(open_lab(lab), user, output, benchmark=benchmark)}")
