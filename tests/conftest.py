"""What many tests stand on: a lab folder, a passphrase, and the recorded answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's top folder."""
    return REPOSITORY


@pytest.fixture(scope="session")
def recorded_answers() -> Path:
    """The folder of recorded venue answers; the test is skipped where it is absent."""
    folder = Path(os.environ.get("PORTFOLIO_LAB_SHARED", REPOSITORY.parent / "shared")) / "payloads"
    if not folder.is_dir():
        pytest.skip("no recorded answers here: let PORTFOLIO_LAB_SHARED name the folder that holds payloads/")
    return folder


@pytest.fixture
def passphrase_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A passphrase file of mode 0600 that PORTFOLIO_LAB_PASSPHRASE_FILE names."""
    path = tmp_path / "passphrase"
    path.write_text("a long sentence for tests\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("PORTFOLIO_LAB_PASSPHRASE_FILE", str(path))
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser last: its driver keeps an event loop running in this thread."""
    items.sort(key=lambda item: "browser" in item.path.parts)
