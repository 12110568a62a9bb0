"""Stored options under stress: what the store keeps of them, and what the lab makes of it."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from lab_rows import START, STEP, Row, amount, book, commit

from portfolio_lab.engines.options import black_76
from portfolio_lab.lab import Lab
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store

PLACE = 162
SLOT = START + PLACE * STEP
PRICE = float(book(PLACE)["prices"][0]["price"])
YEARS = (pd.Timestamp("2026-06-26 08:00", tz="UTC") - pd.Timestamp(SLOT)) / pd.Timedelta(days=365)
SPREAD = 0.8 * math.sqrt(YEARS)


def worth(strike: float, price: float = PRICE) -> float:
    return float(black_76(price, strike, SPREAD, is_call=True))


def option(instrument: str, *, quantity: float, mark: float, settle: str = "USDT", **changed: Any) -> Row:
    account = "okx:main" if settle == "BTC" else "binance:main"
    return {
        "user": "alice", "slot": SLOT, "account": account, "wallet": "trading" if settle == "BTC" else "options",
        "instrument": instrument, "underlying": "BTC", "kind": "option", "side": "net", "quantity": amount(quantity),
        "contracts": amount(abs(quantity)), "contract_size": amount(1), "entry_price": amount(1),
        "mark_price": amount(mark), "unrealised_pnl_settle": amount(0), "settle_asset": settle, "currency": "USD",
        "exposure": 0.0, "unrealised_pnl": 0.0, "delta": amount(0.5),
    } | changed  # fmt: skip


@pytest.fixture
def stressed(lab: Lab, store: Store, settings: Settings) -> Any:
    """Return the lab of alice's book with options in it."""

    def with_options(*options: Row, coins: float = 0.0) -> Lab:
        rows = book(PLACE)
        rows["positions"] += options
        key = {"user": "alice", "slot": SLOT, "account": "okx:main", "wallet": "trading"}
        rows["wallets"].append({**key, "grade": "ok", "code": "", "reason": "", "currency": "USD"})
        okx = {"venue": "okx", "currency": "USD", "source": "test", "route": "BTC>USD", "priced_at": SLOT}
        rows["prices"] += [{"slot": SLOT, **okx, "asset": "BTC", "price": PRICE}]
        rows["prices"] += [{"slot": SLOT, **okx, "asset": "USD", "price": 1.0}]
        if coins:
            held = {"asset": "BTC", "quantity": amount(coins), "price": PRICE, "value": coins * PRICE}
            rows["balances"].append({**key, "currency": "USD", **held})
        commit(store, rows, SLOT)
        return Lab(store, settings)

    return with_options


def test_a_written_call_of_binance_loses_more_than_its_delta_says(stressed: Any) -> None:
    call = option("BTC-260626-120-C", quantity=-2, mark=worth(120.0))
    found = stressed(call).stress("alice", {"BTC": 0.6})
    moved = -2 * (worth(120.0, PRICE * 1.6) - worth(120.0))
    # Beside it the book is long one BTC, as ever.
    assert found.loc["alice binance:main", "given"] == pytest.approx(0.6 * PRICE + moved, rel=1e-9)
    assert moved < -2 * 0.5 * 0.6 * PRICE
    assert found.attrs["options"] == {"alice binance:main BTC-260626-120-C": "black-76"}


def test_a_call_of_okx_that_is_paid_in_bitcoin(stressed: Any) -> None:
    """1 BTC of cash and 3 calls: revalued in full, in dollars."""
    mark = worth(130.0) / PRICE
    call = option("BTC-USD-260626-130-C", quantity=3, mark=mark, settle="BTC")
    found = stressed(call, coins=1.0 + 3 * float(amount(mark))).stress("alice", {"BTC": -0.4})
    before, after = PRICE + 3 * worth(130.0), 0.6 * PRICE + 3 * worth(130.0, 0.6 * PRICE)
    assert found.loc["alice okx:main", "given"] == pytest.approx(after - before, rel=1e-9)


def test_what_cannot_be_valued_anew_counts_by_its_delta_and_says_so(stressed: Any) -> None:
    nameless = option("BTC-FAR-CALL", quantity=-2, mark=worth(120.0))
    worthless = option("BTC-260626-900-P", quantity=1, mark=0.0, delta=amount(-0.25))
    lab = stressed(nameless, worthless)
    found = lab.stress("alice", {"BTC": 0.6})
    by_delta = (1 - 2 * 0.5 - 0.25) * PRICE * 0.6
    assert found.loc["alice binance:main", "given"] == pytest.approx(by_delta, rel=1e-9)
    assert found.attrs["options"] == {
        "alice binance:main BTC-FAR-CALL": "delta: its name tells no strike and no day on which it ends",
        "alice binance:main BTC-260626-900-P": "delta: no volatility gives its premium",
    }
    told = lab.risk("alice").options.set_index("instrument")
    assert told["method"].unique().tolist() == ["delta"]
    assert told["volatility"].isna().all()


def test_an_option_without_a_delta_is_known_under_stress_when_its_premium_tells(stressed: Any) -> None:
    call = option("BTC-260626-120-C", quantity=-2, mark=worth(120.0), delta=None)
    assert stressed(call).stress("alice", {"BTC": 0.6}).notna().all(axis=None)


def test_an_option_that_tells_neither_is_unknown_and_not_0(stressed: Any) -> None:
    known = option("BTC-260626-120-C", quantity=-2, mark=worth(120.0))
    found = stressed(known, option("BTC-FAR-CALL", quantity=-2, mark=1.0, delta=None)).stress("alice", {"BTC": 0.6})
    assert found.loc["alice binance:main"].isna().all()
    assert found.loc["alice okx:main"].notna().all()


def test_risk_tells_the_volatility_and_the_account_falls_by_its_curve(stressed: Any) -> None:
    risk = stressed(option("BTC-260626-120-C", quantity=-30, mark=worth(120.0))).risk("alice")
    [told] = risk.options.to_dict("records")
    assert told["volatility"] == pytest.approx(0.8, rel=1e-9)
    assert (told["strike"], told["method"], told["reason"]) == (120.0, "black-76", "")
    assert told["expires"] - pd.Timestamp(SLOT) == timedelta(days=YEARS * 365)
    rise = risk.accounts.loc["alice binance:main", "rise"]
    equity = risk.leverage.loc["alice binance:main", "equity"]
    lost = -30 * (worth(120.0, PRICE * (1 + rise)) - worth(120.0)) + PRICE * rise
    assert lost == pytest.approx(-equity, rel=1e-3)
    assert "volatility" in repr(risk)
