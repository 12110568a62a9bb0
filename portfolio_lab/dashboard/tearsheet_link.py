"""The way to a tearsheet: chosen, drawn in the background, and handed out as a download."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from portfolio_lab.dashboard.html import Html, html_widget, show, tag
from portfolio_lab.errors import PortfolioLabError
from portfolio_lab.reports.apart import page_apart
from portfolio_lab.reports.cache import SheetCache, cache_of
from portfolio_lab.reports.sheet import Books, Sheet, sheet_of
from portfolio_lab.reports.tearsheet import KINDS, Kind, file_name, page_of

LOG = logging.getLogger(__name__)

_EVERYONE = "All users together"
_KIND_NAMES: dict[str, Kind] = {"Native": "native", "quantstats": "quantstats"}

# What reading and drawing can run into. A callback that raised would send its traceback to the reader's browser.
_FAULTS = (PortfolioLabError, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)

_Part = tuple[str | None, str | None]


class TearsheetLink:
    """A choice of whose tearsheet and of which kind, a button, and what has become of it.

    The native one is drawn at once; the one by quantstats in a process of its own, so that the page
    goes on. What was drawn before is not drawn again. The server hands out no files, so the page
    itself is put into a link for download.
    """

    def __init__(self, lab: Books, folder: Path | None) -> None:
        self._lab = lab
        self._cache: SheetCache | None = None if folder is None else cache_of(folder)
        self._offered: tuple[_Part, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self.part = widgets.Dropdown(options=[], description="Of")
        self.kind = widgets.Dropdown(options=list(_KIND_NAMES.items()), value=KINDS[-1], description="Kind")
        self.button = widgets.Button(description="Tearsheet")
        self.button.add_class("pl-button")
        for choice in (self.part, self.kind):
            choice.add_class("pl-choice")
        self._told = html_widget()
        self.button.on_click(self._asked)
        self.part.observe(self._forget, names="value")
        self.kind.observe(self._forget, names="value")
        row = widgets.Box([self.part, self.kind, self.button])
        row.add_class("pl-tearsheet-choice")
        self.widget = widgets.VBox([row, self._told])

    def draw(self, user: str, accounts: Sequence[str] = ()) -> None:
        """Offer the tearsheets of `user`, of each of their accounts ("venue:label"), and of everyone."""
        parts = ((user, None), *((user, account) for account in accounts), (None, None))
        if parts == self._offered:
            return
        chosen = self.part.value if self.part.value in parts and self._offered else parts[0]
        self._offered = parts
        self.part.options = [(_title(part), part) for part in parts]
        self.part.value = chosen

    async def finished(self) -> None:
        """Return when nothing is being drawn any more."""
        if self._task is not None:
            await self._task

    # ------------------------------------------------------------ drawing

    def _asked(self, _button: Any) -> None:  # noqa: ANN401 - ipywidgets passes the button
        part, kind = self.part.value, self.kind.value
        try:
            sheet = sheet_of(self._lab, *part)
            if kind == "native" or self._is_kept(sheet, kind):
                self._hand_out(part, kind, page_of(sheet, kind, self._cache))
            else:
                self._begin(part, sheet)
        except _FAULTS as error:
            self._fail(part, error)

    def _is_kept(self, sheet: Sheet, kind: Kind) -> bool:
        return self._cache is not None and self._cache.has(sheet, kind)

    def _begin(self, part: _Part, sheet: Sheet) -> None:
        self.button.disabled = True
        show(self._told, tag("p", f"The tearsheet of {sheet.name} is being drawn ...", class_="pl-tearsheet"))
        drawing = self._draw_apart(part, sheet)
        try:
            self._task = asyncio.get_running_loop().create_task(drawing)
        except RuntimeError:  # nobody's page waits here
            asyncio.run(drawing)

    async def _draw_apart(self, part: _Part, sheet: Sheet) -> None:
        try:
            page = await asyncio.to_thread(page_apart, sheet)
            if self._cache is not None:
                page = self._cache.page(sheet, "quantstats", lambda: page)
            self._hand_out(part, "quantstats", page)
        except _FAULTS as error:
            self._fail(part, error)
        finally:
            self.button.disabled = False

    # ------------------------------------------------------------ telling

    def _hand_out(self, part: _Part, kind: Kind, page: str) -> None:
        name = file_name(*part, kind)
        address = f"data:text/html;base64,{base64.b64encode(page.encode()).decode('ascii')}"
        link = tag("a", f"Download {name}", href=address, download=name)
        size = tag("span", f"ready, {len(page) / 1000:,.0f} kB", class_="pl-note")
        show(self._told, tag("p", link, " · ", size, class_="pl-tearsheet"))

    def _fail(self, part: _Part, error: Exception) -> None:
        if isinstance(error, PortfolioLabError):
            reason = str(error)
        else:
            number = secrets.token_hex(3)
            LOG.error("tearsheet fault %s", number, exc_info=error)
            reason = f"fault {number}, which the log explains"
        told = f"The tearsheet of {_title(part)} could not be drawn: {reason}"
        show(self._told, tag("p", told, class_="pl-tearsheet", role="alert"))

    def _forget(self, _change: Any) -> None:  # noqa: ANN401 - ipywidgets passes what changed
        # What was said was said about another choice.
        if not self.button.disabled:
            show(self._told, Html(""))


def _title(part: _Part) -> str:
    user, account = part
    return _EVERYONE if user is None else user if account is None else f"{user} / {account.replace(':', ' / ')}"
