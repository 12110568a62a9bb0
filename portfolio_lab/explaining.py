"""Explain: any figure of a user as a tree, from the number down to quantity x price and the venue's raw answer."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence

import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.books import exposure_lines_from, venue_of
from portfolio_lab.engines.exposure import Line
from portfolio_lab.engines.performance import FIGURES
from portfolio_lab.errors import BadInputError
from portfolio_lab.explaining_history import History, explained_metric, explained_twr
from portfolio_lab.explaining_pnl import explained_pnl
from portfolio_lab.explanation import Node
from portfolio_lab.scopes import user_member
from portfolio_lab.timelines import Instant, instant

HELD = ("equity", "exposure", "gross_exposure", "net_exposure")
EXPLAINED = (*HELD, "pnl", "twr", *FIGURES)
"""The figures that can be explained."""

_SETTLED_AND_OPEN = "settled + open PnL"


def explained(archive: Archive, user: str, figure: str, at: Instant, history: History) -> Node:
    """Return the tree of a figure; `lab.explain` tells what is in it.

    Raises:
        BadInputError: there is no such figure, or no complete snapshot (no day) at or before `at`.
    """
    if figure not in EXPLAINED:
        near = difflib.get_close_matches(str(figure), EXPLAINED, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise BadInputError(f"cannot explain {figure!r}{meant}: use {', '.join(EXPLAINED)}")
    if figure == "pnl":
        return explained_pnl(archive, user, history, at)
    if figure == "twr":
        return explained_twr(history, at)
    if figure not in HELD:
        return explained_metric(history, figure, at)
    slot = _complete_slot(archive, user, at)
    if figure == "equity":
        return _equity(archive, user, slot, history.currency)
    return _exposure(archive, user, slot, history.currency, is_net=figure == "net_exposure")


def _complete_slot(archive: Archive, user: str, at: Instant) -> pd.Timestamp:
    taken = user_member(archive, user).snapshots
    slots = taken.loc[(taken["grade"] == "complete") & taken["equity"].notna(), "slot"]
    slots = slots if at is None else slots[slots <= instant(at)]
    if not len(slots):
        raise BadInputError(f"{user} has no complete snapshot{'' if at is None else f' at or before {instant(at)}'}")
    return pd.Timestamp(slots.iloc[-1])


def _at_slot(archive: Archive, table: str, user: str | None, slot: pd.Timestamp) -> pd.DataFrame:
    return archive.once((table, user, slot), lambda: archive.at_slot(table, user, slot))


# ---------------------------------------------------------------- equity


def _equity(archive: Archive, user: str, slot: pd.Timestamp, currency: str) -> Node:
    snapshot = _at_slot(archive, "portfolio_snapshots", user, slot).iloc[-1]
    wallets = _at_slot(archive, "wallets", user, slot)
    balances = _at_slot(archive, "balances", user, slot)
    positions, prices = _at_slot(archive, "positions", user, slot), _at_slot(archive, "prices", None, slot)
    accounts = []
    for account, rows in balances.groupby("account"):
        parts = tuple(
            _wallet(wallet, held, wallets, positions, prices, currency) for wallet, held in rows.groupby("wallet")
        )
        accounts.append(Node(str(account), math.fsum(part.value for part in parts), currency, "sum of wallets", parts))
    source = f"snapshot of {_when(slot)}, {snapshot['grade']}, all answers in by {_when(snapshot['at'])}"
    return Node(f"equity of {user}", float(snapshot["equity"]), currency, "sum of accounts", tuple(accounts), source)


def _wallet(
    wallet: object,
    held: pd.DataFrame,
    wallets: pd.DataFrame,
    positions: pd.DataFrame,
    prices: pd.DataFrame,
    currency: str,
) -> Node:
    account = str(held["account"].iloc[0])
    told = wallets[(wallets["account"] == account) & (wallets["wallet"] == wallet)]
    inside = positions[(positions["account"] == account) & (positions["wallet"] == wallet)]
    assets = tuple(
        _asset(row, inside, prices, currency)
        for _, row in held.iterrows()
        if row["quantity"] != 0.0 or row["value"] != 0.0
    )
    source = evidence(told.iloc[-1]) if len(told) else ""
    value = float(held["value"].sum(skipna=False))
    return Node(str(wallet), value, currency, "sum of assets", assets, source)


def evidence(wallet: pd.Series) -> str:
    """Return when a wallet was read, and each endpoint that answered with the SHA-256 of its raw answer."""
    answers: dict[str, str] = json.loads(wallet["answers"]) if isinstance(wallet["answers"], str) else {}
    told = [f"{endpoint} sha256 {digest}" for endpoint, digest in answers.items()]
    carried = ", its last reading carried on" if wallet.get("is_carried") is True else ""
    return "; ".join([f"{wallet['grade']}, read {_when(wallet['received_at'])}{carried}", *told])


def _asset(row: pd.Series, positions: pd.DataFrame, prices: pd.DataFrame, currency: str) -> Node:
    asset, pair = str(row["asset"]), row.get("pair")
    name = f"{asset} in {pair}" if isinstance(pair, str) and pair else asset
    factors = (_quantity(row, positions), _price(row, prices, currency))
    source = str(row["holding"]) if isinstance(row.get("holding"), str) and row["holding"] != "held" else ""
    value = float(row["value"])
    if math.isnan(factors[1].value) and value == 0.0:
        return Node(name, value, currency, "nothing of it", (), source)
    return Node(name, value, currency, "quantity x price", factors, source, math.prod)


def _quantity(row: pd.Series, positions: pd.DataFrame) -> Node:
    asset, quantity = str(row["asset"]), float(row["quantity"])
    settled, open_pnl = float(row["wallet_balance"]), float(row["unrealised_pnl"])
    whole = Node("quantity", quantity, asset, "", (), "as the venue states it")
    if math.isnan(settled) or math.isnan(open_pnl) or open_pnl == 0.0:
        return whole
    contracts = tuple(
        Node(str(one["instrument"]), float(one["unrealised_pnl_settle"]), asset, "", (), _contract(one))
        for _, one in positions[positions["settle_asset"] == asset].iterrows()
    )
    pnl = _where_sound(Node("open PnL", open_pnl, asset, "sum of positions", contracts, "as the venue states it"))
    parts = (Node("settled", settled, asset, "", (), "wallet balance as the venue states it"), pnl)
    return _where_sound(Node("quantity", quantity, asset, _SETTLED_AND_OPEN, parts, "as the venue states it"))


def _contract(one: pd.Series) -> str:
    size, entry, mark = (float(one[name]) for name in ("quantity", "entry_price", "mark_price"))
    return f"{one['side']} {size:.10g} {one['underlying']}, entry {entry:.10g}, mark {mark:.10g}"


def _where_sound(node: Node) -> Node:
    """Return the figure without its parts where the venue's own parts do not give it to the last digit."""
    return node if node.children and not node.broken() else Node(node.name, node.value, node.unit, "", (), node.source)


def _price(row: pd.Series, prices: pd.DataFrame, currency: str) -> Node:
    name = f"{row['asset']}/{currency}"
    found = prices[(prices["venue"] == venue_of(row["account"])) & (prices["asset"] == row["asset"])]
    value = float(row["price"])
    if not len(found) or float(found["price"].iloc[-1]) != value:
        source = "no price" if math.isnan(value) else "as its account was valued"
        return Node(name, 1.0 if row["asset"] == currency else value, currency, "", (), source)
    return Node(name, value, currency, "", (), provenance(found.iloc[-1]))


def provenance(price: pd.Series) -> str:
    """Return where a stored price came from: source, route, kind and age at its slot."""
    kind = price["kind"] if isinstance(price.get("kind"), str) else "market"
    age = (price["slot"] - price["priced_at"]).total_seconds()
    return f"{price['source']}, route {price['route']}, {kind}, {age:.0f} s old"


def _when(at: object) -> str:
    return "never" if pd.isna(at) else f"{pd.Timestamp(at):%Y-%m-%d %H:%M:%S} UTC"  # type: ignore[call-overload, arg-type]


# ---------------------------------------------------------------- exposure


def _exposure(archive: Archive, user: str, slot: pd.Timestamp, currency: str, *, is_net: bool) -> Node:
    prices = _at_slot(archive, "prices", None, slot)
    balances, positions = _at_slot(archive, "balances", user, slot), _at_slot(archive, "positions", user, slot)
    lines = exposure_lines_from(balances, positions, prices, user=user, slot=slot, currency=currency)
    parts = tuple(_underlying(line, prices, currency) for line in lines)
    values = [part.value for part in parts]
    source = f"snapshot of {_when(slot)}"
    if is_net:
        return Node(f"net exposure of {user}", math.fsum(values), currency, "sum of underlyings", parts, source)
    formula = "sum of the underlyings' magnitudes"
    return Node(f"gross exposure of {user}", magnitude(values), currency, formula, parts, source, magnitude)


def magnitude(values: Sequence[float]) -> float:
    """Return the sum of absolute values."""
    return math.fsum(abs(value) for value in values)


def _underlying(line: Line, prices: pd.DataFrame, currency: str) -> Node:
    parts = tuple(
        Node(
            f"{part.name} in {part.account} {part.wallet}",
            math.nan if part.quantity is None else float(part.quantity),
            line.underlying,
            source=f"worth {part.value:,.2f} {currency} at its own price",
        )
        for part in line.parts
    )
    quantity = math.fsum(part.value for part in parts)
    found = prices[(prices["asset"] == line.underlying) & (prices["price"] == line.price)]
    source = provenance(found.iloc[-1]) if len(found) else "mark of a contract, or as its account was valued"
    factors = (
        Node("quantity", quantity, line.underlying, "sum of instruments", parts),
        Node(f"{line.underlying}/{currency}", line.price, currency, source=source),
    )
    return Node(line.underlying, quantity * line.price, currency, "quantity x price", factors, "", math.prod)
