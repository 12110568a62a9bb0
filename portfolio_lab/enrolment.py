"""Accounts join and leave a lab: their keys in the vault, their names in lab.toml.

Everything is checked before anything is written, and the vault is written before lab.toml:
a key without an account is idle, an account without a key would fail every cycle.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import tomlkit
from tomlkit.items import AoT

from portfolio_lab.errors import BadInputError
from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.security import Vault
from portfolio_lab.settings import FILE_NAME, Settings, check_account, load_settings, settings_from_text

LONGEST_CREDENTIAL = 4096
_FIELDS = ("key", "secret", "passphrase")
_PASSPHRASE_VENUES = ("okx",)


def credentials_from_json(text: str, *, venue: str) -> Credentials:
    """Return the credentials in `{"key": .., "secret": .., "passphrase": ..}`.

    No message repeats any part of the text.

    Raises:
        BadInputError: it is not that object, a field is missing or blank, holds a blank or
            a line break, or the venue wants a passphrase and there is none.
    """
    try:
        fields = json.loads(text)
    except ValueError:
        raise BadInputError(f"the credentials are not JSON: write {_shape(venue)}") from None
    if not isinstance(fields, dict):
        raise BadInputError(f"the credentials are not a JSON object: write {_shape(venue)}")
    if set(fields) - set(_FIELDS):
        raise BadInputError(f"the credentials hold a field that is not one of {', '.join(_FIELDS)}: leave it out")
    passphrase = fields.get("passphrase")
    if venue in _PASSPHRASE_VENUES and not passphrase:
        raise BadInputError(f"{venue} needs the passphrase that was chosen with the key: write {_shape(venue)}")
    return Credentials(
        key=_credential(fields.get("key"), "key"),
        secret=_credential(fields.get("secret"), "secret"),
        passphrase=_credential(passphrase, "passphrase") if venue in _PASSPHRASE_VENUES else None,
    )


def _shape(venue: str) -> str:
    more = ', "passphrase": ".."' if venue in _PASSPHRASE_VENUES else ""
    return '{"key": "..", "secret": ".."' + more + "}"


def _credential(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"the credentials lack the {name}: give it as text in quotes")
    if len(value) > LONGEST_CREDENTIAL:
        raise BadInputError(f"the {name} is longer than {LONGEST_CREDENTIAL} characters: copy it again")
    # A PEM secret spans lines by nature; anything else with a blank or a break was copied badly.
    if name == "secret" and value.startswith("-----BEGIN "):
        return value
    for place, character in enumerate(value, start=1):
        if not "!" <= character <= "~":
            kind = "a blank or line break" if character.isspace() else "a character that no key has"
            raise BadInputError(f"the {name} holds {kind} at place {place}: copy it again")
    return value


def add_account(root: Path, account: Account, credentials: Credentials, passphrase: str) -> Account:
    """Put an account into the vault and into lab.toml; return it with its wallets filled in.

    The vault is made when the lab has none yet. Comments in lab.toml stay.

    Raises:
        BadInputError: the account cannot be used or is there already.
        VaultError: the vault cannot be opened with this passphrase.
    """
    settings = load_settings(root)
    checked = check_account(account)
    if checked.key in {known.key for known in settings.accounts}:
        raise BadInputError(
            f"account {account.user} {account.name} is there already: choose another --label, "
            "or remove it first with `portfolio-lab accounts remove`"
        )
    text = _with_account((root / FILE_NAME).read_text(encoding="utf-8-sig"), account)
    settings_from_text(text, root=root)
    _open_vault(settings, passphrase).put(checked, credentials)
    _replace(root / FILE_NAME, text)
    return checked


def remove_account(root: Path, key: tuple[str, str, str], passphrase: str) -> None:
    """Take an account out of lab.toml and its keys out of the vault. Its history stays in the store.

    Raises:
        BadInputError: there is no such account.
        VaultError: the vault cannot be opened with this passphrase.
    """
    settings = load_settings(root)
    account = next((known for known in settings.accounts if known.key == key), None)
    if account is None:
        names = ", ".join(f"{known.user} {known.name}" for known in settings.accounts) or "none"
        raise BadInputError(f"there is no account {key[0]} {key[1]}:{key[2]}: the accounts are {names}")
    text = _without_account((root / FILE_NAME).read_text(encoding="utf-8-sig"), key)
    if settings.vault_path.exists():
        _open_vault(settings, passphrase).remove(account)
    _replace(root / FILE_NAME, text)


def write_accounts(root: Path, accounts: Iterable[Account]) -> None:
    """Put these accounts into lab.toml in place of those that it names; the vault is left alone.

    Raises:
        BadInputError: one of them cannot be used; nothing is written then.
    """
    document = tomlkit.parse((root / FILE_NAME).read_text(encoding="utf-8-sig"))
    document.pop("accounts", None)
    text = tomlkit.dumps(document)
    for account in accounts:
        text = _with_account(text, check_account(account))
    settings_from_text(text, root=root)
    _replace(root / FILE_NAME, text)


def _open_vault(settings: Settings, passphrase: str) -> Vault:
    if settings.vault_path.exists():
        return Vault.open(settings.vault_path, passphrase)
    return Vault.create(settings.vault_path, passphrase)


def _with_account(text: str, account: Account) -> str:
    document = tomlkit.parse(text)
    table = tomlkit.table()
    for name in ("user", "venue", "label"):
        table[name] = getattr(account, name)
    if account.base_url is not None:
        table["base_url"] = account.base_url
    if account.region:
        table["region"] = account.region
    if account.wallets:
        table["wallets"] = [wallet.value for wallet in account.wallets]
    rows = document.get("accounts")
    if rows is not None and not isinstance(rows, AoT):
        if rows:
            raise BadInputError("lab.toml lists its accounts inline: write each as a table under [[accounts]] first")
        del document["accounts"]
    return tomlkit.dumps(document).rstrip("\n") + "\n\n[[accounts]]\n" + table.as_string()


def _without_account(text: str, key: tuple[str, str, str]) -> str:
    document = tomlkit.parse(text)
    rows = document["accounts"]
    if not isinstance(rows, AoT):
        raise BadInputError("lab.toml lists its accounts inline: remove this one by hand")
    index = next(i for i, row in enumerate(rows) if (row["user"], row["venue"], row["label"]) == key)
    del rows[index]
    if not len(rows):
        del document["accounts"]
    return tomlkit.dumps(document)


def _replace(path: Path, text: str) -> None:
    # A reader sees the old file or the new one, never half of one.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
