"""Colours and sizes, as names that the stylesheet gives a value in dark and in light."""

from __future__ import annotations

from pathlib import Path

ACCENT = "var(--pl-accent)"
UP = "var(--pl-up)"
DOWN = "var(--pl-down)"
MUTED = "var(--pl-muted)"
GRID = "var(--pl-grid)"
SLICES = tuple(f"var(--pl-slice-{number})" for number in range(1, 8))
"""Colours of the largest slices; the last one is for "other"."""

TEMPLATE_ROOT = Path(__file__).resolve().parent / "template"
"""Folder that is put on JUPYTER_PATH so that Voila finds the template."""

TEMPLATE = "portfolio"
_TEMPLATE_FOLDER = TEMPLATE_ROOT / "voila" / "templates" / TEMPLATE


def stylesheet() -> str:
    """Return the dashboard's CSS, for pages that Voila's template does not make."""
    return (_TEMPLATE_FOLDER / "portfolio.css").read_text(encoding="utf-8")
