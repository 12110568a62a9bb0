"""One word per idea: the names of the package keep to docs/glossary.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

# What a name may not contain as a word of its own, and what to say instead.
BANNED = {
    "upl": "unrealised_pnl",
    "nav": "equity",
    "aum": "equity",
    "pct": "a fraction, without a suffix",
    "profit": "pnl",
    "df": "the name of what the frame holds",
    "ret": "day_return or period_return",
    "pos": "position",
    "tmp": "the name of what it is",
    "data": "the name of what it is",
    "get": "a noun, or fetch_ / load_",
    "process": "what is really done",
    "handle": "what is really done",
    "manager": "what it really is",
    "helper": "what it really is",
    "helpers": "what it really is",
    "utils": "a subject",
    "util": "a subject",
    "unrealized": "unrealised",
    "realized": "realised",
    "color": "colour",
    "normalize": "normalise",
    "serialize": "a British spelling",
}
# Words of the trade, or names that a library or a law of the language prescribes.
ALLOWED = {
    "profit_factor",  # the ratio's established name, in the glossary
    "get_ipython",
    "do_GET",
}
# Rooms that speak a foreign language: the venues' words, the wire's words.
FOREIGN = ("exchanges", "demo")
BANNED_MODULES = {"common", "core", "base", "utils", "helpers", "misc"}


def words_of(name: str) -> list[str]:
    return [word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", part)]


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def faults(source: str) -> list[str]:
    return [
        f"{line}: {name}: say {BANNED[word]}"
        for line, name in names_in(ast.parse(source))
        if name not in ALLOWED
        for word in words_of(name)
        if word in BANNED
    ]


def modules(repository: Path) -> list[Path]:
    package = repository / "portfolio_lab"
    return sorted(path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in FOREIGN)


def test_names_keep_to_the_glossary(repository: Path) -> None:
    found = [
        f"{path.relative_to(repository)}:{fault}"
        for path in modules(repository)
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_modules_are_named_for_their_subject(repository: Path) -> None:
    assert [path for path in modules(repository) if path.stem in BANNED_MODULES] == []


@pytest.mark.parametrize(
    "source",
    [
        "df = 1",
        "def get_price() -> None: ...",
        "class OrderManager: ...",
        "def f(return_pct: float) -> None: ...",
        "unrealizedPnl = 1",
    ],
)
def test_the_search_would_find_such_a_name(source: str) -> None:
    assert faults(source)


@pytest.mark.parametrize("source", ["database = 1", "position = 1", "target = 1", "profit_factor = 1", "navigate = 1"])
def test_the_search_leaves_longer_words_alone(source: str) -> None:
    assert faults(source) == []


# What this project says of itself: nobody's private folders, trackers or tools.
def test_no_secret_is_committed(repository: Path) -> None:
    marks = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN (RSA |EC )?PRIVATE KEY-----\n[A-Za-z0-9+/=]{40}")
    found = [path for path in modules(repository) if marks.search(path.read_text(encoding="utf-8"))]
    assert found == []
