"""What the books of slots that are told anew were exposed to, out of what is stored of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.engines.exposure import book_exposure
from portfolio_lab.engines.pegs import underlying_of
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.holdings import Balance, ContractKind, Holding, Position, WalletReading
from portfolio_lab.models.prices import Price
from portfolio_lab.models.tables import BALANCES, POSITIONS, PRICES
from portfolio_lab.sync.rows import Row, known

if TYPE_CHECKING:
    from portfolio_lab.store import Store

Told = Mapping[str, Any]


def exposures_anew(
    store: Store, user: str, snapshots: Sequence[Told], added: Mapping[object, Sequence[Told]] | None = None
) -> dict[object, Row]:
    """Return the exposure columns of a user's snapshots by slot, from stored balances, contracts and prices.

    Args:
        store: holds the slots.
        user: whose slots.
        snapshots: rows of complete snapshots, with the equity that they are to have.
        added: by slot, rows of balances that are not stored yet.

    Returns:
        A column is None where a price, or an option's delta, is not known.
    """
    slots: list[datetime] = [row["slot"] for row in snapshots]
    if not slots:
        return {}
    since, until = min(slots), max(slots) + timedelta(microseconds=1)
    balances = store.read(BALANCES.name, users=[user], since=since, until=until)
    positions = store.read(POSITIONS.name, users=[user], since=since, until=until)
    every = store.read(PRICES.name, columns=["slot", "venue", "asset", "price"], since=since, until=until)
    prices = _of_slots(_wanted(every, balances, positions), slots)
    held, opened = _of_slots(balances, slots), _of_slots(positions, slots)
    for slot, rows in (added or {}).items():
        held.setdefault(slot, []).extend(rows)
    return {
        row["slot"]: _columns(row, *(parts.get(row["slot"], []) for parts in (held, opened, prices)))
        for row in snapshots
    }


def _wanted(prices: pa.Table, balances: pa.Table, positions: pa.Table) -> pa.Table:
    """The prices of what is held and of what it follows: a slot has those of all users."""
    held: set[str] = {*balances["asset"].to_pylist(), *positions["settle_asset"].to_pylist()}  # type: ignore[arg-type]
    followed: set[str] = {*positions["underlying"].to_pylist(), *map(underlying_of, held)}  # type: ignore[arg-type]
    return prices.filter(pc.is_in(prices["asset"], pa.array(sorted(held | followed | {"USD"}), pa.string())))


def _of_slots(rows: pa.Table, slots: Sequence[datetime]) -> dict[object, list[Told]]:
    found: dict[object, list[Told]] = {slot: [] for slot in slots}
    for row in rows.to_pylist():
        if row["slot"] in found:
            found[row["slot"]].append(row)
    return found


def _columns(snapshot: Told, balances: Sequence[Told], positions: Sequence[Told], prices: Sequence[Told]) -> Row:
    currency: str = snapshot["currency"]
    readings = _readings(str(snapshot["user"]), balances, positions)
    by_venue = _by_venue(balances, prices, currency, snapshot["slot"])
    book = book_exposure(readings, by_venue, equity=snapshot["equity"], currency=currency)
    return {
        "net_exposure": known(book.net),
        "gross_exposure": known(book.gross),
        "gross_instrument_exposure": known(book.gross_instrument),
        "long_exposure": known(book.long),
        "short_exposure": known(book.short),
        "opaque_value": known(book.opaque),
    }


def _readings(user: str, balances: Sequence[Told], positions: Sequence[Told]) -> list[tuple[Account, WalletReading]]:
    held: dict[tuple[str, str], dict[tuple[str, str, str], Decimal]] = {}
    for row in balances:
        place = held.setdefault((row["account"], row["wallet"]), {})
        what = (row["asset"], row["pair"] or "", row["holding"] or str(Holding.HELD))
        place[what] = place.get(what, Decimal(0)) + row["quantity"]
    opened: dict[tuple[str, str], list[Position]] = {}
    for row in positions:
        opened.setdefault((row["account"], row["wallet"]), []).append(_position(row))
    return [
        (
            Account(user, account.partition(":")[0], account.partition(":")[2]),
            WalletReading(
                Wallet(wallet),
                tuple(
                    Balance(asset, quantity, pair=pair, holding=Holding(holding))
                    for (asset, pair, holding), quantity in held.get((account, wallet), {}).items()
                ),
                tuple(opened.get((account, wallet), ())),
            ),
        )
        for account, wallet in dict.fromkeys([*held, *opened])
    ]


def _position(row: Told) -> Position:
    names = ("instrument", "underlying", "side", "quantity", "contracts", "contract_size", "entry_price", "mark_price")
    told = {name: row[name] for name in names}
    return Position(
        **told,
        kind=ContractKind(row["kind"]),
        unrealised_pnl=row["unrealised_pnl_settle"],
        settle_asset=row["settle_asset"],
        delta=row["delta"],
    )


def _by_venue(
    balances: Sequence[Told], prices: Sequence[Told], currency: str, slot: datetime
) -> dict[str, dict[str, Price]]:
    """The prices of each venue; what a balance was valued at stands beside it, and goes before."""
    valued = [(row["account"].partition(":")[0], row) for row in balances if row["price"] is not None]
    found: dict[str, dict[str, Price]] = {}
    for venue, row in [*((row["venue"], row) for row in prices), *valued]:
        price = Price(row["asset"], currency, float(row["price"]), "stored", (row["asset"], currency), slot)
        found.setdefault(venue, {currency: _identity(currency, slot)})[row["asset"]] = price
    return found


def _identity(currency: str, slot: datetime) -> Price:
    return Price(currency, currency, 1.0, "identity", (currency,), slot)
