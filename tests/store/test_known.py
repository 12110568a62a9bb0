"""What was known then: rows as they stood at an instant, the same before and after every fold."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from types import ModuleType

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portfolio_lab.errors import BadInputError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store
from portfolio_lab.store.revisions import keys_digest

DAY = datetime(2026, 11, 19, tzinfo=UTC)
AFTER = date(2026, 12, 1)
AT_ONCE = timedelta(0)
MINUTE = timedelta(minutes=1)
HISTORY = TABLES["performance_history"]
BALANCES = TABLES["balances"]
WALLETS = TABLES["wallets"]


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(DAY + timedelta(days=5))


def made(folder: Path, clock: Clock) -> Store:
    return Store(Store.create(folder).root, clock=clock)


def tell(
    store: Store, rows: ModuleType, clock: Clock, pnl: float, *, user: str = "anna", slot: datetime = DAY
) -> datetime:
    """Commit one figure of one day, and return when it became known."""
    clock.now += MINUTE
    told = rows.sample_rows(HISTORY, 1, slot, user=user, day=DAY.date(), pnl=pnl)
    held = rows.sample_rows(BALANCES, 2, slot, user=user)
    given_rows = {HISTORY.name: told, BALANCES.name: held}
    return store.commit(given_rows, slot=slot, writer="w", sync_id=f"{user}-{pnl:g}").known_at


def pnls(store: Store, known: datetime | None = None) -> list[float]:
    return store.read(HISTORY.name, columns=["pnl"], known=known)["pnl"].to_pylist()


def test_a_question_of_the_past_gets_the_answer_of_the_past(tmp_path: Path, rows: ModuleType, clock: Clock) -> None:
    store = made(tmp_path / "store", clock)
    first, second, third = (tell(store, rows, clock, pnl) for pnl in (1.0, 2.0, 3.0))
    assert pnls(store, first - MINUTE) == []
    assert [pnls(store, at) for at in (first, second, third)] == [[1.0], [2.0], [3.0]]
    store.fold(today=AFTER, grace=AT_ONCE)
    for reader in (store, Store.open(store.root)):
        assert [pnls(reader, at) for at in (first, second, third)] == [[1.0], [2.0], [3.0]]
        assert pnls(reader) == [3.0]
        assert [reader.read(BALANCES.name, known=at).num_rows for at in (first - MINUTE, first, third)] == [0, 2, 6]


def test_superseded_rows_are_kept_apart_from_what_plain_pandas_reads(
    tmp_path: Path, rows: ModuleType, clock: Clock
) -> None:
    store = made(tmp_path / "store", clock)
    stamps = [tell(store, rows, clock, pnl) for pnl in (1.0, 2.0)]
    store.fold(today=AFTER, grace=AT_ONCE)
    rooms = {path.relative_to(store.root).parts[0]: path for path in store.root.glob(f"*/{HISTORY.name}/*/*.parquet")}
    assert set(rooms) == {"sealed", "revisions"}
    kept = store.revisions(HISTORY.name, columns=["pnl", "committed_at"])
    assert kept.to_pylist() == [{"pnl": pnl, "committed_at": at} for pnl, at in zip((1.0, 2.0), stamps, strict=True)]


def test_every_row_says_when_it_became_known(tmp_path: Path, rows: ModuleType, clock: Clock) -> None:
    store = made(tmp_path / "store", clock)
    stamps = [tell(store, rows, clock, pnl) for pnl in (1.0, 2.0)]
    expected = [stamps[0]] * 2 + [stamps[1]] * 2
    for _ in range(2):
        assert sorted(store.read(BALANCES.name, columns=["committed_at"])["committed_at"].to_pylist()) == expected
        assert store.read(HISTORY.name, columns=["committed_at"])["committed_at"].to_pylist() == stamps[1:]
        assert "committed_at" not in store.read(BALANCES.name).column_names
        store.fold(today=AFTER, grace=AT_ONCE)


def test_an_instant_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(BadInputError, match=r"known=2026-11-19T00:00:00 has no time zone"):
        store.read(HISTORY.name, known=datetime(2026, 11, 19))  # noqa: DTZ001 - that is the point


_told = st.tuples(st.integers(0, 2), st.sampled_from(["anna", "ben", "carl"]))


@given(st.lists(st.one_of(st.sampled_from(["seal", "roll"]), _told), max_size=14))
@example([(0, "anna"), (1, "ben"), (0, "anna"), "roll", (0, "anna"), "seal", (1, "anna"), "seal"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_known_at_an_instant_never_changes(
    tmp_path: Path, rows: ModuleType, monkeypatch: pytest.MonkeyPatch, steps: list[str | tuple[int, str]]
) -> None:
    monkeypatch.setattr("portfolio_lab.store.fold.WORTH_ROLLING", 1)
    clock = Clock(DAY + timedelta(days=5))
    store = made(tmp_path / secrets.token_hex(8), clock)
    told: list[tuple[datetime, str, float]] = []
    for number, step in enumerate(steps):
        if isinstance(step, str):
            store.fold(today=AFTER if step == "seal" else DAY.date(), grace=AT_ONCE)
        else:
            day, user = step
            at = tell(store, rows, clock, float(number), user=user, slot=DAY + timedelta(days=day, minutes=number))
            told.append((at, user, float(number)))
    for reader in (store, Store.open(store.root)):
        for instant, _, _ in told:
            then = {user: pnl for at, user, pnl in told if at <= instant}
            read = reader.read(HISTORY.name, known=instant)
            assert dict(zip(read["user"].to_pylist(), read["pnl"].to_pylist(), strict=True)) == then
            assert reader.read(BALANCES.name, known=instant).num_rows == 2 * sum(at <= instant for at, _, _ in told)
        assert reader.revisions(HISTORY.name).num_rows == len(told)


TEXTS = st.text(alphabet="ab\x00\u00e9", max_size=2)
KEYS = st.lists(st.tuples(TEXTS, st.integers(0, 1), TEXTS, TEXTS), max_size=6)


def keyed(keys: list[tuple[str, int, str, str]], *, chunks: int = 1) -> pa.Table:
    fields = [WALLETS.schema.field(name) for name in WALLETS.key]
    told = [(user, DAY + minutes * MINUTE, *rest) for user, minutes, *rest in keys]
    parts = [told[number::chunks] for number in range(chunks)]
    schema = pa.schema(fields)
    return pa.concat_tables(
        pa.table(
            {one.name: pa.array([row[place] for row in part], one.type) for place, one in enumerate(fields)}, schema
        )
        for part in parts
    )


@settings(max_examples=300, deadline=None)
@given(KEYS, KEYS, st.randoms(use_true_random=False))
@example([("a", 0, "b", "")], [("ab", 0, "", "")], None)
@example([("a", 0, "", ""), ("b", 0, "", "")], [("ab", 0, "", ""), ("", 0, "", "")], None)
def test_a_digest_of_keys_tells_their_set_and_nothing_else(
    one: list[tuple[str, int, str, str]], other: list[tuple[str, int, str, str]], chance: Random | None
) -> None:
    """Files of the same digest supersede each other: it must not depend on how rows lie, nor miss a key."""
    assert keys_digest(BALANCES, BALANCES.schema.empty_table()) == ""
    mixed = one * 2
    if chance is not None:
        chance.shuffle(mixed)
    digest = keys_digest(WALLETS, keyed(one))
    assert keys_digest(WALLETS, keyed(mixed, chunks=3)) == digest
    assert keys_digest(WALLETS, keyed([*other, *one]).slice(len(other))) == digest
    assert (keys_digest(WALLETS, keyed(other)) == digest) is (set(one) == set(other))
