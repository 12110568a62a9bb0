"""The served page in a real Chromium. Without one these tests skip; in CI that is a failure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portfolio_lab.dashboard.serve import Server, running_dashboard
from portfolio_lab.layout import lay_lab

CHROMIUM = Path("/usr/bin/chromium")
FRAMES = Path(__file__).resolve().parents[1] / "dashboard"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_IN_CI = os.environ.get("PORTFOLIO_LAB_CI") == "1" or os.environ.get("CI", "").lower() == "true"


def notebook_of(expression: str, folder: Path) -> Path:
    """Return a notebook that draws the sample lab that `expression` makes."""
    source = (
        f"import sys\nsys.path.insert(0, {str(FRAMES)!r})\nimport sample_frames\n"
        "from portfolio_lab.dashboard import portfolio_dashboard\n"
        f"portfolio_dashboard(sample_frames.{expression}, clock=lambda: sample_frames.NOW)"
    )
    cell = {"cell_type": "code", "execution_count": None, "id": "draw", "metadata": {}, "outputs": [], "source": source}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path = folder / "sample.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        told = f"there is no {CHROMIUM}: apt-get install chromium"
        if _IN_CI:
            pytest.fail(told)
        pytest.skip(told)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as session:
        chromium = session.chromium.launch(executable_path=str(CHROMIUM), args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def lab_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser") / "lab"
    lay_lab(root)
    return root


@pytest.fixture(scope="module")
def server(browser: Any, lab_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    notebook = notebook_of("SampleLab()", tmp_path_factory.mktemp("sample"))
    with running_dashboard(lab_root, port=0, notebook=notebook) as running:
        yield running


@pytest.fixture(scope="module")
def evil_server(browser: Any, lab_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    notebook = notebook_of("SampleLab(name=sample_frames.EVIL)", tmp_path_factory.mktemp("evil"))
    with running_dashboard(lab_root, port=0, notebook=notebook) as running:
        yield running
