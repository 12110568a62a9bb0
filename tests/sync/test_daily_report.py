"""The daily report runs by papermill on a synced lab, without a key, and tells every user's figures."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest

from portfolio_lab import demo_lab

REPORT = Path(__file__).resolve().parents[2] / "scheduled" / "daily_report.ipynb"


def test_the_daily_report_tells_every_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTFOLIO_LAB_PASSPHRASE_FILE", raising=False)
    lab = demo_lab()
    written = tmp_path / "report.ipynb"
    papermill.execute_notebook(
        REPORT, written, parameters={"lab": str(lab.settings.root)}, progress_bar=False, kernel_name="python3"
    )
    cells = nbformat.read(written, as_version=4).cells
    shown = "".join(
        output["data"].get("text/plain", "") for cell in cells for output in cell.get("outputs", []) if "data" in output
    )
    for user in lab.users().index:
        assert shown.count(user) >= 3, user
