"""By TLS under the venues' real names: only the resolver and the authority are the test's own."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portfolio_lab import errors
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import Account, Credentials, Wallet

HOSTS = ("api.binance.com", "fapi.binance.com", "dapi.binance.com", "www.okx.com")


def certificate(folder: Path) -> Path:
    """One file with a key and a certificate of its own making, for the venues' names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away")])
    today = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = folder / "venue.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain) + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


class HereResolver(AbstractResolver):
    """Every name is this machine, at the port of the test."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        here = str(ipaddress.IPv4Address("127.0.0.1"))
        return [ResolveResult(hostname=host, host=here, port=self.port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


@pytest_asyncio.fixture
async def tls(wire: Any, tmp_path: Path) -> AsyncIterator[tuple[HereResolver, Path]]:
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", wire.serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield HereResolver(runner.addresses[0][1]), pem
    await runner.cleanup()


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("venue", "wallet"),
    [*(("binance", w) for w in ("spot", "funding", "usd_m", "coin_m")), ("okx", "trading"), ("okx", "funding")],
)
async def test_wallets_are_read_under_the_real_names(wire: Any, tls: Any, venue: str, wallet: str) -> None:
    resolver, pem = tls
    async with Hub(clock=clock, ssl_context=ssl.create_default_context(cafile=str(pem)), resolver=resolver) as hub:
        reader = await hub.reader(Account("ann", venue, "main"), Credentials("k", "s", "p"))
        await reader.market.measure_clock()
        assert (await reader.fetch_wallet(Wallet(wallet))).balances
    assert {request.host for request in wire.asked} <= set(HOSTS)


async def test_refusals_mean_the_same_under_the_real_names(wire: Any, tls: Any) -> None:
    resolver, pem = tls
    wire.say("/fapi/v3/account", 401, b'{"code": -2008, "msg": "Invalid Api-Key ID."}')
    async with Hub(clock=clock, ssl_context=ssl.create_default_context(cafile=str(pem)), resolver=resolver) as hub:
        reader = await hub.reader(Account("ann", "binance", "main"), Credentials("k", "s"))
        with pytest.raises(errors.CredentialsError):
            await reader.fetch_wallet(Wallet.USD_M)


async def test_an_unknown_authority_gets_nothing(wire: Any, tls: Any) -> None:
    resolver, _ = tls
    async with Hub(clock=clock, resolver=resolver) as hub:
        reader = await hub.reader(Account("ann", "okx", "main"), Credentials("k", "s", "p"))
        with pytest.raises(errors.VenueError, match="certificate") as refusal:
            await reader.fetch_wallet(Wallet.FUNDING)
    assert type(refusal.value) is errors.VenueError
    assert wire.asked == []
