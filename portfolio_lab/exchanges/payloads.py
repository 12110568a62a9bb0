"""Strict reading of what a venue answers: JSON without doubt, shapes, amounts and asset codes.

Everything here refuses rather than guesses. A field that a venue added is ignored; a field
that is missing, renamed or of another type breaks the answer, with the path of the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges.flat_rows import FlatRows, flat_rows

MAX_DEPTH = 24
"""Nesting that no answer of a venue comes near."""

SCALE = Decimal(1).scaleb(-18)
"""The finest amount that is stored; finer digits are rounded half-even."""

_WIDE = Context(prec=60)
_CONTAINERS = frozenset({dict, list})
_AMOUNT = re.compile(r"-?[0-9]{1,24}(?:\.([0-9]{1,60}))?", re.ASCII)
_ASSET = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)
_INSTRUMENT = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)
_FLOW = re.compile(r"[A-Za-z0-9_.*-]{1,80}", re.ASCII)
_KEY_SIGN = re.compile(rb'"\s*:')
_PATH = re.compile(r" - at `\$?([^`]*)`$")
_EARLIEST_MS, _LATEST_MS = 1_230_768_000_000, 4_102_444_800_000

Shape = TypeVar("Shape")


class Fields(msgspec.Struct, frozen=True, gc=False):
    """A row of an answer: the named fields are mandatory unless they have a default."""


# ---------------------------------------------------------------- JSON


def read_json(body: bytes, shape: object = None) -> Any:  # noqa: ANN401 - any JSON value; `shaped` gives it a type
    """Return the JSON value of a body; where `shape` is a list of flat rows, perhaps as `FlatRows` of it.

    Raises AnswerShapeError for anything that two readers could read differently or that only
    an attacker sends: text that is not JSON, NaN, doubled keys, absurd depth.
    """
    if shape is not None and (rows := flat_rows(body, shape)) is not None:
        return rows
    problem = ""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = _what_it_is(body)
    except RecursionError:
        problem = "nested far too deeply"
    if problem:
        raise AnswerShapeError(f"The answer is {problem}.")
    flat = _keys_of_flat_rows(body, value)
    _refuse_doubled_keys(body, keys=_count_keys(value) if flat is None else flat)
    return value


def _what_it_is(body: bytes) -> str:
    start = body[:200].lstrip().lower()
    if not start:
        return "empty"
    return "an HTML page, not JSON" if start.startswith(b"<") else "not valid JSON (cut off or damaged)"


def _keys_of_flat_rows(body: bytes, value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    """The keys of a list of flat objects, counted without looking into them; None for anything else.

    As many braces as rows and one bracket leave no room for anything inside a row. Braces inside
    texts make the cheap proof fail; the slow one then counts.
    """
    if type(value) is not list or body.count(b"{") != len(value) or body.count(b"[") != 1:
        return None
    return sum(map(len, value)) if all(type(row) is dict for row in value) else None


def _count_keys(value: Any) -> int:  # noqa: ANN401 - walks any JSON value
    """Count the keys of all objects in the value; raise when it is nested too deeply."""
    keys, level = 0, [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            keys += len(node) if type(node) is dict else 0
            members = node.values() if type(node) is dict else node
            below += [member for member in members if type(member) in _CONTAINERS]
        if not below:
            return keys
        level = below
    raise AnswerShapeError("The answer is nested far too deeply.")


def _refuse_doubled_keys(body: bytes, *, keys: int) -> None:
    """Raise when an object of the body has a key twice.

    Every key is followed by a colon, so as many colons as keys means that none got lost in a
    dict. Colons inside texts make the cheap proof fail; the slow one then decides.
    """
    if body.count(b":") == keys or len(_KEY_SIGN.findall(body)) == keys:
        return
    json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise AnswerShapeError("The answer has a key twice in one object.")
    return members


def shaped(value: Any, shape: type[Shape]) -> Shape:  # noqa: ANN401 - the door from untyped to typed
    """Return the value as the shape, or raise AnswerShapeError with the path of the field."""
    if type(value) is FlatRows:
        return value.rows  # type: ignore[return-value]  # read for this shape, see `read_json`
    problem = ""
    try:
        return msgspec.convert(value, type=shape, strict=True)
    except msgspec.ValidationError as refusal:
        problem = str(refusal)
    match = _PATH.search(problem)
    path = match.group(1).lstrip(".") if match else ""
    missing = "missing required field" in problem
    raise AnswerShapeError(_shape_text(problem, path, missing=missing), path=path)


def _shape_text(problem: str, path: str, *, missing: bool) -> str:
    where = f"at {path}" if path else "at its top"
    if missing:
        field = problem.split("`")[1]
        return f"The answer lacks the field {field} {where}."
    expected = re.match(r"Expected `([a-z |]+)`, got `([a-z]+)`", problem)
    if expected:
        return f"The answer has {expected.group(2)} instead of {expected.group(1)} {where}."
    return f"The answer is not of its shape {where}."


# ---------------------------------------------------------------- fields


@lru_cache(maxsize=8192)
def _decimal(text: str) -> Decimal | None:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    number = Decimal(text)
    return number.quantize(SCALE, context=_WIDE) if len(match.group(1) or "") > 18 else number


def amount(text: str, path: str) -> Decimal:
    """Return the amount that a plain decimal text states, e.g. "-0.001".

    ASCII digits, at most 24 before the point; digits after the eighteenth decimal are rounded
    half-even. Raises AnswerShapeError with the path for anything else, "" included.
    """
    number = _decimal(text)
    if number is None:
        raise AnswerShapeError(f"The answer has no plain decimal number at {path}.", path=path)
    return number


def amount_or_none(text: str | None, path: str) -> Decimal | None:
    """Return the amount, or None where the venue states none (null or "")."""
    return None if not text else amount(text, path)


def positive(text: str, path: str) -> Decimal:
    """Return the amount; raise AnswerShapeError unless it is above zero."""
    number = amount(text, path)
    if number <= 0:
        raise AnswerShapeError(f"The answer has no positive number at {path}.", path=path)
    return number


def not_negative(text: str, path: str) -> Decimal:
    """Return the amount; raise AnswerShapeError when it is below zero."""
    number = amount(text, path)
    if number < 0:
        raise AnswerShapeError(f"The answer has a negative number at {path}.", path=path)
    return number


def is_asset_code(text: str) -> bool:
    """True for a code that is safe everywhere: 1 to 20 of A-Z and 0-9."""
    return _ASSET.fullmatch(text) is not None


def asset_code(text: str, path: str) -> str:
    """Return the asset code as it is; raise AnswerShapeError for anything unusual."""
    if not is_asset_code(text):
        raise AnswerShapeError(f"The answer has no usable asset code at {path}.", path=path)
    return text


def instrument_code(text: str, path: str) -> str:
    """Return the venue's id of an instrument; raise AnswerShapeError for anything unusual."""
    if _INSTRUMENT.fullmatch(text) is None:
        raise AnswerShapeError(f"The answer has no usable instrument at {path}.", path=path)
    return text


def each_once(names: Iterable[str], path: str) -> None:
    """Raise AnswerShapeError when a name occurs twice: two rows for one asset have no meaning."""
    listed = list(names)
    if len(set(listed)) != len(listed):
        raise AnswerShapeError(f"The answer has two rows for one name at {path}.", path=path)


def instant(milliseconds: int | str, path: str) -> datetime:
    """Return the UTC instant of milliseconds since 1970; raise unless between 2009 and 2100."""
    text = str(milliseconds)
    if not (text.isascii() and text.isdigit() and _EARLIEST_MS <= int(text) <= _LATEST_MS):
        raise AnswerShapeError(f"The answer has no time in milliseconds at {path}.", path=path)
    seconds, rest = divmod(int(text), 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def milliseconds(at: datetime) -> int:
    """Return the milliseconds since 1970 of an aware instant."""
    return round(at.timestamp() * 1000)


def quotient(units: Decimal, price: Decimal) -> Decimal:
    """Return units / price, rounded to the resolution that is stored."""
    return (units / price).quantize(SCALE, context=_WIDE)


def flow_code(text: str, path: str) -> str:
    """Return the venue's id of a deposit or withdrawal; raise AnswerShapeError for anything unusual."""
    if _FLOW.fullmatch(text) is None:
        raise AnswerShapeError(f"The answer has no usable id at {path}.", path=path)
    return text
