from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.cluster.shards import MOST_USERS, sharded


def first_letter(row: str) -> str:
    return row[0]


def test_a_user_with_two_accounts_is_never_cut_in_two() -> None:
    assert sharded(["a1", "b1", "a2", "c1"], first_letter, 1) == [("a1", "a2", "b1"), ("c1",)]


def test_nobody_makes_no_shard() -> None:
    assert sharded([], first_letter, 4) == []


def test_a_large_desk_is_cut_into_bounded_shards() -> None:
    shards = sharded([f"u{number}" for number in range(1_000)], lambda row: row, 1)
    assert [len(one) for one in shards] == [MOST_USERS] * 4


@given(st.lists(st.integers(0, 40)), st.integers(1, 9))
def test_every_row_is_in_exactly_one_shard(rows: list[int], places: int) -> None:
    shards = sharded(rows, str, places)
    assert sorted(row for shard in shards for row in shard) == sorted(rows)
    assert sum(len(set(shard)) for shard in shards) == len(set(rows))
