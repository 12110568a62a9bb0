"""An installed wheel works without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from portfolio_lab.layout import FOLDERS, packaged


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", folder, repository], check=True, capture_output=True, timeout=100)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_notebooks_dashboards_and_jobs(wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in FOLDERS:
        for path in (repository / folder).rglob("*"):
            if path.is_file() and ".ipynb_checkpoints" not in path.parts:
                assert f"portfolio_lab/_lab/{path.relative_to(repository).as_posix()}" in names


def test_the_wheel_carries_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "portfolio_lab/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"portfolio_lab"}
    assert [name for name in names if "__pycache__" in name or name.startswith("tests")] == []


def test_an_installed_package_makes_a_lab_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=100)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-c", "import portfolio_lab; print(portfolio_lab.__file__)"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(site)
    command = [
        sys.executable,
        "-c",
        "from portfolio_lab.cli import main; main()",
        "--lab",
        str(tmp_path / "lab"),
        "init",
    ]
    made = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "lab" / "notebooks" / "00_start_here.ipynb").is_file()
    assert (tmp_path / "lab" / "lab.toml").is_file()


def test_a_checkout_finds_its_own_folders(repository: Path) -> None:
    assert [packaged(folder) for folder in FOLDERS] == [repository / folder for folder in FOLDERS]
