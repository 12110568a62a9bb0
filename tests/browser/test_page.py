from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from portfolio_lab import demo_lab
from portfolio_lab.dashboard.serve import Server, running_dashboard

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PANELS = (
    ".pl-metrics", ".pl-equity", ".pl-allocation", ".pl-exposure", ".pl-positions", ".pl-months", ".pl-performance",
    ".pl-orders", ".pl-trades", ".pl-explanation", ".pl-sync", ".pl-users", ".pl-status-line",
)  # fmt: skip
EQUITY_LINE = ".pl-charts > .bqplot >> nth=0 >> path.line >> nth=1"


@dataclass
class Opened:
    """A page, and what it complained of or asked for elsewhere while it was open."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def opened(browser: Any, server: Server, **options: Any) -> Opened:
    page = browser.new_page(**{"viewport": {"width": 1440, "height": 900}} | options)
    result = Opened(page)
    page.on("pageerror", lambda error: result.complaints.append(str(error)))
    page.on("console", lambda said: result.complaints.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: result.elsewhere.append(asked.url) if _is_elsewhere(asked.url, server) else None)
    page.goto(server.url)
    page.wait_for_selector(".pl-equity path.line", state="attached", timeout=90_000)
    page.wait_for_timeout(1_500)
    return result


def _is_elsewhere(address: str, server: Server) -> bool:
    return not address.startswith((server.base, "data:", "blob:"))


@pytest.fixture(scope="module")
def desktop(browser: Any, server: Server) -> Iterator[Opened]:
    result = opened(browser, server)
    yield result
    result.page.close(run_before_unload=True)


def kernels(server: Server) -> int:
    """Return how many kernels run below the server."""
    assert server._child is not None
    children = psutil.Process(server._child.pid).children(recursive=True)
    return sum("ipykernel" in " ".join(child.cmdline()) for child in children)


def test_every_component_is_seen(desktop: Opened) -> None:
    for panel in PANELS:
        assert desktop.page.locator(panel).first.is_visible(), panel
    assert desktop.page.title() == "Portfolio Lab"
    assert desktop.page.locator(".pl-tile").count() == 7
    assert desktop.page.locator(".pl-positions tbody tr").count() == 4
    assert desktop.page.locator(".pl-allocation path.slice, .pl-allocation .slice path").count() >= 6


def test_a_range_changes_the_line(desktop: Opened) -> None:
    line = desktop.page.locator(EQUITY_LINE)
    before = line.get_attribute("d")
    desktop.page.get_by_role("button", name="1W").click()
    desktop.page.wait_for_function(
        """before => document.querySelectorAll('.pl-charts > .bqplot')[0]
            .querySelectorAll('path.line')[1].getAttribute('d') !== before""",
        arg=before,
        timeout=20_000,
    )
    desktop.page.wait_for_function(
        "() => document.querySelector('.pl-read-out').innerText.includes('15 Nov 2026')", timeout=20_000
    )
    desktop.page.wait_for_timeout(500)
    labels = desktop.page.locator(".pl-charts > .bqplot >> nth=0 >> g.axis .tick text").all_text_contents()
    assert labels
    assert all(label.startswith("$") for label in labels if "Nov" not in label), labels


def test_another_user_is_shown_with_the_banner(desktop: Opened) -> None:
    desktop.page.get_by_label("User").select_option("bob")
    desktop.page.wait_for_selector(".pl-banner-warning", timeout=20_000)
    assert "partial" in desktop.page.locator(".pl-banner").first.inner_text()
    desktop.page.get_by_label("User").select_option("alice")
    desktop.page.wait_for_selector(".pl-banner-warning", state="detached", timeout=20_000)


def test_trades_follow_the_first_paint(desktop: Opened) -> None:
    desktop.page.wait_for_selector(".pl-trades table", timeout=20_000)
    assert "57.1% (42% to 71%)" in desktop.page.locator(".pl-trades").inner_text()


def test_a_figure_is_unfolded_down_to_its_price(desktop: Opened) -> None:
    desktop.page.locator(".pl-explanation select").select_option(label="Equity")
    tree = desktop.page.locator(".pl-tree")
    tree.locator("details details > summary").first.click(timeout=20_000)
    assert tree.get_by_text("BTC/USD").is_visible()
    assert tree.locator("summary").count() == 2


def test_the_crosshair_reads_out(desktop: Opened) -> None:
    before = desktop.page.locator(".pl-read-out").inner_text()
    chart = desktop.page.locator(".pl-charts > .bqplot").first
    chart.scroll_into_view_if_needed()
    for attempt in range(20):  # what is pointed at while the page still draws itself is not heard
        box = chart.bounding_box()
        place = 0.2 + 0.03 * attempt
        desktop.page.mouse.move(box["x"] + box["width"] * (place + 0.1), box["y"] + box["height"] * 0.5)
        desktop.page.mouse.move(box["x"] + box["width"] * place, box["y"] + box["height"] * 0.5, steps=4)
        desktop.page.wait_for_timeout(1_000)
        if desktop.page.locator(".pl-read-out").inner_text() != before:
            return
    pytest.fail("the read-out never followed the pointer")


def test_the_age_grows_by_itself(desktop: Opened) -> None:
    age = desktop.page.locator(".pl-status-line .pl-age")
    before = age.inner_text()
    desktop.page.wait_for_function(
        "before => document.querySelector('.pl-status-line .pl-age').innerText !== before", arg=before, timeout=70_000
    )  # an age of minutes changes once a minute


def test_nothing_complains_and_nothing_is_asked_of_others(desktop: Opened) -> None:
    assert desktop.complaints == []
    assert desktop.elsewhere == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_phone_has_no_sideways_scroll(browser: Any, server: Server, scheme: str) -> None:
    phone = opened(browser, server, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.page.evaluate("document.body.scrollWidth") <= 390
    assert phone.complaints == []
    phone.page.close(run_before_unload=True)


def test_the_page_says_when_its_kernel_is_gone(browser: Any, server: Server) -> None:
    result = opened(browser, server)
    assert result.page.locator("#pl-lost").is_hidden()
    assert server._child is not None
    newest = max(
        (
            child
            for child in psutil.Process(server._child.pid).children(recursive=True)
            if "ipykernel" in " ".join(child.cmdline())
        ),
        key=lambda child: child.create_time(),
    )
    newest.kill()
    result.page.wait_for_selector("#pl-lost", state="visible", timeout=60_000)
    result.page.close()


def test_the_labs_own_notebook_opens_a_new_lab(browser: Any, lab_root: Path) -> None:
    with running_dashboard(lab_root, port=0) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector(".pl-nothing .pl-empty", timeout=90_000)
        assert "no accounts yet" in page.locator(".pl-nothing").inner_text()
        page.close(run_before_unload=True)


def test_the_labs_own_notebook_shows_a_synced_store(browser: Any) -> None:
    lab = demo_lab()
    with running_dashboard(lab.settings.root, port=0) as server:
        shown = opened(browser, server)
        # "alice" comes first: her figures stand on the page as the lab tells them.
        assert f"{lab.headline('alice')['equity']:,.0f}" in shown.page.locator(".pl-metrics").inner_text()
        assert shown.page.locator(".pl-positions tbody tr").count() == len(lab.positions("alice"))
        assert shown.page.locator(".pl-orders tbody tr").count() == len(lab.open_orders("alice"))
        for panel in PANELS:
            assert shown.page.locator(panel).first.is_visible(), panel
        assert shown.complaints == []
        assert shown.elsewhere == []
        shown.page.close(run_before_unload=True)


def test_the_tearsheet_button_hands_out_the_users_own_sheet(browser: Any, tmp_path: Path) -> None:
    lab = demo_lab()
    with running_dashboard(lab.settings.root, port=0) as server:
        shown = opened(browser, server)
        choice = shown.page.locator(".pl-tearsheet-choice")
        choice.get_by_label("Kind").select_option("Native")
        choice.get_by_role("button", name="Tearsheet").click()
        with shown.page.expect_download(timeout=60_000) as begun:
            shown.page.get_by_role("link", name="Download tearsheet-alice-native.html").click(timeout=60_000)
        assert begun.value.suggested_filename == "tearsheet-alice-native.html"
        begun.value.save_as(tmp_path / "sheet.html")
        assert shown.complaints == []
        assert shown.elsewhere == []
        shown.page.close(run_before_unload=True)
    sheet = browser.new_page()
    sheet.goto((tmp_path / "sheet.html").as_uri())
    told = sheet.locator("#headline").inner_text()
    figures = lab.performance("alice")
    for name in ("total_return", "max_drawdown", "volatility", "win_rate"):
        assert f"{abs(figures[name]):.2%}" in told, name
    assert f"{figures['sharpe']:.2f}".removeprefix("-") in told
    assert "alice" in sheet.locator("h1").inner_text()
    sheet.close()


# ---------------------------------------------------------------- the door


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=wrong&theme=dark"])
def test_without_the_token_there_is_no_page_and_no_kernel(server: Server, query: str) -> None:
    before = kernels(server)
    request = urllib.request.Request(server.base + query)  # noqa: S310 - http on 127.0.0.1
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the same
            body = answer.read().decode()
    except urllib.error.HTTPError as refused:
        body = refused.read().decode()
    assert "pl-page" not in body
    assert "rendered_cells" not in body
    assert kernels(server) == before


@pytest.mark.parametrize("path", ["voila/files/sample.ipynb", "voila/files/x.png", "voila/files/lab.toml"])
def test_no_file_is_handed_out(server: Server, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.base}{path}?token={server.token}", timeout=20)  # noqa: S310 - http on 127.0.0.1
    assert refused.value.code in {403, 404}
    refused.value.close()


# ---------------------------------------------------------------- names chosen by strangers


def test_a_name_from_data_runs_nothing(browser: Any, evil_server: Server) -> None:
    result = opened(browser, evil_server)
    assert result.page.evaluate("window.PWNED") is None
    assert result.page.locator("img").count() == 0
    assert "<img src=x" in result.page.locator(".pl-positions").inner_text()
    for by in ("Wallet", "Asset"):
        result.page.locator(".pl-allocation .pl-choice select").select_option(by)
        result.page.wait_for_timeout(500)
    result.page.locator(".pl-explanation select").select_option(label="Equity")
    result.page.wait_for_selector(".pl-tree details", timeout=20_000)
    assert "<img src=x" in result.page.locator(".pl-tree").inner_text()
    assert result.page.evaluate("window.PWNED") is None
    result.page.close(run_before_unload=True)
