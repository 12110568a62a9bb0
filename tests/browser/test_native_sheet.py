"""The native tearsheet in a real Chromium: on a desk, on a phone, light and dark, and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.reports.content import CHARTS, TABLES
from portfolio_lab.reports.native import native_page
from portfolio_lab.reports.sheet import Sheet

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

EVIL = "<img src=x onerror=alert(1)>"
SIZES = {"desk": (1_280, 900), "phone": (390, 844)}
A4 = (794, 1_123)
MADE_OF = """identities => identities.map(identity => {
    const found = document.getElementById(identity), box = found.getBoundingClientRect();
    const drawn = (found.querySelector("svg") || found.querySelector("table")).getBoundingClientRect();
    return [identity, Math.min(box.width, drawn.width), Math.min(box.height, drawn.height), drawn.right, box.right];
})"""
OVERLAPS = """() => {
    const clash = [];
    for (const picture of document.querySelectorAll("svg[role=img]")) {
        const words = [...picture.querySelectorAll("text")].filter(word => word.getClientRects().length);
        const boxes = words.map(word => word.getBoundingClientRect());
        for (let one = 0; one < boxes.length; one++) for (let other = one + 1; other < boxes.length; other++) {
            const a = boxes[one], b = boxes[other];
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (wide > 2 && high > 5) clash.push([words[one].textContent, words[other].textContent]);
        }
    }
    return clash;
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(4)
    dates = pd.date_range("2023-01-01", periods=1_096, freq="D").delete(slice(400, 430))
    market = rng.normal(0.001, 0.03, len(dates))
    returns = pd.Series(0.4 * market + rng.normal(0.001, 0.02, len(dates)), dates)
    missing = pd.date_range("2023-01-01", periods=1_096, freq="D").difference(dates)
    benchmark = pd.Series(market, dates, name="BTC")
    sheet = Sheet(EVIL, "user", returns, returns, benchmark, (EVIL,), missing, dates[5:8])
    path = tmp_path_factory.mktemp("sheet") / "sheet.html"
    path.write_text(native_page(sheet), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module", params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def opened(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[tuple[Any, list[str]]]:
    """Yield the page, and what it complained of or asked for."""
    size, scheme = request.param
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda asked: complaints.append(asked.url) if asked.url != address else None)
    page.goto(address)
    yield page, complaints
    page.close()


def test_it_opens_quietly_and_fits(opened: tuple[Any, list[str]]) -> None:
    page, complaints = opened
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    made = page.evaluate(MADE_OF, [*CHARTS.values(), *TABLES.values()])
    assert len(made) == len(CHARTS) + len(TABLES)
    for identity, width, height, right, edge in made:
        assert width > 150, identity
        assert height > 60, identity
        assert right <= edge, identity
    assert page.locator("h1").inner_text() == EVIL
    assert complaints == []


def test_its_words_do_not_run_into_each_other(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    assert page.evaluate(OVERLAPS) == []


def test_its_colours_follow_the_reader(opened: tuple[Any, list[str]], request: pytest.FixtureRequest) -> None:
    page, _ = opened
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    line = page.evaluate("getComputedStyle(document.querySelector('path.a')).stroke")
    expected = ("rgb(11, 15, 22)", "rgb(91, 141, 239)") if "dark" in request.node.name else (
        "rgb(244, 246, 250)", "rgb(44, 98, 214)",
    )  # fmt: skip
    assert (ground, line) == expected


def test_paper_is_white_in_any_scheme_and_whole(browser: Any, address: str, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": A4[0], "height": A4[1]}, color_scheme="dark")
    page.goto(address)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(19, 24, 34)"
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert {
        page.evaluate(f"getComputedStyle(document.getElementById('{chart}')).breakInside") for chart in CHARTS.values()
    } == {"avoid"}
    printed = tmp_path / "sheet.pdf"
    page.pdf(path=str(printed), prefer_css_page_size=True, print_background=True)
    assert printed.stat().st_size > 50_000
    page.close()
