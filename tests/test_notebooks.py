"""Notebooks are thin: a question, a few calls, no outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
ALL = [
    *NOTEBOOKS,
    *sorted((REPOSITORY / "scheduled").glob("*.ipynb")),
    *sorted((REPOSITORY / "dashboards").glob("*.ipynb")),
]


def cells(path: Path, kind: str) -> list[str]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def test_the_four_questions_are_there() -> None:
    names = [path.stem for path in NOTEBOOKS]
    assert names[:4] == ["00_start_here", "10_what_do_i_hold", "20_how_did_i_do", "30_what_could_hurt"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_its_question(path: Path) -> None:
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# .*\?$", "".join(first["source"]).splitlines()[0])


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_is_thin(path: Path) -> None:
    code = "\n".join(cells(path, "code"))
    assert not re.search(r"^\s*(def|class|except|async def)\b", code, flags=re.MULTILINE)
    assert all(len(cell.splitlines()) <= 15 for cell in cells(path, "code"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_carries_no_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_demo_lab(path: Path) -> None:
    assert "lab = demo_lab()" in "\n".join(cells(path, "code"))
