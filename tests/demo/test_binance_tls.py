"""By TLS with the venue's real host names: ccxt maps errors by host, so only this shows the real mapping."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.async_support
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.models.accounts import Account

HOSTS = [*(f"{family}.binance.com" for family in ("api", "fapi", "dapi", "eapi", "papi")), "www.okx.com"]
NOW = datetime(2026, 9, 10, 12, tzinfo=UTC)


class Loopback(aiohttp.ThreadedResolver):
    """Every name lives at 127.0.0.1 and one port."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self.asked: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        self.asked.add(host)
        found = await super().resolve("127.0.0.1", self._port, family)
        return [{**one, "hostname": host} for one in found]


def _certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) files of a throw-away authority that vouches for the venues' names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away test authority")])
    names = [*(x509.DNSName(host) for host in HOSTS), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest_asyncio.fixture
async def session(tmp_path: Path) -> AsyncIterator[tuple[DemoExchange, aiohttp.ClientSession, Loopback]]:
    """A demo exchange behind TLS and a session for which it is all of the venues' hosts."""
    certificate, key = _certificate(tmp_path)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate, key)
    demo = await DemoExchange(now=NOW).start(ssl_context=serving)
    resolver = Loopback(int(demo.url.rsplit(":", 1)[1]))
    connector = aiohttp.TCPConnector(resolver=resolver, ssl=ssl.create_default_context(cafile=certificate))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield demo, session, resolver
    await demo.stop()


def _client(session: aiohttp.ClientSession, **changes: Any) -> Any:
    keys = credentials_of(Account("desk", "binance", "main"))
    plain = {"apiKey": keys.key, "secret": keys.secret, "number": str, "enableRateLimit": False, "session": session}
    return ccxt.async_support.binance(plain | changes)


Tls = tuple[DemoExchange, aiohttp.ClientSession, Loopback]


async def test_every_host_answers_under_its_own_name(session: Tls) -> None:
    _, http, resolver = session
    client = _client(http)
    await client.load_time_difference()

    assert (await client.fetch_balance())["info"]["accountType"] == "SPOT"
    assert await client.fapiprivatev3_get_account()
    assert await client.dapiprivate_get_account()
    assert await client.eapiprivate_get_marginaccount()
    assert resolver.asked == {f"{family}.binance.com" for family in ("api", "fapi", "dapi", "eapi")}
    await client.close()


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"apiKey": "0" * 64}, "AuthenticationError", "-2008"),
        ({"apiKey": "not a key"}, "AuthenticationError", "-2014"),
        ({"secret": "0" * 64}, "AuthenticationError", "-1022"),
    ],
)
async def test_bad_keys_are_authentication_errors_on_the_real_hosts(
    session: Tls, changes: dict[str, str], error: str, code: str
) -> None:
    client = _client(session[1], **changes)
    await client.load_time_difference()

    with pytest.raises(ccxt.BaseError, match=code) as refusal:
        await client.private_get_account()
    assert type(refusal.value).__name__ == error
    await client.close()


async def test_an_unknown_key_has_another_class_off_the_real_hosts(session: Tls) -> None:
    """The reason why this file exists: the same answer, mapped by host."""
    demo, http, _ = session
    client = _client(http, apiKey="0" * 64)
    await client.load_time_difference()
    client.urls["api"]["private"] = f"{demo.url}/api/v3"

    with pytest.raises(ccxt.ExchangeError, match="-2008") as refusal:
        await client.private_get_account()
    assert not isinstance(refusal.value, ccxt.AuthenticationError)
    await client.close()


async def test_a_clock_that_runs_ahead_is_an_invalid_nonce(session: Tls) -> None:
    client = _client(session[1])
    await client.load_time_difference()
    client.options["timeDifference"] -= 30_000

    with pytest.raises(ccxt.InvalidNonce, match="1000ms ahead"):
        await client.fapiprivatev3_get_account()
    await client.close()


async def test_portfolio_margin_and_revoked_keys_are_refused(session: Tls) -> None:
    demo, http, resolver = session
    client = _client(http)
    await client.load_time_difference()

    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await client.papi_get_account()
    assert "papi.binance.com" in resolver.asked
    next(one for one in demo.exchange.accounts if one.credentials.key == client.apiKey).revoked_by_control = True
    with pytest.raises(ccxt.AuthenticationError, match="-2015"):
        await client.private_get_account()
    await client.close()
