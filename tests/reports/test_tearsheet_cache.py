"""The cache of tearsheets: it hits on the same inputs, misses on any other, and survives damage."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.reports import cache as cache_module
from portfolio_lab.reports.cache import SheetCache, cache_of, key_of
from portfolio_lab.reports.sheet import Sheet

DATES = pd.date_range("2026-01-01", periods=4, freq="D")
RETURNS = pd.Series([0.1, -0.2, 0.0, 0.05], DATES)
MARKET = pd.Series([0.2, -0.1, 0.0, 0.01], DATES, name="BTC")
SHEET = Sheet("alice", "user", RETURNS, RETURNS, MARKET, ("a note",), pd.DatetimeIndex([]), pd.DatetimeIndex([]))


class Pencil:
    """Counts how often it draws."""

    def __init__(self, page: str = "<p>Überschuß</p>\r\n") -> None:
        self.page, self.drawn = page, 0

    def __call__(self) -> str:
        self.drawn += 1
        return self.page


@pytest.fixture
def cache(tmp_path: Path) -> SheetCache:
    return cache_of(tmp_path)


def entries(root: Path) -> list[Path]:
    return sorted((root / "cache" / "tearsheets").iterdir())


# ---------------------------------------------------------------- hits


def test_the_same_sheet_is_drawn_once_and_comes_back_to_the_byte(cache: SheetCache) -> None:
    pencil = Pencil()
    pages = [cache.page(SHEET, "native", pencil) for _ in range(3)]
    assert pages == [pencil.page] * 3
    assert pencil.drawn == 1
    assert cache.has(SHEET, "native")
    assert not cache.has(SHEET, "quantstats")


def test_another_process_finds_what_this_one_kept(tmp_path: Path) -> None:
    cache_of(tmp_path).page(SHEET, "native", Pencil("one"))
    assert cache_of(tmp_path).page(SHEET, "native", Pencil("two")) == "one"
    again = dataclasses.replace(SHEET, known=RETURNS.copy(), returns=RETURNS.copy(), benchmark=MARKET.copy())
    assert key_of(again, "native") == key_of(SHEET, "native")


# ---------------------------------------------------------------- misses


def nudged(series: pd.Series) -> pd.Series:
    """Return the series with its last value moved by one unit in the last place."""
    values = series.to_numpy(copy=True)
    values[-1] = np.nextafter(values[-1], 1)
    return pd.Series(values, series.index, name=series.name)


CHANGES: dict[str, Callable[[Sheet], Sheet]] = {
    "a return": lambda sheet: dataclasses.replace(sheet, known=nudged(RETURNS)),
    "a drawn return": lambda sheet: dataclasses.replace(sheet, returns=nudged(RETURNS)),
    "a date": lambda sheet: dataclasses.replace(sheet, known=RETURNS.shift(1, freq="D")),
    "a day less": lambda sheet: dataclasses.replace(sheet, known=RETURNS.iloc[1:]),
    "a change of the benchmark": lambda sheet: dataclasses.replace(sheet, benchmark=nudged(MARKET)),
    "the benchmark's name": lambda sheet: dataclasses.replace(sheet, benchmark=MARKET.rename("ETH")),
    "no benchmark": lambda sheet: dataclasses.replace(sheet, benchmark=None),
    "a note": lambda sheet: dataclasses.replace(sheet, notes=("another",)),
    "one note more": lambda sheet: dataclasses.replace(sheet, notes=("a note", "")),
    "the name": lambda sheet: dataclasses.replace(sheet, name="carol"),
    "the scope": lambda sheet: dataclasses.replace(sheet, scope="account"),
    "a missing day": lambda sheet: dataclasses.replace(sheet, missing=DATES[:1]),
    "an estimated day": lambda sheet: dataclasses.replace(sheet, estimated=DATES[:1]),
    "missing, not estimated": lambda sheet: dataclasses.replace(sheet, missing=DATES[:2], estimated=DATES[:0]),
}


def test_every_change_of_what_goes_in_is_another_page() -> None:
    keys = {key_of(change(SHEET), "native") for change in CHANGES.values()}
    keys |= {key_of(SHEET, "native"), key_of(SHEET, "quantstats")}
    assert len(keys) == len(CHANGES) + 2


@pytest.mark.parametrize("library", ["portfolio-lab", "quantstats"])
def test_another_version_draws_anew(cache: SheetCache, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    first, second = Pencil("old"), Pencil("new")
    assert cache.page(SHEET, "native", first) == "old"
    known = cache_module._version
    monkeypatch.setattr(cache_module, "_version", lambda name: "99" if name == library else known(name))
    cache_module.renderer.cache_clear()
    try:
        assert cache.page(SHEET, "native", second) == "new"
    finally:
        monkeypatch.undo()
        cache_module.renderer.cache_clear()


def test_another_source_draws_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reports").mkdir()
    source = tmp_path / "reports" / "native.py"
    keys = []
    monkeypatch.setattr(cache_module, "_HERE", tmp_path / "reports")
    try:
        for text in ("width = 1", "width = 2"):
            source.write_text(text, encoding="utf-8")
            cache_module.renderer.cache_clear()
            keys.append(key_of(SHEET, "native"))
    finally:
        monkeypatch.undo()
        cache_module.renderer.cache_clear()
    assert keys[0] != keys[1]


# ---------------------------------------------------------------- damage


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda content: content[:-3],
    "cut in the middle of a letter": lambda content: content[:70],
    "one bit": lambda content: content[:80] + bytes([content[80] ^ 1]) + content[81:],
    "its hash": lambda content: b"0" * 64 + content[64:],
    "no text": lambda _: bytes(range(256)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_drawn_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    cache, pencil = cache_of(tmp_path), Pencil()
    cache.page(SHEET, "native", pencil)
    [entry] = entries(tmp_path)
    entry.write_bytes(damage(entry.read_bytes()))
    assert not cache.has(SHEET, "native")
    assert cache.page(SHEET, "native", pencil) == pencil.page
    assert cache.page(SHEET, "native", pencil) == pencil.page
    assert pencil.drawn == 2


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where the folder should be", encoding="utf-8")
    cache, pencil = cache_of(tmp_path), Pencil()
    assert [cache.page(SHEET, "native", pencil) for _ in range(2)] == [pencil.page] * 2
    assert pencil.drawn == 2


def test_a_page_that_could_not_be_drawn_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> str:
        raise MemoryError

    with pytest.raises(MemoryError):
        cache_of(tmp_path).page(SHEET, "native", fail)
    assert not (tmp_path / "cache").exists()


# ---------------------------------------------------------------- size


def test_the_page_that_was_not_asked_for_longest_goes_first(tmp_path: Path) -> None:
    cache = SheetCache(tmp_path, largest=250)  # two pages of 100 letters and their hashes are too many by a third
    sheets = [dataclasses.replace(SHEET, name=name) for name in ("one", "two", "three")]
    small = Pencil("x" * 50)  # 115 bytes with its hash: two of them fit
    for second, sheet in enumerate(sheets[:2]):
        cache.page(sheet, "native", small)
        os.utime(cache._path(sheet, "native"), (second, second))
    cache.page(sheets[0], "native", small)  # asked for again: now the second is the oldest
    cache.page(sheets[2], "native", small)
    assert [cache.has(sheet, "native") for sheet in sheets] == [True, False, True]


def test_one_page_above_the_bound_is_kept_and_all_others_go(tmp_path: Path) -> None:
    cache = SheetCache(tmp_path, largest=100)
    for name in ("one", "two"):
        cache.page(dataclasses.replace(SHEET, name=name), "native", Pencil("x" * 500))
    assert len(list(tmp_path.iterdir())) == 1
    assert cache.has(dataclasses.replace(SHEET, name="two"), "native")


def test_others_cannot_read_it(tmp_path: Path) -> None:
    cache_of(tmp_path).page(SHEET, "native", Pencil())
    assert (tmp_path / "cache" / "tearsheets").stat().st_mode & 0o077 == 0
