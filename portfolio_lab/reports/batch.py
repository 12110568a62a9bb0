"""Batch: the tearsheets of every user, every account and the desk in one folder, with a page that links them."""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio_lab.engines.performance import metrics
from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.reports.cache import SheetCache, write_whole
from portfolio_lab.reports.pdf import print_pdf
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, Sheet, sheet_of
from portfolio_lab.reports.tearsheet import Kind, file_name, page_of

if TYPE_CHECKING:
    from portfolio_lab.lab import Lab

INDEX = "index.html"

# What reading, drawing and writing one sheet can run into; the others are drawn all the same.
_FAULTS = (PortfolioLabError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """What a tearsheet is of: a user, one account of theirs, or (without a user) the whole desk."""

    user: str | None = None
    account: str | None = None

    @property
    def name(self) -> str:
        """As a reader knows it."""
        if self.user is None:
            return "desk (all users)"
        return " / ".join((self.user, *(self.account.split(":") if self.account else ())))


@dataclass(frozen=True, slots=True)
class Order:
    """How each part is to be drawn."""

    kinds: Sequence[Kind]
    benchmark: str | None = "BTC"
    pdf: bool = False
    cache: SheetCache | None = None


@dataclass(slots=True)
class Outcome:
    """What was written, and what could not be, with the reason."""

    written: dict[Part, list[Path]] = field(default_factory=dict)
    sheets: dict[Part, Sheet] = field(default_factory=dict)
    failed: dict[Part, str] = field(default_factory=dict)


def parts_of(lab: Lab) -> list[Part]:
    """Return every user with their accounts behind them, and the desk at the end."""
    parts: list[Part] = []
    for user in map(str, lab.users().index):
        configured = [f"{account.venue}:{account.label}" for account in lab.settings.accounts_of(user)]
        read = map(str, lab.wallets(user)["account"])
        parts += [Part(user), *(Part(user, account) for account in dict.fromkeys([*configured, *read]))]
    return [*parts, Part()]


def write_part(lab: Lab, part: Part, order: Order, place: Callable[[Kind], Path]) -> tuple[Sheet, list[Path]]:
    """Write one part in every kind that is ordered, and return its sheet and the paths.

    Raises:
        BadInputError: what `sheet_of`, `page_of` and `print_pdf` tell; a path that cannot be written.
    """
    sheet = sheet_of(lab, part.user, part.account, benchmark=order.benchmark)
    paths: list[Path] = []
    for kind in order.kinds:
        asked = place(kind)
        output = asked.with_suffix(".html") if asked.suffix == ".pdf" else asked
        if not output.parent.is_dir():
            raise BadInputError(f"there is no folder {output.parent}: make it first, or name another output")
        page = page_of(sheet, kind, order.cache)
        try:
            write_whole(output, page)
        except OSError as error:
            raise BadInputError(f"cannot write {output} ({error.strerror or error}): name another output") from error
        paths.append(output)
        if order.pdf or asked.suffix == ".pdf":
            paths.append(print_pdf(output, output.with_suffix(".pdf")))
    return sheet, paths


def write_all(lab: Lab, folder: Path, order: Order, tell: Callable[[str], None]) -> Outcome:
    """Write every part of the book into `folder`, made when it is not there, and index.html last.

    One that cannot be drawn is told and passed over: `failed` says which, and why.

    Args:
        lab: whose book.
        folder: where to.
        order: how.
        tell: is given one line a sheet, with the count and the time that is left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"cannot make the folder {folder} ({error.strerror}): name another one") from error
    parts, began, outcome = parts_of(lab), time.monotonic(), Outcome()
    for count, part in enumerate(parts, start=1):
        told = _try(lab, part, order, folder, outcome)
        left = (time.monotonic() - began) / count * (len(parts) - count)
        tell(f"{count}/{len(parts)} {part.name}: {told}" + (f", about {left:.0f} s left" if count < len(parts) else ""))
    write_whole(folder / INDEX, _index(outcome))
    return outcome


def _try(lab: Lab, part: Part, order: Order, folder: Path, outcome: Outcome) -> str:
    def place(kind: Kind) -> Path:
        return folder / file_name(part.user, part.account, kind)

    try:
        outcome.sheets[part], outcome.written[part] = write_part(lab, part, order, place)
    except _FAULTS as error:
        known = isinstance(error, PortfolioLabError)
        outcome.failed[part] = str(error) if known else f"{type(error).__name__}: {error}"
        logger.warning("tearsheet_not_drawn part=%s", part.name, exc_info=None if known else error)
        return "could not be drawn"
    return ", ".join(path.name for path in outcome.written[part])


# ---------------------------------------------------------------- the page that links them

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
th:first-child, td:first-child, td:last-child, th:last-child { text-align: left; }
td { font-variant-numeric: tabular-nums; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SHOWN = (("days", "Days"), ("total_return", "Return"), ("sharpe", "Sharpe"), ("max_drawdown", "Max drawdown"))


def _index(outcome: Outcome) -> str:
    heads = "".join(f"<th>{title}</th>" for _, title in _SHOWN)
    rows = "".join(_row(part, outcome.sheets[part], paths) for part, paths in outcome.written.items())
    failed = "".join(
        f"<li>{html.escape(part.name)}: {html.escape(reason)}</li>" for part, reason in outcome.failed.items()
    )
    lost = f"<h2>Could not be drawn</h2><ul>{failed}</ul>" if failed else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Tearsheets</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>Tearsheets</h1><table><thead><tr><th>Of</th>{heads}<th>Pages</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{lost}</body></html>"
    )


def _row(part: Part, sheet: Sheet, paths: list[Path]) -> str:
    figures = metrics(sheet.known, PERIODS_PER_YEAR)
    cells = "".join(f"<td>{_shown(name, float(figures[name]))}</td>" for name, _ in _SHOWN)
    links = " &middot; ".join(f'<a href="{html.escape(_address(path))}">{_label(path)}</a>' for path in paths)
    return f"<tr><td>{html.escape(part.name)}</td>{cells}<td>{links}</td></tr>"


def _address(path: Path) -> str:
    return path.name.replace("%", "%25")


def _label(path: Path) -> str:
    kind = path.stem.rsplit("-", 1)[-1]
    return f"{kind} PDF" if path.suffix == ".pdf" else kind


def _shown(name: str, value: float) -> str:
    if value != value:  # noqa: PLR0124 - NaN: unknown
        return "&ndash;"
    return f"{value:.0f}" if name == "days" else f"{value:.2f}" if name == "sharpe" else f"{value:.2%}"
