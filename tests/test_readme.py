"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def printed(code: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the README's own lines
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def test_the_lines_print_what_is_shown(readme: str) -> None:
    (code,), (shown,) = blocks(readme, "python"), blocks(readme, "text")
    assert len([line for line in code.splitlines() if line.strip()]) <= 6
    assert printed(code) == shown, "the README shows something else: put the printed text into its ```text block"


def test_every_link_leads_somewhere(readme: str, repository: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        if not target.startswith("http"):
            assert (repository / target).exists(), target


def test_the_commands_exist(readme: str, repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", "\n".join(blocks(readme, "console")), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_promises_stand_on_the_first_page(readme: str) -> None:
    assert "reads only" in readme
    assert "never trades" in readme
    assert "keys never leave your machine" in readme


def test_scripts_can_be_run(repository: Path) -> None:
    assert all(os.access(repository / ".ci" / name, os.X_OK) for name in ("run", "setup"))


def test_changelog_knows_this_version(repository: Path) -> None:
    version = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## {version}" in (repository / "CHANGELOG.md").read_text(encoding="utf-8")
