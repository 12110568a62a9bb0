"""Node: a figure, how it follows from the figures below it, and where those come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

TOLERANCE = 1e-9
"""Share of the largest part within which the parts must give the whole."""

COLUMNS = ("depth", "path", "name", "value", "unit", "formula", "source")
_PATH = " > "
_LARGE = 1_000

Rule = Callable[[Sequence[float]], float]


def linked(returns: Sequence[float]) -> float:
    """Return product of (1 + return), less one; unknown returns are left out, NaN when all are or one is below -1."""
    known = [1.0 + part for part in returns if not math.isnan(part)]
    return math.prod(known) - 1.0 if known and min(known) >= 0 else math.nan


@dataclass(frozen=True, slots=True)
class Node:
    """One figure of an explanation.

    `value` follows from the values of `children` by `rule`, which `formula` says in words; without children it is
    a fact as stored, and `source` says whose. `unit` is a currency, an asset, or a word such as "fraction". `str()`
    prints the tree, `frame()` tells it row by row.
    """

    name: str
    value: float
    unit: str
    formula: str = ""
    children: tuple[Node, ...] = field(default=(), repr=False)
    source: str = ""
    rule: Rule = field(default=math.fsum, repr=False, compare=False)

    def reproduced(self) -> float:
        """Return the value that the children give by the rule; of a fact its own value."""
        return self.rule([child.value for child in self.children]) if self.children else self.value

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """Yield every figure of the tree with its depth, from the top down."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def broken(self) -> list[Node]:
        """Return the figures that their parts do not give: none in a sound explanation."""
        return [node for _, node in self.walk() if not _is_reproduced(node)]

    def frame(self) -> pd.DataFrame:
        """Return one row a figure from the top down: COLUMNS; `path` names it from the top, joined by " > "."""
        return pd.DataFrame(_rows(self, 0, ""), columns=list(COLUMNS))

    def __str__(self) -> str:
        return "\n".join(f"{'  ' * depth}{_line(node)}" for depth, node in self.walk())


def written(value: float, unit: str) -> str:
    """Return a value with its unit as a line of text says it; "unknown" for NaN."""
    if math.isnan(value):
        return "unknown"
    number = f"{value:,.2f}" if abs(value) >= _LARGE else f"{value:.10g}"
    return f"{number} {unit}".rstrip()


def _line(node: Node) -> str:
    parts = [f"{node.name}: {written(node.value, node.unit)}"]
    if node.formula:
        parts.append(f"= {node.formula}")
    if node.source:
        parts.append(f"[{node.source}]")
    return "  ".join(parts)


def _rows(node: Node, depth: int, above: str) -> Iterator[tuple[object, ...]]:
    path = f"{above}{_PATH}{node.name}" if above else node.name
    yield depth, path, node.name, node.value, node.unit, node.formula, node.source
    for child in node.children:
        yield from _rows(child, depth + 1, path)


def _is_reproduced(node: Node) -> bool:
    given = node.reproduced()
    if math.isnan(node.value) or math.isnan(given):
        return math.isnan(node.value) == math.isnan(given)
    sizes = [abs(child.value) for child in node.children if not math.isnan(child.value)]
    scale = max([1e-9, abs(node.value), *(sizes if node.rule is math.fsum else [])])
    return abs(node.value - given) <= TOLERANCE * scale
