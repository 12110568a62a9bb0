"""A laboratory for crypto portfolios: read-only sync, snapshots that can be trusted, frames to work with.

from portfolio_lab import open_lab, demo_lab

lab = open_lab("path/to/lab")      # or demo_lab(): a small sample, without keys or network
lab.users()
lab.equity("alice")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portfolio_lab.lab import Lab, open_lab
    from portfolio_lab.sample import demo_lab

__all__ = ["Lab", "demo_lab", "open_lab"]

_HOMES = {"Lab": "portfolio_lab.lab", "open_lab": "portfolio_lab.lab", "demo_lab": "portfolio_lab.sample"}


def __getattr__(name: str) -> object:
    # Looked up on first use: importing the package costs nothing until something is asked of it.
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415 - the same

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
