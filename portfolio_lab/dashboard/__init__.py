"""The dashboard: it reads frames from a Lab and draws them. It computes no finance and never syncs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portfolio_lab.dashboard.page import LabFrames, PortfolioDashboard, portfolio_dashboard

__all__ = ["LabFrames", "PortfolioDashboard", "portfolio_dashboard"]


def __getattr__(name: str) -> object:
    # Widgets take half a second to import; `portfolio_lab.dashboard.serve` does without them.
    if name in __all__:
        from portfolio_lab.dashboard import page  # noqa: PLC0415

        return getattr(page, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
