"""`python -m portfolio_lab.demo`: one line says where it listens; TLS when it is given a certificate."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portfolio_lab.demo.__main__ import main


@contextmanager
def started(*arguments: str) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "portfolio_lab.demo", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(timeout=20) == 0


def test_it_says_where_it_listens_and_ends_when_told() -> None:
    with started("--clock", "scripted", "--now", "2026-08-20T00:00:00Z") as addresses:
        assert addresses["control"] == addresses["binance"] + "/_demo"
        with urlopen(addresses["control"] + "/clock", timeout=10) as answer:  # noqa: S310 - loopback
            assert json.load(answer)["book"] == "2026-08-20T00:00:00Z"


def test_it_speaks_tls(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificate))
    with started("--tls-cert", str(certificate), "--tls-key", str(key)) as addresses:
        assert addresses["okx"].startswith("https://127.0.0.1:")
        with urlopen(addresses["okx"] + "/api/v5/public/time", timeout=10, context=trust) as answer:  # noqa: S310
            assert json.load(answer)["code"] == "0"


def test_a_busy_port_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with started() as addresses:
        port = addresses["okx"].rpartition(":")[2]
        assert main(["--port", port]) == 2
    assert "choose another --port" in capsys.readouterr().err


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A throw-away certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "demo exchange")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret.write_bytes(key.private_bytes(*form))
    return certificate, secret
