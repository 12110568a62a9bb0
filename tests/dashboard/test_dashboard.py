from __future__ import annotations

import asyncio
import importlib.util
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import pytest

from portfolio_lab.dashboard import page
from portfolio_lab.dashboard.explanation import PARTS_SHOWN, explanation_html, shown
from portfolio_lab.dashboard.html import Html, escape, tag
from portfolio_lab.dashboard.page import PortfolioDashboard
from portfolio_lab.dashboard.performance_stats import HEADLINE, performance_html
from portfolio_lab.engines.performance import FIGURES
from portfolio_lab.errors import StoreError
from portfolio_lab.explanation import Node


def _sample_frames() -> Any:
    spec = importlib.util.spec_from_file_location("sample_frames", Path(__file__).with_name("sample_frames.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_frames"] = module
    spec.loader.exec_module(module)
    return module


sample = _sample_frames()


def drawn(lab: Any) -> PortfolioDashboard:
    dashboard = PortfolioDashboard(lab, clock=lambda: sample.NOW)
    dashboard._render()  # not render(): a fault has to fail the test
    return dashboard


def texts(widget: widgets.Widget) -> str:
    """Return all HTML that hangs below a widget and is not hidden."""
    if isinstance(widget, widgets.HTML):
        return str(widget.value)
    if getattr(widget.layout, "display", None) == "none":
        return ""
    return " ".join(texts(child) for child in getattr(widget, "children", ()))


# ---------------------------------------------------------------- escaping


def test_only_html_passes_unescaped() -> None:
    assert escape("<b>") == "&lt;b&gt;"
    assert escape(Html("<b>")) == "<b>"
    assert tag("td", '"<', title='"x"') == '<td title="&quot;x&quot;">&quot;&lt;</td>'


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_a_name_from_data_is_never_markup(user: str) -> None:
    dashboard = drawn(sample.SampleLab(name=sample.EVIL))
    dashboard.users.value = user
    page = texts(dashboard.widget)
    assert "<img" not in page
    for panel in (
        dashboard.positions.widget,
        dashboard.orders.widget,
        dashboard.allocation.widget,
        dashboard.exposure.widget,
    ):
        assert "&lt;img src=x" in texts(panel)


# ---------------------------------------------------------------- what is drawn


def test_every_component_draws_its_frame() -> None:
    dashboard = drawn(sample.SampleLab())
    metrics = texts(dashboard.metrics.widget)
    for text in ("$353,942", "−$1,729", "+$76,387", "−33.80%", "1.12× / 0.76×", "0.77", "max −61.03%"):
        assert text in metrics
    assert "BTC-USDT-SWAP" in texts(dashboard.positions.widget)
    assert "168.20" in texts(dashboard.orders.widget)
    assert "Max drawdown" in texts(dashboard.performance.figures)
    assert "2024" in texts(dashboard.performance.months)
    assert "3 of 3 wallets ok" in texts(dashboard.sync.widget)
    assert "40 s ago" in texts(dashboard.sync.line)


def test_debts_are_printed_and_not_drawn() -> None:
    dashboard = drawn(sample.SampleLab())
    assert len(dashboard.allocation.pie.sizes) == 6
    assert "Liabilities" in texts(dashboard.allocation.widget)
    assert "−$19,670" in texts(dashboard.allocation.widget)


def test_a_range_draws_less_of_the_curve() -> None:
    dashboard = drawn(sample.SampleLab())
    everything = len(dashboard.equity.line.x)
    dashboard.equity.ranges.value = "1W"
    assert 160 <= len(dashboard.equity.line.x) <= 169 < everything
    assert dashboard.equity.line.x[0] >= np.datetime64((sample.SLOT - timedelta(days=7)).tz_localize(None))


def test_labels_of_the_money_axis_are_sent_before_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = drawn(sample.SampleLab())
    axis = dashboard.equity._axes[0]
    sent: list[str] = []
    monkeypatch.setattr(axis, "send_state", lambda *, key: sent.append(key))
    dashboard.equity.ranges.value = "1W"
    assert sent == ["tick_labels", "tick_values"]


def test_a_dimension_is_asked_of_the_lab() -> None:
    lab = sample.SampleLab()
    dashboard = drawn(lab)
    dashboard.allocation.choice.value = "venue"
    assert lab.calls[-1] == "allocation by venue"


def test_the_crosshair_reads_the_nearest_point() -> None:
    dashboard = drawn(sample.SampleLab())
    dashboard.equity.ranges.value = "1D"
    at = sample.SLOT - timedelta(hours=5, minutes=-7)
    dashboard.equity.crosshair.selected = np.array([at.tz_localize(None).to_datetime64()])
    assert "22 Nov 2026 09:00 UTC" in texts(dashboard.equity.widget)


def test_the_benchmark_starts_where_equity_is() -> None:
    dashboard = drawn(sample.SampleLab())
    first = dashboard.equity.other.x[0]
    place = int(np.searchsorted(dashboard.equity.line.x, first))
    assert dashboard.equity.other.y[0] == pytest.approx(dashboard.equity.line.y[place])
    dashboard.equity.with_benchmark.value = False
    assert not dashboard.equity.other.visible


# ---------------------------------------------------------------- what cannot be trusted is told


def test_a_partial_snapshot_is_a_banner_with_its_reason() -> None:
    dashboard = drawn(sample.SampleLab())
    assert texts(dashboard.sync.banner) == ""
    dashboard.users.value = "bob"
    banner = texts(dashboard.sync.banner)
    assert "newest snapshot is partial" in banner
    assert "okx:main trading did not answer" in banner
    assert "22 Nov 2026 12:00 UTC" in banner


def test_old_data_is_a_banner_even_when_complete() -> None:
    dashboard = PortfolioDashboard(sample.SampleLab(), clock=lambda: sample.NOW + timedelta(hours=1))
    dashboard._render()
    assert "data is old" in texts(dashboard.sync.banner)


def test_unknown_is_a_dash() -> None:
    rows = texts(drawn(sample.SampleLab()).positions.widget)
    assert 'data-heading="Exposure">—' in rows
    assert 'data-heading="Liquidation">—' in rows


def test_a_fault_is_a_banner_and_does_not_escape_the_callback() -> None:
    class Broken(sample.SampleLab):  # type: ignore[misc, name-defined]
        def positions(self, user: str) -> pd.DataFrame:
            raise StoreError("the file <x> is damaged: restore it")

    dashboard = PortfolioDashboard(Broken(), clock=lambda: sample.NOW)
    dashboard.render()
    assert "the file &lt;x&gt; is damaged" in texts(dashboard.widget)


# ---------------------------------------------------------------- empty states


def test_a_lab_without_snapshots_says_so_everywhere() -> None:
    page = texts(drawn(sample.EmptyLab()).widget)
    for sentence in (
        "No snapshot yet", "No complete snapshot", "Nothing is held yet", "No exposure", "No open positions",
        "No open orders", "No closed day yet", "No wallet has been read yet",
    ):  # fmt: skip
        assert sentence in page
    assert "$0" not in page


def test_a_lab_without_users_says_what_to_run() -> None:
    class Nobody(sample.SampleLab):  # type: ignore[misc, name-defined]
        def users(self) -> pd.DataFrame:
            return super().users().iloc[:0]

    assert "accounts add" in texts(drawn(Nobody()).widget)


def test_a_single_snapshot_is_a_sentence_not_a_line() -> None:
    class First(sample.SampleLab):  # type: ignore[misc, name-defined]
        def equity_curve(self, user: str, since: Any = None, points: int = 1500) -> pd.DataFrame:
            return super().equity_curve(user, None, points).iloc[-1:]

    assert "One complete snapshot so far" in texts(drawn(First()).equity.widget)


# ---------------------------------------------------------------- tearsheet


def test_the_tearsheets_of_the_chosen_user_are_offered() -> None:
    dashboard = drawn(sample.SampleLab())
    dashboard.users.value = "bob"
    user, *accounts, everyone = [part for _, part in dashboard.tearsheet.part.options]
    assert (user, everyone) == (("bob", None), (None, None))
    read = dashboard._lab.wallets("bob")["account"]
    assert accounts == [("bob", account) for account in sorted(set(read))]


# ---------------------------------------------------------------- trades, figures, explanations


def test_few_figures_are_seen_and_the_rest_is_folded() -> None:
    every = pd.Series(dict.fromkeys(FIGURES, 0.5))
    page = performance_html(every)
    seen, folded = page.split("<details", 1)
    assert seen.count("<dt") == len(HEADLINE)
    assert folded.count("<dt") == len(FIGURES) - len(HEADLINE)
    assert f"{len(FIGURES) - len(HEADLINE)} more figures" in folded
    assert "0.50 (0.50 to 0.50)" in seen  # the Sharpe ratio with its interval


def test_trades_are_told_with_the_interval_of_their_win_rate() -> None:
    panel = texts(drawn(sample.SampleLab()).trades.widget)
    assert "57.1% (42% to 71%)" in panel
    assert "DOGE" in panel
    # Six round trips are too few for a rate.
    assert '<td class="pl-num" data-heading="Round trips">—</td>' in panel


async def test_a_page_that_refreshes_itself_gets_its_trades_after_the_first_paint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "BEAT_SECONDS", 0.01)
    dashboard = PortfolioDashboard(sample.SampleLab(), clock=lambda: sample.NOW)
    dashboard.render()
    assert "follow in a moment" in texts(dashboard.trades.widget)
    dashboard.start()
    await asyncio.sleep(0.2)
    dashboard.stop()
    assert "57.1%" in texts(dashboard.trades.widget)


def test_without_a_trade_the_panel_says_so() -> None:
    assert "No position has been closed yet" in texts(drawn(sample.EmptyLab()).trades.widget)


def test_nothing_is_explained_before_a_figure_is_chosen() -> None:
    lab = sample.SampleLab()
    dashboard = drawn(lab)
    assert not [call for call in lab.calls if call.startswith("explain")]
    dashboard.explanation.choice.value = "equity"
    assert "explain equity" in lab.calls
    tree = texts(dashboard.explanation.widget)
    assert tree.count("<details") == 2
    assert "$200.00" in tree
    assert "quantity x price" in tree


def test_an_explanation_that_cannot_be_given_says_why() -> None:
    dashboard = drawn(sample.EmptyLab())
    dashboard.explanation.choice.value = "equity"
    assert "no complete snapshot" in texts(dashboard.explanation.widget)


def test_a_name_in_an_explanation_is_never_markup() -> None:
    dashboard = drawn(sample.SampleLab(name=sample.EVIL))
    dashboard.explanation.choice.value = "equity"
    tree = texts(dashboard.explanation.widget)
    assert "<img" not in tree
    assert "&lt;img" in tree


def test_values_are_shown_by_their_unit() -> None:
    assert shown(Node("equity", -1_729.5, "USD"), "USD") == "−$1,729.50"
    assert shown(Node("twr", 0.0113, "fraction"), "USD") == "1.1300%"
    assert shown(Node("quantity", -0.25, "BTC"), "USD") == "−0.25 BTC"
    assert shown(Node("quantity", float("nan"), "BTC"), "USD") == "—"


def test_a_figure_of_many_parts_says_how_many_more_there_are() -> None:
    days = tuple(Node(f"day {place}", 0.0, "fraction") for place in range(PARTS_SHOWN + 7))
    page = explanation_html(Node("twr", 0.0, "fraction", "linked", days), "USD")
    assert page.count("pl-leaf") == PARTS_SHOWN
    assert "and 7 more" in page
