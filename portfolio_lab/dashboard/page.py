"""The page: components put together, one render for the first paint and for every change."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.allocation_chart import AssetAllocationChart
from portfolio_lab.dashboard.equity_chart import EquityChart
from portfolio_lab.dashboard.explanation import ExplanationPanel
from portfolio_lab.dashboard.exposure_chart import ExposureChart
from portfolio_lab.dashboard.html import Html, html_widget, show, tag
from portfolio_lab.dashboard.metrics_bar import MetricsBar
from portfolio_lab.dashboard.orders_table import OrdersTable
from portfolio_lab.dashboard.performance_stats import PerformanceStats
from portfolio_lab.dashboard.positions_table import PositionsTable
from portfolio_lab.dashboard.sync_status import SyncStatus
from portfolio_lab.dashboard.tables import empty
from portfolio_lab.dashboard.tearsheet_link import TearsheetLink
from portfolio_lab.dashboard.theme import stylesheet
from portfolio_lab.dashboard.trades_panel import TradesPanel
from portfolio_lab.errors import PortfolioLabError
from portfolio_lab.explanation import Node
from portfolio_lab.scopes import Scope

LOG = logging.getLogger(__name__)
LOG_FILE_VARIABLE = "PORTFOLIO_LAB_DASHBOARD_LOG"
REFRESH_SECONDS = 30
BEAT_SECONDS = 5
CURVE_POINTS = 1_500

# What reading and drawing can run into. A callback that raised would send its traceback to the reader's browser.
_FAULTS = (
    PortfolioLabError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
)


class LabFrames(Protocol):
    """The part of a Lab that the dashboard draws; portfolio_lab/lab.py tells the columns."""

    currency: str

    def users(self) -> pd.DataFrame: ...  # noqa: D102
    def wallets(self, user: str) -> pd.DataFrame: ...  # noqa: D102
    def headline(self, user: str) -> pd.Series: ...  # noqa: D102
    def positions(self, user: str) -> pd.DataFrame: ...  # noqa: D102
    def open_orders(self, user: str) -> pd.DataFrame: ...  # noqa: D102
    def exposure(self, user: str) -> pd.DataFrame: ...  # noqa: D102
    def performance(self, user: str) -> pd.Series: ...  # noqa: D102
    def returns(self, user: str) -> pd.Series: ...  # noqa: D102
    def pnl(self, user: str) -> pd.DataFrame: ...  # noqa: D102
    def scope(self, user: str | None = None, account: str | None = None) -> Scope: ...  # noqa: D102
    def monthly_returns(self, user: str) -> pd.DataFrame: ...  # noqa: D102
    def trade_statistics(self, user: str, by: str | None = None) -> pd.DataFrame: ...  # noqa: D102
    def explain(self, user: str, figure: str = "equity") -> Node: ...  # noqa: D102
    def allocation(self, user: str, by: str = "asset") -> pd.DataFrame: ...  # noqa: D102
    def benchmark(self, asset: str = "BTC", since: datetime | None = None) -> pd.Series: ...  # noqa: D102
    def equity_curve(self, user: str, since: datetime | None = None, points: int = CURVE_POINTS) -> pd.DataFrame: ...  # noqa: D102


def portfolio_dashboard(lab: LabFrames, *, clock: Callable[[], datetime] | None = None) -> widgets.Widget:
    """Return the dashboard of `lab` as one widget that refreshes itself while its kernel lives."""
    dashboard = PortfolioDashboard(lab, clock=clock)
    dashboard.render()
    dashboard.start()
    return dashboard.widget


class PortfolioDashboard:
    """Holds the components and the reader's choices; `render` draws them all from the lab's frames."""

    def __init__(self, lab: LabFrames, *, clock: Callable[[], datetime] | None = None) -> None:
        self._lab = lab
        self._clock = clock or (lambda: datetime.now(UTC))
        self._task: asyncio.Task[None] | None = None
        self._offering = False
        # Years of fills take a while: a page that refreshes itself is painted without trades, and gets them then.
        self._is_painted = not _has_loop()
        self.users = widgets.Dropdown(options=[], description="User")
        self.users.add_class("pl-users")
        self.metrics = MetricsBar()
        self.equity = EquityChart()
        self.allocation = AssetAllocationChart()
        self.exposure = ExposureChart()
        self.positions = PositionsTable()
        self.orders = OrdersTable()
        self.performance = PerformanceStats()
        self.trades = TradesPanel()
        self.explanation = ExplanationPanel()
        self.tearsheet = TearsheetLink(lab, _folder_of(lab))
        self.sync = SyncStatus()
        self._fault = html_widget(None, "pl-banner-box")
        self._beat = html_widget(None, "pl-beat")
        self._nothing = html_widget(None, "pl-nothing")
        self._body = self._lay_body()
        self.widget = self._lay_page()
        self.users.observe(self._chosen, names="value")
        self.allocation.choice.observe(self._chosen, names="value")
        self.equity.on_choice(self._chosen)
        self.explanation.on_choice(self._chosen)

    def render(self) -> None:
        """Draw everything anew; a fault is told on the page with a number that the log repeats."""
        try:
            self._render()
        except _FAULTS as error:
            show(self._fault, _fault_html(error))
        else:
            show(self._fault, Html(""))

    def start(self) -> None:
        """Refresh in the background from now on; without a running event loop nothing happens."""
        _log_to_file()
        if _has_loop():
            self._task = asyncio.get_running_loop().create_task(self._keep_fresh())

    def stop(self) -> None:
        """Refresh no more."""
        if self._task is not None:
            self._task.cancel()

    async def _keep_fresh(self) -> None:
        # The beat is what the page listens for: when it stops, the page says that the connection is lost.
        beats = 0
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            beats += 1
            show(self._beat, tag("i", data_beat=beats))
            if not self._is_painted or beats % (REFRESH_SECONDS // BEAT_SECONDS) == 0:
                self._is_painted = True
                self.render()

    def _render(self) -> None:
        now, users = self._clock(), self._lab.users()
        self._offer(users)
        user = self.users.value
        self._body.layout.display = "none" if user is None else ""
        show(self._nothing, Html("") if user is not None else _no_users())
        if user is None:
            return
        state, currency = users.loc[user], self._lab.currency
        wallets = self._lab.wallets(user)
        self.sync.draw(state, wallets, currency=currency, now=now)
        self._draw_curve(user, state, currency)
        self.allocation.draw(self._lab.allocation(user, by=self.allocation.choice.value), currency=currency)
        self.exposure.draw(self._lab.exposure(user), currency=currency)
        self.positions.draw(self._lab.positions(user), currency=currency)
        self.orders.draw(self._lab.open_orders(user))
        self.performance.draw(self._lab.performance(user), self._lab.monthly_returns(user))
        if self._is_painted:
            self._draw_trades(user, currency)
        self._explain(user, currency)
        self.tearsheet.draw(user, sorted(set(wallets["account"])))

    def _draw_trades(self, user: str, currency: str) -> None:
        by_underlying = self._lab.trade_statistics(user, by="underlying")
        self.trades.draw(self._lab.trade_statistics(user), by_underlying, currency=currency)

    def _explain(self, user: str, currency: str) -> None:
        figure = self.explanation.choice.value
        try:
            node = self._lab.explain(user, figure) if figure else None
        except PortfolioLabError as error:
            self.explanation.tell(str(error))
        else:
            self.explanation.draw(node, currency=currency)

    def _draw_curve(self, user: str, state: pd.Series, currency: str) -> None:
        since = self.equity.since(state.get("complete_slot"))
        curve = self._lab.equity_curve(user, since=since, points=CURVE_POINTS)
        benchmark = (
            self._lab.benchmark("BTC", since=since) if self.equity.with_benchmark.value else pd.Series(dtype=float)
        )
        self.equity.draw(curve, benchmark, currency=currency)
        headline = self._lab.headline(user)
        self.metrics.draw(headline, currency=currency, curve=curve["equity"] if not curve.empty else None)

    def _offer(self, users: pd.DataFrame) -> None:
        names = [str(name) for name in users.index]
        if list(self.users.options) != names:
            chosen = self.users.value if self.users.value in names else next(iter(names), None)
            self._offering = True
            self.users.options = names
            self.users.value = chosen
            self._offering = False
        self.users.layout.display = "" if len(names) > 1 else "none"

    def _chosen(self, _change: dict[str, Any]) -> None:
        if not self._offering:
            self.render()

    def _lay_page(self) -> widgets.VBox:
        head = widgets.Box([html_widget(_brand()), self.users, self.sync.line])
        head.add_class("pl-top")
        children = [head, self._fault, self.sync.banner, self._nothing, self._body, self._beat]
        if not os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
            # Voila's template brings the stylesheet along; a notebook has to be given it.
            children.insert(0, widgets.HTML(value=f"<style>{stylesheet()}</style>"))
        page = widgets.VBox(children)
        page.add_class("pl-page")
        return page

    def _lay_body(self) -> widgets.Box:
        figures = widgets.VBox([self.performance.figures, self.tearsheet.widget])
        for name in ("pl-panel", "pl-performance"):
            figures.add_class(name)
        body = widgets.Box([
            self.metrics.widget, self.equity.widget, self.allocation.widget, self.exposure.widget,
            self.positions.widget, self.performance.months, figures, self.orders.widget, self.trades.widget,
            self.explanation.widget, self.sync.widget,
        ])  # fmt: skip
        body.add_class("pl-grid")
        return body


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _folder_of(lab: LabFrames) -> Path | None:
    settings = getattr(lab, "settings", None)
    return getattr(settings, "root", None)


def _brand() -> Html:
    path = tag("path", d="M3 16 L9 10 L13 13 L21 5", fill="none", stroke="currentColor", stroke_width="2.4")
    mark = tag("svg", path, viewBox="0 0 24 22", class_="pl-mark", aria_hidden="true")
    return tag("h1", mark, "Portfolio Lab", class_="pl-brand")


def _no_users() -> Html:
    return tag(
        "div",
        empty("This lab has no accounts yet.", "Run: portfolio-lab accounts add, then portfolio-lab sync"),
        class_="pl-panel",
    )


def _fault_html(error: Exception) -> Html:
    number = secrets.token_hex(3)
    LOG.error("render fault %s", number, exc_info=error)
    told = str(error) if isinstance(error, PortfolioLabError) else "The figures below may be old."
    return tag(
        "div",
        tag("b", "The page could not be refreshed. "),
        told,
        f" (fault {number})",
        class_="pl-banner pl-banner-serious",
        role="alert",
    )


def _log_to_file() -> None:
    # Log lines of a kernel would appear on the reader's page, so they go to a file or nowhere.
    package = logging.getLogger("portfolio_lab")
    package.propagate = False
    if package.handlers:
        return
    path = os.environ.get(LOG_FILE_VARIABLE)
    if path:
        Path(path).touch(mode=0o600)
    package.addHandler(logging.FileHandler(path, encoding="utf-8") if path else logging.NullHandler())
