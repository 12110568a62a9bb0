"""Long lists of flat rows, read straight into their shape: no dictionary is made of a row.

Binance answers with a row for every coin there is. Such a list is read by a shape that demands
every key of its first row, so that each row has at least those; as many colons as that makes in all
leave no room for a further key, nor for one that is written twice. Whatever cannot be
proved in this way is no flat list here, and is read slowly, with the same strictness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec

MOST_KEYS = 40
"""A row of more keys is read slowly."""

_Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class FlatRows:
    """Rows that are of their shape already, as is every key that they carry beside it: once, and flat."""

    rows: list[Any]


def flat_rows(body: bytes, shape: object) -> FlatRows | None:
    """Return the rows of a list of flat objects, None where the body or the shape is anything else."""
    if not body.startswith(b"[{") or not isinstance(shape, GenericAlias) or get_origin(shape) is not list:
        return None
    try:
        first = msgspec.json.decode(body[1 : body.find(b"}") + 1], type=dict[str, _Scalar])
        decoder = _decoder(get_args(shape)[0], tuple(first)) if len(first) <= MOST_KEYS else None
        rows = decoder.decode(body) if decoder is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if rows is None or body.count(b":") != len(rows) * len(first):
        return None
    return FlatRows(rows)


@lru_cache(maxsize=64)
def _decoder(row: object, keys: tuple[str, ...]) -> msgspec.json.Decoder[list[Any]] | None:
    """Return what reads rows that have all of these keys; None unless every field of ours is a text."""
    if not (isinstance(row, type) and issubclass(row, msgspec.Struct)):
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(row)}
    if any(field.type is not str or (field.required and name not in keys) for name, field in fields.items()):
        return None
    ours: list[tuple[str, Any]] = [(field.name, str) for name, field in fields.items() if name in keys]
    others = {f"other_{place}": name for place, name in enumerate(keys) if name not in fields}
    renamed = others | {fields[name].name: name for name in fields}
    whole = msgspec.defstruct(
        f"Whole{row.__name__}",
        [*ours, *((name, _Scalar) for name in others)],
        bases=(row,),
        kw_only=True,
        frozen=True,
        gc=False,
        rename=renamed,
    )
    return msgspec.json.Decoder(list[whole])  # type: ignore[valid-type]
