"""`portfolio-lab store`: look after the store itself."""

from __future__ import annotations

import click

from portfolio_lab.cli.frame import Doors


@click.group("store", cls=Doors)
def store() -> None:
    """Look after the store itself: its files, its copies, its repair."""
