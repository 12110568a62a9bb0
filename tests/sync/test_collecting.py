"""The collector's rhythm while a large book is read."""

from __future__ import annotations

import gc

import pytest

from portfolio_lab.sync.collecting import LARGE, collected_once


def test_a_large_book_holds_it_back_until_the_end() -> None:
    before = gc.get_threshold()
    with collected_once(LARGE):
        assert gc.get_threshold()[2] > 100 * before[2]
    assert gc.get_threshold() == before


def test_a_small_book_leaves_it_alone() -> None:
    before = gc.get_threshold()
    with collected_once(LARGE - 1):
        assert gc.get_threshold() == before


def test_a_failure_gives_the_rhythm_back() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="x"), collected_once(LARGE):
        raise ValueError("x")
    assert gc.get_threshold() == before


def test_two_books_at_once_end_with_the_rhythm_of_before() -> None:
    before, one, two = gc.get_threshold(), collected_once(LARGE), collected_once(LARGE)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    two.__exit__(None, None, None)
    assert gc.get_threshold() == before
