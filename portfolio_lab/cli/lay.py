"""`portfolio-lab init`: a new lab."""

from __future__ import annotations

from pathlib import Path

import click

from portfolio_lab.cli.frame import command


@command("init", examples="portfolio-lab --lab ~/lab init")
@click.option("--store", "place", default="store", help="The store's folder, or s3://bucket/prefix.")
@click.pass_obj
def init(lab: Path, place: str) -> None:
    """Make a new lab: lab.toml, an empty store, and the notebooks."""
    from portfolio_lab.layout import lay_lab  # noqa: PLC0415

    for path in lay_lab(lab, store=place):
        click.echo(f"made {path}")
    click.echo(f"next: portfolio-lab --lab {lab} accounts add USER VENUE --label LABEL --credentials -")
