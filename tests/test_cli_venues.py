"""docs/venues.md names what is read and every reading that nobody could verify."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from portfolio_lab.exchanges.hub import VENUES
from portfolio_lab.models.accounts import KNOWN_WALLETS
from portfolio_lab.settings import REGIONS


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "venues.md").read_text(encoding="utf-8")


def test_every_unverified_reading_is_in_the_table(repository: Path, page: str) -> None:
    folder = repository / "portfolio_lab" / "exchanges"
    told = Counter(re.findall(r"^\| `([a-z_/]+\.py)` \|", page, flags=re.MULTILINE))
    found = {
        path.relative_to(folder).as_posix(): len(
            re.findall(r"unverified", path.read_text(encoding="utf-8"), re.IGNORECASE)
        )
        for path in folder.rglob("*.py")
    }
    assert dict(told) == {name: count for name, count in found.items() if count}


def test_every_wallet_region_and_host_is_named(page: str) -> None:
    for venue, wallets in KNOWN_WALLETS.items():
        assert venue in page
        assert [wallet.value for wallet in wallets if wallet.value not in page] == []
    for regions in REGIONS.values():
        assert [region for region in regions if f'"{region}"' not in page] == []
    for wire, _ in VENUES.values():
        places = (wire.hosts, *wire.regions.values())
        hosts = {host.removeprefix("https://") for hosts in places for host in hosts.values()}
        assert [host for host in hosts if host.removeprefix(host.partition(".")[0] + ".") not in page] == []


def test_addresses_that_are_named_are_read(page: str) -> None:
    read = {endpoint.path for wire, _ in VENUES.values() for endpoint in wire.endpoints}
    named = re.findall(r"`(/(?:api|sapi|fapi|dapi|eapi|papi)/[A-Za-z0-9/_-]+)(\*?)`", page)
    assert len(named) > 20
    for path, star in named:
        assert any(one.startswith(path) if star else one == path for one in read), path
