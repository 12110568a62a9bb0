"""The arrows of docs/architecture.md, and what may never be called."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# ccxt's unified and raw methods that move money or change an account, as word beginnings.
FORBIDDEN = re.compile(
    r"\b(create_?(\w*_)?(orders?|oco)|edit_?orders?|cancel_?(all_?)?orders?|withdraw|transfer|borrow_?\w*margin"
    r"|repay_?\w*margin|set_?leverage|set_?margin_?mode|set_?position_?mode|add_?margin|reduce_?margin|close_?positions?"
    r"|(s|f|d|e)?api_?(private|v\d)?_?\w*(post|put|delete)_?\w*|private_?(post|put|delete)_?\w*)\s*\(",
    re.IGNORECASE,
)
SLOW_IMPORTS = ("ccxt", "matplotlib", "quantstats", "papermill", "bqplot", "voila", "IPython", "duckdb", "apprise")


def sources(repository: Path) -> list[Path]:
    package = repository / "portfolio_lab"
    return sorted(path for path in package.rglob("*.py") if package / "demo" not in path.parents)


def test_the_arrows_hold(repository: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.fail("import-linter is not installed: make setup")
    result = subprocess.run([lint, "--no-cache"], cwd=repository, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_nothing_here_can_trade_or_move_money(repository: Path) -> None:
    found = [
        f"{path.relative_to(repository)}: {match.group(0)}"
        for path in sources(repository)
        for match in FORBIDDEN.finditer(path.read_text(encoding="utf-8"))
        if match.group(0) != "Transfer("  # our word for a move that happened; no venue's call has a capital
    ]
    assert found == []


@pytest.mark.parametrize(
    "call",
    [
        "client.create_order(",
        "client.createOrder(",
        "client.create_market_buy_order(",
        "client.cancel_all_orders(",
        "client.withdraw(",
        "client.transfer(",
        "client.sapi_post_capital_withdraw_apply(",
        "client.fapiPrivatePostOrder(",
        "client.private_post_trade_order(",
        "client.set_leverage(",
    ],
)
def test_the_search_would_find_such_a_call(call: str) -> None:
    assert FORBIDDEN.search(call)


@pytest.mark.parametrize(
    "call", ["client.fapi_private_v3_get_account(", "client.private_get_account_balance(", "is_transfer(row)"]
)
def test_the_search_leaves_reading_alone(call: str) -> None:
    assert not FORBIDDEN.search(call)


def test_importing_the_package_loads_nothing_slow() -> None:
    script = f"import sys, portfolio_lab; print([name for name in {SLOW_IMPORTS} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_loads_nothing_slow() -> None:
    slow = (*SLOW_IMPORTS, "pandas", "pyarrow", "cryptography")
    script = (
        "import sys; from portfolio_lab.cli import doors; doors(['--help'], standalone_mode=False);"
        f"print([name for name in {slow} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"
