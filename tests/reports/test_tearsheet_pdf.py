"""Printing: what a browser is told, and that a PDF is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.reports import pdf
from portfolio_lab.reports.pdf import BROWSERS, environment, find_browser, print_pdf

PAGE = "<!DOCTYPE html><title>sheet</title><p>alice</p>"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "alice.html"
    path.write_text(PAGE, encoding="utf-8")
    return path


def stand_in(folder: Path, script: str) -> str:
    """Return the path of a program that is called as a browser is; $PDF is where it should print to."""
    path = folder / "browser"
    found = 'for word in "$@"; do case $word in --print-to-pdf=*) PDF=${word#*=};; esac; done'
    path.write_text(f"#!/bin/sh\n{found}\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_pdf_takes_its_name_when_it_is_whole(tmp_path: Path, page: Path) -> None:
    browser = stand_in(tmp_path, 'printf "%%PDF-1.7" > "$PDF"')
    output = tmp_path / "alice.pdf"
    output.write_bytes(b"old")
    assert print_pdf(page, output, browser=browser) == output
    assert output.read_bytes() == b"%PDF-1.7"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.html", "alice.pdf", "browser"]


@pytest.mark.parametrize("script", ["exit 3", ': > "$PDF"', "kill -9 $$"])
def test_a_browser_that_prints_nothing_leaves_the_old_one(tmp_path: Path, page: Path, script: str) -> None:
    output = tmp_path / "alice.pdf"
    output.write_bytes(b"old")
    with pytest.raises(
        PortfolioLabError, match=r"printed nothing of alice\.html: print the page from your own browser"
    ):
        print_pdf(page, output, browser=stand_in(tmp_path, script))
    assert output.read_bytes() == b"old"


def test_a_browser_that_hangs_is_ended_with_its_children(tmp_path: Path, page: Path) -> None:
    child = tmp_path / "child"
    browser = stand_in(tmp_path, f'sleep 600 & echo $! > "{child}"; wait')
    with pytest.raises(PortfolioLabError, match=r"did not print within 0.5 s"):
        print_pdf(page, tmp_path / "alice.pdf", browser=browser, seconds=0.5)
    stopped = Path(f"/proc/{child.read_text().strip()}/stat")
    assert not stopped.exists() or stopped.read_text().split()[2] in "ZX"
    assert not (tmp_path / "alice.pdf").exists()


def test_no_secret_is_told_to_the_browser(tmp_path: Path, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTFOLIO_LAB_PASSPHRASE", "correct horse")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "battery staple")
    print_pdf(page, tmp_path / "alice.pdf", browser=stand_in(tmp_path, 'env > "$PDF"'))
    told = (tmp_path / "alice.pdf").read_text(encoding="utf-8")
    assert "horse" not in told
    assert "staple" not in told
    assert f"PATH={os.environ['PATH']}" in told
    assert f"HOME={Path.home()}\n" not in told
    assert set(environment(tmp_path)) <= {*pdf._HANDED_ON, "HOME"}


def test_without_a_chromium_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInputError, match=r"needs a Chromium .* none \(chromium, .*install one, or leave --pdf out"):
        find_browser()


def test_a_folder_that_is_not_there_is_told_before_printing(tmp_path: Path, page: Path) -> None:
    with pytest.raises(BadInputError, match="there is no folder"):
        print_pdf(page, tmp_path / "nowhere" / "alice.pdf", browser="/nowhere")


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="there is no Chromium on this machine")
def test_a_chromium_prints(tmp_path: Path, page: Path) -> None:
    printed = print_pdf(page, tmp_path / "alice.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert printed.rstrip().endswith(b"%%EOF")
