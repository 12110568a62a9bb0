"""Keys at rest, and nothing of them anywhere else: the vault, and the redaction of every text."""

from __future__ import annotations

from portfolio_lab.security.redaction import RedactingFormatter, redact, register_credentials, register_secret
from portfolio_lab.security.vault import PASSPHRASE_VARIABLE, Vault, passphrase_from_environment

__all__ = [
    "PASSPHRASE_VARIABLE",
    "RedactingFormatter",
    "Vault",
    "passphrase_from_environment",
    "redact",
    "register_credentials",
    "register_secret",
]
