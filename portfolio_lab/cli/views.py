"""`portfolio-lab dashboard` and `tearsheet`: what people look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portfolio_lab.cli.frame import clean, command, settings_with_store
from portfolio_lab.errors import BadInputError

if TYPE_CHECKING:
    from portfolio_lab.lab import Lab
    from portfolio_lab.reports.batch import Order, Part
    from portfolio_lab.reports.tearsheet import Kind


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


@command(
    "tearsheet",
    examples="""
portfolio-lab --lab ~/lab tearsheet alice -o alice.html
portfolio-lab --lab ~/lab tearsheet alice --account binance/main --kind native
portfolio-lab --lab ~/lab tearsheet --desk --kind both --pdf
portfolio-lab --lab ~/lab tearsheet --all -o sheets
""",
)
@click.argument("user", required=False)
@click.option("--account", metavar="VENUE/LABEL", help="One account of USER; without it all of them together.")
@click.option("--desk", is_flag=True, help="All users together.")
@click.option("--all", "every", is_flag=True, help="Every user, every account and the desk, into one folder.")
@click.option(
    "--kind",
    type=click.Choice(["quantstats", "native", "both"]),
    default="quantstats",
    show_default=True,
    help="Drawn by quantstats, with our figures first, or by ourselves: at once, light and dark.",
)
@click.option("--pdf", is_flag=True, help="A PDF beside each page, printed by a Chromium of this machine.")
@click.option("--benchmark", default="BTC", show_default=True, help="Asset to compare with; none for none.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The HTML file, or a folder.")
@click.pass_context
def tearsheet(
    context: click.Context,
    /,
    user: str | None,
    account: str | None,
    output: Path | None,
    **asked: Any,  # noqa: ANN401 - the other options, as click gives them
) -> None:
    """Write USER's tearsheet: daily returns, drawdowns and ratios, as one HTML page."""
    part = _part(user, account, desk=asked["desk"], every=asked["every"])
    lab, order = _lab_and_order(context.obj, part, asked)
    if part is None:
        _write_all(context, lab, output or Path("tearsheets"), order)
        return
    from portfolio_lab.reports.batch import write_part  # noqa: PLC0415

    _, paths = write_part(lab, part, order, lambda kind: _place(output, part, kind, order))
    for path in paths:
        click.echo(f"wrote {path}")


def _part(user: str | None, account: str | None, *, desk: bool, every: bool) -> Part | None:
    """Return what the sheet is of, None for every part."""
    from portfolio_lab.reports.batch import Part  # noqa: PLC0415

    if (user is not None) + desk + every != 1:
        raise BadInputError("name one of these: a USER, --desk, or --all")
    if account is not None and user is None:
        raise BadInputError("--account needs the USER whose account it is")
    return None if every else Part(user, None if account is None else account.replace("/", ":", 1))


def _lab_and_order(root: Path, part: Part | None, asked: dict[str, Any]) -> tuple[Lab, Order]:
    settings = settings_with_store(root)
    if part is not None and part.user is not None and part.user not in settings.users:
        raise BadInputError(f"there is no user {part.user!r}: the users are {', '.join(settings.users) or 'none yet'}")
    from portfolio_lab import open_lab  # noqa: PLC0415
    from portfolio_lab.reports.batch import Order  # noqa: PLC0415
    from portfolio_lab.reports.cache import cache_of  # noqa: PLC0415
    from portfolio_lab.reports.pdf import find_browser  # noqa: PLC0415
    from portfolio_lab.reports.tearsheet import KINDS  # noqa: PLC0415

    if asked["pdf"]:
        find_browser()  # told now, not after an hour of drawing
    kinds = KINDS if asked["kind"] == "both" else (asked["kind"],)
    benchmark = None if asked["benchmark"].lower() == "none" else asked["benchmark"]
    return open_lab(root), Order(kinds, benchmark, pdf=asked["pdf"], cache=cache_of(settings.root))


def _place(output: Path | None, part: Part, kind: Kind, order: Order) -> Path:
    from portfolio_lab.reports.tearsheet import file_name  # noqa: PLC0415

    if output is None or output.is_dir():
        return (output or Path()) / file_name(part.user, part.account, kind)
    return output if len(order.kinds) == 1 else output.with_stem(f"{output.stem}-{kind}")


def _write_all(context: click.Context, lab: Lab, folder: Path, order: Order) -> None:
    from portfolio_lab.reports.batch import INDEX, write_all  # noqa: PLC0415

    outcome = write_all(lab, folder, order, lambda line: click.echo(clean(line)))
    click.echo(f"wrote {folder / INDEX}: {len(outcome.written)} drawn, {len(outcome.failed)} not")
    for part, reason in outcome.failed.items():
        click.echo(clean(f"not drawn: {part.name}: {reason}"), err=True)
    if outcome.failed:
        context.exit(1)
