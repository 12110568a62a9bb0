"""The tearsheet button: what is offered, what is drawn where, and what the reader is told meanwhile."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.dashboard import tearsheet_link
from portfolio_lab.dashboard.tearsheet_link import TearsheetLink
from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.reports import apart
from portfolio_lab.reports.apart import from_text, page_apart, to_text
from portfolio_lab.reports.sheet import Sheet, sheet_of
from portfolio_lab.reports.tearsheet import Kind

DAYS = pd.date_range("2026-01-01", periods=60, freq="D", tz="UTC")


class Shelf:
    """Stands in for a lab: three parts of one book, and prices of one asset."""

    def returns(self, user: str) -> pd.Series:
        if user == "flat":
            return pd.Series(0.0, DAYS)
        return pd.Series(np.random.default_rng(1).normal(0.001, 0.02, 60), DAYS)

    def pnl(self, user: str) -> pd.DataFrame:
        return pd.DataFrame({"estimated": DAYS[0] == DAYS}, DAYS)

    def scope(self, user: str | None = None, account: str | None = None) -> SimpleNamespace:
        seed = 2 if user else 3
        returns = np.random.default_rng(seed).normal(0.001, 0.02, 60)
        rows = pd.DataFrame({"period_return": returns, "estimated": False, "partial": False}, DAYS)
        return SimpleNamespace(pnl=lambda period: rows)

    def benchmark(self, asset: str = "BTC") -> pd.Series:
        return pd.Series(100.0 + np.arange(60) % 7, DAYS)


def told(link: TearsheetLink) -> str:
    return str(link._told.value)


def page_in(link: TearsheetLink) -> str:
    found = re.search(r'href="data:text/html;base64,([^"]+)"', told(link))
    assert found is not None, told(link)
    return base64.b64decode(found[1]).decode()


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TearsheetLink:
    def page_of(sheet: Sheet, kind: Kind, cache: object) -> str:
        return f"{kind} of {sheet.name}"

    monkeypatch.setattr(tearsheet_link, "page_of", page_of)
    made = TearsheetLink(Shelf(), tmp_path)
    made.draw("alice", ["binance:main", "okx:main"])
    return made


# ---------------------------------------------------------------- what is offered


def test_user_accounts_and_everyone_are_offered(link: TearsheetLink) -> None:
    assert link.part.options == (
        ("alice", ("alice", None)),
        ("alice / binance / main", ("alice", "binance:main")),
        ("alice / okx / main", ("alice", "okx:main")),
        ("All users together", (None, None)),
    )
    assert dict(link.kind.options) == {"Native": "native", "quantstats": "quantstats"}


def test_a_refresh_keeps_the_choice_and_the_link(link: TearsheetLink) -> None:
    link.part.value = ("alice", "okx:main")
    link.button.click()
    before = told(link)
    link.draw("alice", ["binance:main", "okx:main"])
    assert link.part.value == ("alice", "okx:main")
    assert told(link) == before != ""


def test_another_user_begins_anew(link: TearsheetLink) -> None:
    link.button.click()
    link.draw("bob", [])
    assert link.part.value == ("bob", None)
    assert told(link) == ""


def test_another_choice_forgets_what_was_said(link: TearsheetLink) -> None:
    link.button.click()
    link.kind.value = "quantstats"
    assert told(link) == ""


# ---------------------------------------------------------------- native


@pytest.mark.parametrize(
    ("part", "name", "file"),
    [
        (("alice", None), "alice", "tearsheet-alice-native.html"),
        (("alice", "okx:main"), "alice / okx / main", "tearsheet-alice.okx.main-native.html"),
        ((None, None), "desk", "tearsheet-desk.all-native.html"),
    ],
)
def test_the_native_sheet_is_there_at_once(
    link: TearsheetLink, part: tuple[str | None, str | None], name: str, file: str
) -> None:
    link.part.value = part
    link.button.click()
    assert page_in(link) == f"native of {name}"
    assert f'download="{file}"' in told(link)
    assert not link.button.disabled


def test_why_it_could_not_be_drawn_is_told(link: TearsheetLink) -> None:
    link.draw("flat")
    link.button.click()
    assert "The tearsheet of flat could not be drawn: every return of user flat is 0" in told(link)
    assert not link.button.disabled


def test_a_fault_is_told_by_a_number_and_no_more(
    link: TearsheetLink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> str:
        raise ValueError("<script> and a path")

    monkeypatch.setattr(tearsheet_link, "page_of", broken)
    link.button.click()
    number = re.search(r"fault (\w{6})", told(link))
    assert number is not None
    assert "script" not in told(link)
    assert f"tearsheet fault {number[1]}" in caplog.text


# ---------------------------------------------------------------- quantstats


async def test_quantstats_draws_in_the_background(link: TearsheetLink, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()

    def slow(sheet: Sheet) -> str:
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(10)
        return f"drawn apart for {sheet.name}"

    monkeypatch.setattr(tearsheet_link, "page_apart", slow)
    link.kind.value = "quantstats"
    link.button.click()
    assert "The tearsheet of alice is being drawn" in told(link)
    assert link.button.disabled
    may_end.set()
    await link.finished()
    assert page_in(link) == "drawn apart for alice"
    assert not link.button.disabled
    # The second time it is kept, and no process is started.
    monkeypatch.setattr(tearsheet_link, "page_apart", None)
    link.button.click()
    assert page_in(link) == "quantstats of alice"


@pytest.mark.parametrize("error", [PortfolioLabError("too late"), OSError("no process")])
async def test_what_fails_in_the_background_is_told(
    link: TearsheetLink, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(sheet: Sheet) -> str:
        raise error

    monkeypatch.setattr(tearsheet_link, "page_apart", fail)
    link.kind.value = "quantstats"
    link.button.click()
    await link.finished()
    assert "The tearsheet of alice could not be drawn" in told(link)
    assert ("too late" in told(link)) == isinstance(error, PortfolioLabError)
    assert not link.button.disabled


def test_without_a_loop_it_is_waited_for(link: TearsheetLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tearsheet_link, "page_apart", lambda sheet: "drawn apart")
    link.kind.value = "quantstats"
    link.button.click()
    assert page_in(link) == "drawn apart"


# ---------------------------------------------------------------- the process of its own


def test_a_sheet_is_told_to_the_last_bit() -> None:
    sheet = sheet_of(Shelf(), "alice")
    heard = from_text(to_text(sheet))
    assert (heard.name, heard.scope, heard.notes) == (sheet.name, sheet.scope, sheet.notes)
    assert sheet.benchmark is not None
    assert heard.benchmark is not None
    pairs = ((heard.known, sheet.known), (heard.returns, sheet.returns), (heard.benchmark, sheet.benchmark))
    for ours, theirs in pairs:
        assert ours.tolist() == theirs.tolist()
        assert list(ours.index) == list(theirs.index)
    assert heard.benchmark.name == "BTC"
    assert list(heard.missing) == list(sheet.missing)
    assert list(heard.estimated) == list(sheet.estimated) == [DAYS[0].tz_localize(None)]
    alone = from_text(to_text(sheet_of(Shelf(), "alice", benchmark=None)))
    assert alone.benchmark is None


def test_a_child_draws_the_page_and_knows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORTFOLIO_LAB_PASSPHRASE", "correct horse")
    run, seen = apart.subprocess.run, []

    def watched(*arguments: object, **options: object) -> object:
        seen.append(options["env"])
        return run(*arguments, **options)  # type: ignore[call-overload]  # what it was called with

    monkeypatch.setattr(apart.subprocess, "run", watched)
    page = page_apart(sheet_of(Shelf(), "alice"))
    assert page.lstrip().startswith("<!")
    assert "<th>BTC</th><th>alice</th>" in page
    assert '<section id="headline">' in page
    assert seen[0] is not None
    assert "correct horse" not in str(seen[0])


def test_what_a_child_refuses_is_told_as_it_is() -> None:
    series = pd.Series([0.1, 1.5, 0.1], DAYS[:3].tz_localize(None))
    sheet = Sheet("alice", "user", series, series, None, (), DAYS[:0], DAYS[:0])
    with pytest.raises(BadInputError, match=r"^alice returned \+150% .*--kind native"):
        page_apart(sheet)


def test_a_child_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(PortfolioLabError, match=r"not drawn within 0\.01 s"):
        page_apart(sheet_of(Shelf(), "alice"), seconds=0.01)


def test_a_child_that_falls_is_told_by_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "to_text", lambda _: "no sheet")
    with pytest.raises(PortfolioLabError, match=r"could not be drawn \(.*JSONDecodeError.*try the native one"):
        page_apart(sheet_of(Shelf(), "alice"))
