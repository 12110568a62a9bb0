"""Apart: a page by quantstats drawn in a process of its own, so that who asked for it goes on meanwhile.

The child is told the sheet and nothing else: it opens no store, and its environment holds no secret.

    python -m portfolio_lab.reports.apart < sheet.json > page.html
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import Any

import pandas as pd

from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.reports.sheet import Sheet

SECONDS = 180.0
"""A page that is not drawn by then is given up."""

# What Python and the libraries need to start, and where matplotlib keeps its list of fonts.
_HANDED_ON = (
    "HOME", "LANG", "LC_ALL", "MPLCONFIGDIR", "PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
)  # fmt: skip
_REFUSED = 2
_DAY = "%Y-%m-%d"


def page_apart(sheet: Sheet, *, seconds: float = SECONDS) -> str:
    """Return the page by quantstats, drawn in a process of its own; blocks until it is there.

    Raises:
        BadInputError: quantstats cannot draw this sheet.
        PortfolioLabError: the process failed, or did not end in time.
    """
    environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    try:
        drawn = subprocess.run(
            [sys.executable, "-m", "portfolio_lab.reports.apart"],
            input=to_text(sheet).encode(),
            capture_output=True,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PortfolioLabError(f"the tearsheet was not drawn within {seconds:g} s: try again later") from error
    told = drawn.stderr.decode(errors="replace").strip()
    if drawn.returncode == _REFUSED:
        raise BadInputError(told)
    if drawn.returncode:
        last = told.splitlines()[-1] if told else f"exit code {drawn.returncode}"
        raise PortfolioLabError(f"the tearsheet could not be drawn ({last}): try the native one")
    return drawn.stdout.decode()


def to_text(sheet: Sheet) -> str:
    """Return the sheet as JSON, every number to its last bit."""
    return json.dumps(
        {
            "name": sheet.name,
            "scope": sheet.scope,
            "known": _told(sheet.known),
            "returns": _told(sheet.returns),
            "benchmark": None if sheet.benchmark is None else [str(sheet.benchmark.name), _told(sheet.benchmark)],
            "notes": list(sheet.notes),
            "missing": _days(sheet.missing),
            "estimated": _days(sheet.estimated),
        }
    )


def from_text(text: str) -> Sheet:
    """Return the sheet that `to_text` told."""
    told: dict[str, Any] = json.loads(text)
    beside = told["benchmark"]
    return Sheet(
        name=told["name"],
        scope=told["scope"],
        known=_heard(told["known"]),
        returns=_heard(told["returns"]),
        benchmark=None if beside is None else _heard(beside[1]).rename(beside[0]),
        notes=tuple(told["notes"]),
        missing=pd.DatetimeIndex(told["missing"]),
        estimated=pd.DatetimeIndex(told["estimated"]),
    )


def _told(series: pd.Series) -> dict[str, float]:
    return dict(zip(_days(pd.DatetimeIndex(series.index)), map(float, series), strict=True))


def _heard(told: dict[str, float]) -> pd.Series:
    return pd.Series(list(told.values()), pd.DatetimeIndex(list(told)), dtype="float64")


def _days(days: pd.DatetimeIndex) -> list[str]:
    return [str(day) for day in days.strftime(_DAY)]


def _main() -> int:
    from portfolio_lab.reports.tearsheet import page_of  # noqa: PLC0415 - who asks for the page need not draw

    sheet = from_text(sys.stdin.buffer.read().decode())
    try:
        with contextlib.redirect_stdout(sys.stderr):  # nothing but the page may be among it
            page = page_of(sheet, "quantstats")
    except BadInputError as error:
        sys.stderr.write(str(error))
        return _REFUSED
    sys.stdout.buffer.write(page.encode())
    return 0


if __name__ == "__main__":
    sys.exit(_main())
