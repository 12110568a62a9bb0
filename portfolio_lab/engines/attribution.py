"""Attribution: the change of equity between two snapshots, told term by term with nothing left over.

For one account, one interval and one asset, with Q settled units, U open PnL in units of the asset, p the price
of the snapshot, and events e that moved delta units when the price was p_e:

    terms          sum of delta_e p_e by kind of event (flows, realised, funding, fees ...)
    revaluation    Q_o (p_c - p_o) + sum of delta_e (p_c - p_e)
    unrealised     U_c p_c - U_o p_o
    residual       (Q_c - Q_o - sum of delta_e) p_c

    sum of all     (Q_c + U_c) p_c - (Q_o + U_o) p_o = the change of equity, exactly

o is the opening and c the closing snapshot. The residual is what no event explains. It is shown, never spread
over the other terms. Purchases and sales are conversions: their two legs leave the difference between the
price paid and ours. A pool is what is reckoned as one: all wallets of an account whose contents are known, and
each wallet of which only a value is told (a bot), whose change less what was moved into it is its result ("opaque").
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from portfolio_lab.errors import BadInputError

TERMS: dict[str, str] = {
    "flow": "money that crossed the border of the book, at its value then; + in, - out",
    "transfer": "to and from the user's other accounts; nothing but price drift and network fees for the user",
    "realised": "closed contracts, settlements, liquidations, insurance and option premiums",
    "unrealised": "change of open positions' PnL",
    "funding": "funding of perpetual contracts",
    "fee": "commissions and network fees between own accounts; negative when paid",
    "interest": "interest on debts (negative) and of lending",
    "reward": "earn, staking, dividends, rebates",
    "promotion": "gifts and trial funds, which no trading earned",
    "revaluation": "what holdings gained or lost in price",
    "conversion": "bought and sold: what was paid or received against the price at that time",
    "opaque": "result of wallets and bots of which only a value is told, with what moved there or was exchanged untold",
    "other": "booked by the venue under a word that we do not know",
    "residual": "what no event explains",
}
"""The terms by name; they add up to the change of equity."""

LARGE_RESIDUAL = 1e-4
"""Share of equity above which a residual is pointed at."""

_OWN_RESULT = 0.25
"""Share of what moved or was exchanged that a wallet of unknown contents may have gained or lost on the same day."""

_KEY = ["interval", "account", "pool", "asset"]
_BOOK = [*_KEY, "settled", "unrealised", "price"]
_EVENTS = [*_KEY, "quantity", "price", "term", "instrument"]
_POSITIONS = [*_KEY, "instrument", "unrealised"]
_MOVE = "move"


def attribution(
    opening: pd.DataFrame,
    closing: pd.DataFrame,
    events: pd.DataFrame,
    *,
    positions: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Return the terms of the change of equity.

    Args:
        opening: one row an (interval, account, pool, asset): `settled` and `unrealised` units, and `price`
            (reporting currency; NaN unknown). What is absent is 0. `embedded`, where there is such a column, is how
            many of the settled units bots hold inside of the wallet, whose trades nobody tells.
        closing: the same at the other end.
        events: the same key, `quantity` (units, + in, - out), `price` (at the event; NaN takes the closing one),
            `term` (a key of TERMS, or "move" for what goes from one pool of the account to another) and
            `instrument` ("" when none).
        positions: open PnL by instrument at both ends, with the key, `instrument` and `unrealised` (units); what they
            do not tell of an asset's open PnL stands under "".

    Returns:
        `interval`, `account`, `asset`, `instrument`, `term`, `value` (money, + gain), one row a combination that is
        not 0. NaN where a price is unknown: then the sum is unknown too.

    Raises:
        BadInputError: a column is missing, or a term is none of TERMS.
    """
    _check(opening, closing, events)
    opening, closing, events = _of_one_type(opening, closing, events)
    prices = _prices(opening, closing, events)
    moved = events.assign(**_looked_up(prices, events)).astype({"quantity": "float64", "price": "float64"})
    moved["price"] = moved["price"].fillna(moved["closing_price"])
    parts = [
        _terms(moved),
        _holdings(opening, closing, moved, prices),
        *_open_pnl(opening, closing, prices, positions),
    ]
    terms = pd.concat(parts, ignore_index=True).astype({"value": "float64"})
    turnover = _turnover(terms)
    terms = _without_moves(terms)
    summed = _with_untold_moves(_summed(terms), turnover)
    summed = _summed(_with_untold_trades(summed, opening, closing, prices))
    return summed[summed["value"] != 0.0].reset_index(drop=True)


def by_interval(terms: pd.DataFrame, by: str = "account") -> pd.DataFrame:
    """Return one row an (interval, `by`), one column a term in the order of TERMS, and `change`, their sum.

    `by` is "account", "asset" or "instrument"; a term that does not occur is 0, an unknown one NaN.
    """
    if by not in {"account", "asset", "instrument"}:
        raise BadInputError(f"cannot attribute by {by!r}: use 'account', 'asset' or 'instrument'")
    sums = terms.groupby(["interval", by, "term"])["value"].agg(lambda values: values.sum(skipna=False))
    wide: pd.DataFrame = sums.unstack("term", fill_value=0)  # noqa: PD010 - one value a cell
    table = wide.reindex(columns=list(TERMS), fill_value=0.0)
    table["change"] = table.sum(axis=1, skipna=False)
    return table.rename_axis(columns=None)


def suspect(terms: pd.DataFrame, equity: float) -> tuple[str, str, float] | None:
    """Return (account, asset, value) of the largest residual of one interval; None while all of it is below 1 bp.

    Args:
        terms: of one interval, from `attribution`.
        equity: the opening equity; money.
    """
    left = terms[terms["term"] == "residual"]
    if not len(left) or not abs(left["value"].sum(skipna=False)) > LARGE_RESIDUAL * abs(equity):
        return None
    row = left.iloc[int(left["value"].abs().argmax())]
    return str(row["account"]), str(row["asset"]), float(row["value"])


def _check(opening: pd.DataFrame, closing: pd.DataFrame, events: pd.DataFrame) -> None:
    for name, frame, columns in (("opening", opening, _BOOK), ("closing", closing, _BOOK), ("events", events, _EVENTS)):
        if missing := [column for column in columns if column not in frame]:
            raise BadInputError(f"{name} has no column {missing[0]!r}: give {', '.join(columns)}")
    if strange := set(events["term"]) - {*TERMS, _MOVE}:
        raise BadInputError(f"term {min(strange)!r} is none of {', '.join(TERMS)}")


def _of_one_type(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the frames with the key's types of those that have rows: an empty one has none of its own."""
    known = next((frame for frame in frames if len(frame)), frames[0])
    return [frame if len(frame) else frame.astype(known[_KEY].dtypes.to_dict()) for frame in frames]


def _looked_up(prices: pd.DataFrame, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the prices of each row's key."""
    found = prices.reindex(pd.MultiIndex.from_frame(rows[_KEY]))
    return {str(name): found[name].to_numpy(dtype="float64") for name in found}


def _prices(opening: pd.DataFrame, closing: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return `opening_price` and `closing_price` by key; what is not held at an end takes the nearest price known."""
    first = opening.groupby(_KEY)["price"].first().rename("opening_price")
    last = closing.groupby(_KEY)["price"].first().rename("closing_price")
    on_the_way = events.groupby(_KEY)["price"].agg(["first", "last"])
    table = pd.concat([first, last, on_the_way], axis=1).astype("float64")
    held_first, held_last = table.index.isin(first.index), table.index.isin(last.index)
    # Only where nothing is held at an end may another price stand for its own: there it multiplies nothing.
    nearest_last = table["last"].fillna(table["opening_price"])
    table["closing_price"] = table["closing_price"].where(held_last, nearest_last)
    nearest_first = table["first"].fillna(table["closing_price"])
    table["opening_price"] = table["opening_price"].where(held_first, nearest_first)
    return table[["opening_price", "closing_price"]]


def _terms(moved: pd.DataFrame) -> pd.DataFrame:
    return moved.assign(value=moved["quantity"] * moved["price"])[[*_KEY, "instrument", "term", "value"]]


def _holdings(opening: pd.DataFrame, closing: pd.DataFrame, moved: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Return revaluation and residual of what is settled."""
    drift = moved["quantity"] * (moved["closing_price"] - moved["price"])
    table = prices.copy()
    table["opened"] = opening.groupby(_KEY)["settled"].sum()
    table["closed"] = closing.groupby(_KEY)["settled"].sum()
    table["moved"] = moved.groupby(_KEY)["quantity"].sum()
    table["drift"] = drift.groupby([moved[name] for name in _KEY]).agg(lambda values: values.sum(skipna=False))
    table[["opened", "closed", "moved", "drift"]] = _zero_where_absent(
        table[["opened", "closed", "moved", "drift"]], moved
    )
    change = _product(table["opened"], table["closing_price"] - table["opening_price"])
    unexplained = _rounded_off(table["closed"] - table["opened"] - table["moved"], table)
    rows = {"revaluation": change + table["drift"], "residual": _product(unexplained, table["closing_price"])}
    return pd.concat(
        [values.rename("value").reset_index().assign(term=term, instrument="") for term, values in rows.items()]
    )


def _zero_where_absent(columns: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """Return 0 for what has no row; a drift that is unknown because of a price stays unknown."""
    has_events = columns.index.isin(pd.MultiIndex.from_frame(moved[_KEY]))
    filled = columns.fillna(0.0)
    filled["drift"] = np.where(has_events, columns["drift"], 0.0)
    return filled


def _rounded_off(units: pd.Series, table: pd.DataFrame) -> pd.Series:
    """Return the units without what adding up floats leaves of them."""
    scale = table[["opened", "closed", "moved"]].abs().max(axis=1)
    return units.where(units.abs() > 1e-12 * scale, 0.0)


def _product(units: pd.Series, price: pd.Series) -> pd.Series:
    """Return units x price; nothing of something unpriced is worth nothing."""
    return (units * price).where(units != 0.0, 0.0)


def _open_pnl(
    opening: pd.DataFrame,
    closing: pd.DataFrame,
    prices: pd.DataFrame,
    positions: tuple[pd.DataFrame, pd.DataFrame] | None,
) -> list[pd.DataFrame]:
    """Return the change of open PnL by instrument, and of what no position tells under ""."""
    none = pd.DataFrame(columns=_POSITIONS)
    ends = zip(
        (opening, closing), positions or (none, none), ("opening_price", "closing_price"), (-1.0, 1.0), strict=True
    )
    parts = []
    for book, held, price, sign in ends:
        told = held.groupby([*_KEY, "instrument"])["unrealised"].sum().astype("float64")
        whole = book.groupby(_KEY)["unrealised"].sum().astype("float64")
        rest = whole.sub(told.groupby(_KEY).sum(), fill_value=0.0)
        rows = pd.concat([told.reset_index(), rest.rename("unrealised").reset_index().assign(instrument="")])
        rows = rows[rows["unrealised"] != 0.0]
        rows["value"] = sign * rows["unrealised"] * _looked_up(prices, rows)[price]
        parts.append(rows[[*_KEY, "instrument", "value"]].assign(term="unrealised"))
    return parts


def _without_moves(terms: pd.DataFrame) -> pd.DataFrame:
    """Return the terms of all pools as the account's.

    Of a pool whose contents are unknown everything but flows is its result; what moved into it from
    another pool stands on both sides of the same term, and cancels.
    """
    told_as_value = (terms["pool"] != "") & ~terms["term"].isin(["flow", "transfer"])
    return terms.assign(term=terms["term"].mask(told_as_value | (terms["term"] == _MOVE), "opaque"))


def _summed(terms: pd.DataFrame) -> pd.DataFrame:
    """Return one row an interval, account, asset, instrument and term."""
    columns = ["interval", "account", "asset", "instrument", "term"]
    return terms.groupby(columns, sort=True)["value"].agg(lambda values: values.sum(skipna=False)).reset_index()


def _turnover(terms: pd.DataFrame) -> pd.Series:
    """Return by interval and account how much the worth of its wallets of unknown contents changed, each by itself."""
    inside = terms[(terms["pool"] != "") & ~terms["term"].isin(["flow", "transfer"])]
    changes = inside.groupby(["interval", "account", "pool"])["value"].sum().abs()
    return changes.groupby(level=["interval", "account"]).sum()


def _with_untold_trades(
    terms: pd.DataFrame, opening: pd.DataFrame, closing: pd.DataFrame, prices: pd.DataFrame
) -> pd.DataFrame:
    """Count as opaque what bots exchanged with nobody's telling: one coin went unexplained, and another one came.

    Both must be worth about the same, and no more than the bots have: where they are inside of a wallet, what their
    holdings changed by, and only coins of theirs; else all that wallets of unknown contents are worth. A loss alone is
    none.
    """
    inside, coins = _changed_inside(opening, closing, prices)
    apart = _worth_apart(opening, closing)
    limit = inside.add(apart, fill_value=0.0) * (1.0 + _OWN_RESULT)
    if limit.empty:
        return terms
    place = pd.MultiIndex.from_frame(terms[["interval", "account"]])
    theirs = pd.MultiIndex.from_frame(terms[["interval", "account", "asset"]]).isin(coins) | place.isin(apart.index)
    legs = (terms["term"] == "residual") & theirs
    by = [terms["interval"], terms["account"]]
    came = terms["value"].clip(lower=0.0).where(legs, 0.0).groupby(by).transform("sum")
    went = -terms["value"].clip(upper=0.0).where(legs, 0.0).groupby(by).transform("sum")
    smaller = np.minimum(came, went)
    traded = ((came - went).abs() <= _OWN_RESULT * smaller) & (smaller <= limit.reindex(place).to_numpy())
    return terms.assign(term=terms["term"].mask(legs & traded, "opaque"))


def _changed_inside(opening: pd.DataFrame, closing: pd.DataFrame, prices: pd.DataFrame) -> tuple[pd.Series, pd.Index]:
    """Return by interval and account what the holdings of bots inside of wallets changed by, and their coins."""
    key = ["interval", "account", "asset"]
    books = [book if "embedded" in book else book.assign(embedded=0.0) for book in (opening, closing)]
    first, last = (book.groupby(key)["embedded"].sum().astype("float64") for book in books)
    changed = last.sub(first, fill_value=0.0)
    price = prices["closing_price"].groupby(level=key).last()
    worth = _product(changed, price.reindex(changed.index)).abs().groupby(level=key[:2]).sum()
    return worth[worth > 0.0], pd.concat([first[first != 0.0], last[last != 0.0]]).index


def _worth_apart(opening: pd.DataFrame, closing: pd.DataFrame) -> pd.Series:
    """Return by interval and account what wallets of unknown contents are worth, each at the end where that is more."""
    ends = []
    for book in (opening, closing):
        apart = book[book["pool"] != ""]
        worth = (apart["settled"].astype("float64") * apart["price"].astype("float64")).abs()
        ends.append(worth.groupby([apart["interval"], apart["account"], apart["pool"]]).sum())
    return pd.concat(ends).groupby(level=[0, 1, 2]).max().groupby(level=[0, 1]).sum()


def _with_untold_moves(terms: pd.DataFrame, turnover: pd.Series) -> pd.DataFrame:
    """Count as opaque what left a wallet of unknown contents while as much arrived unexplained, or the reverse.

    Some venues tell no move when a copied position closes. Where both are of opposite sign and differ by little of what
    moved (in one coin, out in another; out of one such wallet, into another), the rest is the wallets' own result; else
    only what they have in common is taken, and the rest stays a residual.
    """
    residual = terms["term"] == "residual"
    place = [terms["interval"], terms["account"]]
    left = terms["value"].where(residual, 0.0).groupby(place).transform("sum")
    result = terms["value"].where(terms["term"] == "opaque", 0.0).groupby(place).transform("sum")
    moves = terms["value"].abs().where(residual, 0.0).groupby(place).transform("sum")
    smaller = np.minimum(left.abs(), result.abs())
    turned = turnover.reindex(pd.MultiIndex.from_arrays(place), fill_value=0.0).to_numpy()
    alike = (left + result).abs() <= _OWN_RESULT * np.maximum(moves, turned)
    common = np.where(left * result < 0, np.where(alike, left.abs(), smaller), 0.0)
    share = np.divide(common, left.abs(), out=np.zeros(len(terms)), where=common > 0)
    moved = terms[residual & (share > 0)].assign(term="opaque")
    moved["value"] *= share[moved.index]
    kept = terms.assign(value=terms["value"].where(~residual, terms["value"] * (1.0 - share)))
    return _summed(pd.concat([kept, moved], ignore_index=True))
