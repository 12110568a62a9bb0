"""Long lists of flat rows: the quick way reads what the slow way reads, and refuses what it refuses."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import shapes
from portfolio_lab.exchanges.flat_rows import FlatRows, flat_rows

ROW = {"asset": "BTC", "free": "1", "locked": "0", "freeze": "0", "withdrawing": "0"}
SHAPE = list[shapes.AssetRow]


def body(*rows: object) -> bytes:
    return json.dumps(rows).encode()


def slowly(answer: bytes) -> list[shapes.AssetRow]:
    return payloads.shaped(payloads.read_json(answer), SHAPE)


def test_rows_are_read_with_what_a_venue_added() -> None:
    found = flat_rows(
        body(ROW | {"btcValuation": "0", "n": 1}, ROW | {"asset": "ETH", "btcValuation": "1", "n": None}), SHAPE
    )
    assert found is not None
    assert [(row.asset, row.free, row.ipoable) for row in found.rows] == [("BTC", "1", ""), ("ETH", "1", "")]
    assert all(isinstance(row, shapes.AssetRow) for row in found.rows)


def test_a_field_with_a_default_is_read_where_it_is_stated() -> None:
    found = flat_rows(body(ROW | {"ipoable": "7"}), SHAPE)
    assert found is not None
    assert found.rows[0].ipoable == "7"


DOUBTFUL = {
    "nothing": b"[]",
    "an object": json.dumps(ROW).encode(),
    "a number instead of a text": body(ROW | {"free": 1}),
    "a field that is missing everywhere": body({"asset": "BTC"}),
    "a field that is missing once": body(ROW, {"asset": "ETH"}),
    "a key that only one row has": body(ROW, ROW | {"note": "x"}),
    "a nested value": body(ROW | {"note": ["x"]}),
    "colons in a text": body(ROW | {"note": "a:b"}),
    "braces in a text": body(ROW | {"note": "}"}),
    "a key twice": body(ROW).replace(b'"free": "1"', b'"free": "1", "free": "2"'),
    "a key twice under another spelling": body(ROW).replace(b'"free": "1"', b'"free": "1", "fr\\u0065e": "2"'),
    "an unknown key twice": body(ROW | {"note": "1"}).replace(b'"note": "1"', b'"note": "1", "note": "1"'),
    "a key twice in one row, and not in the other": body(ROW | {"note": "1"}, ROW).replace(
        b'"note": "1"', b'"note": "1", "note": "1"'
    ),
    "cut off": body(ROW, ROW)[:-9],
    "more behind it": body(ROW) + b"1",
    "text that is none": body(ROW | {"note": "x"}).replace(b'"x"', b'"\xff"'),
    "no number": body(ROW | {"note": 1}).replace(b'"note": 1', b'"note": NaN'),
}


@pytest.mark.parametrize("answer", DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_cannot_be_proved_is_read_slowly(answer: bytes) -> None:
    assert flat_rows(answer, SHAPE) is None


@pytest.mark.parametrize("shape", [shapes.SpotAccount, list[shapes.Deposit], list[str], dict[str, str], None])
def test_other_shapes_are_read_slowly(shape: object) -> None:
    assert flat_rows(body(ROW), shape) is None


@given(st.data())
def test_both_ways_tell_the_same(data: st.DataObject) -> None:
    keys = [*ROW, "ipoable", "note", "asset:"]
    value = st.one_of(st.text(st.sampled_from('0:{}[]"\\,é'), max_size=3), st.integers(0, 3), st.none())
    pairs = st.lists(st.tuples(st.sampled_from(keys), value), max_size=3)
    start = [(key, json.dumps(text)) for key, text in ROW.items()]
    rows = [
        start + [(key, json.dumps(one)) for key, one in data.draw(pairs)] for _ in range(data.draw(st.integers(1, 3)))
    ]
    answer = ("[" + ",".join("{" + ",".join(f'"{key}":{one}' for key, one in row) + "}" for row in rows) + "]").encode()
    if not isinstance(quick := payloads.read_json(answer, SHAPE) if _is_sound(answer) else None, FlatRows):
        return
    assert [msgspec.to_builtins(row) | {} for row in slowly(answer)] == [
        {name: getattr(row, name) for name in shapes.AssetRow.__struct_fields__} for row in quick.rows
    ]


def _is_sound(answer: bytes) -> bool:
    try:
        slowly(answer)
    except AnswerShapeError:
        assert flat_rows(answer, SHAPE) is None
        return False
    return True
