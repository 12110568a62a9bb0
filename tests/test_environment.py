"""environment.yml, pyproject.toml and requirements.lock tell one story."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONDA_NAMES = {"python-duckdb": "duckdb"}  # where conda-forge's name differs from PyPI's
ONLY_CONDA = {"python", "pip", "make"}


def required(repository: Path) -> dict[str, str]:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {canonicalize_name(Requirement(line).name): str(Requirement(line).specifier) for line in lines}


def conda_lines(repository: Path) -> list[tuple[str, str]]:
    text = (repository / "environment.yml").read_text(encoding="utf-8")
    block = text.split("dependencies:\n")[1]
    return re.findall(r"^ +- ([a-z0-9-]+)(?![a-z0-9:-]) ?([><=][^\s#]*)?", block, flags=re.MULTILINE)


def test_environment_names_exactly_what_pyproject_requires(repository: Path) -> None:
    listed = conda_lines(repository)
    named = {CONDA_NAMES.get(name, name): bound for name, bound in listed if name not in ONLY_CONDA}
    assert named == required(repository)
    assert len(listed) == len(named) + len(ONLY_CONDA)


def test_the_lock_pins_everything_with_hashes(repository: Path) -> None:
    text = (repository / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==\S+( ;[^\\]*)? \\\n    --hash=sha256:", text, flags=re.MULTILINE)
    names = {canonicalize_name(name) for name, _ in pinned}
    assert set(required(repository)) <= names
    assert len(pinned) == len(re.findall(r"^[A-Za-z0-9]", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", ["requires-python", "python"])
def test_the_oldest_python_is_the_same_everywhere(repository: Path, name: str) -> None:
    file = "pyproject.toml" if name == "requires-python" else "environment.yml"
    assert re.search(rf"{name} ?=? ?\"?>=3\.11", (repository / file).read_text(encoding="utf-8"))
