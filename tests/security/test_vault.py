"""The vault: what goes in comes out, nothing of it stands on disk, and any tampering is noticed."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from portfolio_lab.errors import VaultError
from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.security import PASSPHRASE_VARIABLE, Vault, passphrase_from_environment

PASSPHRASE = "canary-passphrase-7c1f"
ALICE = Account("alice", "okx", "main")
BOB = Account("bob", "binance", "desk")
ALICES = Credentials("canary-key-a1", "canary-secret-a2", "canary-third-a3")
BOBS = Credentials("canary-key-b1", "canary-secret-b2")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One vault with two accounts, as bytes: scrypt is slow on purpose, so it is made once."""
    path = tmp_path_factory.mktemp("vault") / "vault.json"
    vault = Vault.create(path, PASSPHRASE)
    vault.put(ALICE, ALICES)
    vault.put(BOB, BOBS)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, written: bytes) -> Path:
    path = tmp_path / "vault.json"
    path.write_bytes(written)
    path.chmod(0o600)
    return path


def test_credentials_come_back_as_they_were_put(path: Path) -> None:
    vault = Vault.open(path, PASSPHRASE)
    assert vault.credentials(ALICE) == ALICES
    assert vault.credentials(BOB) == BOBS
    assert vault.accounts() == [("alice", "okx", "main"), ("bob", "binance", "desk")]


def test_no_spelling_of_any_canary_stands_on_disk(tmp_path: Path) -> None:
    vault = Vault.create(tmp_path / "vault.json", PASSPHRASE)
    vault.put(ALICE, ALICES)
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        for canary in (PASSPHRASE, ALICES.key, ALICES.secret, str(ALICES.passphrase)):
            assert canary.encode() not in content
            assert canary.encode().hex().encode() not in content
            assert base64.b64encode(canary.encode()).rstrip(b"=") not in content


def test_neither_repr_shows_anything(path: Path) -> None:
    shown = repr(Vault.open(path, PASSPHRASE)) + repr(ALICES)
    assert "canary" not in shown


def test_remove_takes_one_account_out(path: Path) -> None:
    vault = Vault.open(path, PASSPHRASE)
    assert vault.remove(ALICE)
    assert not vault.remove(ALICE)
    reopened = Vault.open(path, PASSPHRASE)
    assert reopened.accounts() == [BOB.key]
    with pytest.raises(VaultError, match="accounts add"):
        reopened.credentials(ALICE)


def test_two_open_vaults_do_not_overwrite_each_other(path: Path) -> None:
    first, second = Vault.open(path, PASSPHRASE), Vault.open(path, PASSPHRASE)
    carol, dave = Account("carol", "okx", "x"), Account("dave", "okx", "y")
    first.put(carol, BOBS)
    second.put(dave, BOBS)
    assert {carol.key, dave.key} <= set(Vault.open(path, PASSPHRASE).accounts())


def test_wrong_passphrase_and_damage_say_the_same(path: Path, written: bytes) -> None:
    with pytest.raises(VaultError) as wrong:
        Vault.open(path, "another")
    path.write_bytes(written[:-40])
    with pytest.raises(VaultError) as damaged:
        Vault.open(path, PASSPHRASE)
    assert str(wrong.value) == str(damaged.value)


def test_a_record_swapped_onto_another_account_does_not_open(path: Path, written: bytes) -> None:
    document = json.loads(written)
    alice, bob = document["records"]
    alice["fields"]["key"], bob["fields"]["key"] = bob["fields"]["key"], alice["fields"]["key"]
    _rewrite(path, document)
    with pytest.raises(VaultError, match="does not open"):
        Vault.open(path, PASSPHRASE)


def test_two_fields_of_one_account_swapped_do_not_open(path: Path, written: bytes) -> None:
    document = json.loads(written)
    fields = document["records"][0]["fields"]
    fields["key"], fields["secret"] = fields["secret"], fields["key"]
    _rewrite(path, document)
    with pytest.raises(VaultError, match="does not open"):
        Vault.open(path, PASSPHRASE)


def test_a_record_taken_out_by_hand_is_noticed(path: Path, written: bytes) -> None:
    document = json.loads(written)
    del document["records"][0]
    _rewrite(path, document)
    with pytest.raises(VaultError, match="does not open"):
        Vault.open(path, PASSPHRASE)


@pytest.mark.parametrize("place", [b'"salt"', b'"ciphertext"', b'"nonce"', b'"venue"', b'"n"'])
def test_a_flipped_bit_is_noticed(path: Path, written: bytes, place: bytes) -> None:
    at = written.rindex(place) + len(place) + 4
    flipped = bytearray(written)
    flipped[at] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(VaultError):
        Vault.open(path, PASSPHRASE)


def test_every_flip_of_the_frame_is_noticed_before_any_key_is_derived(
    path: Path, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        msg = "derived"
        raise VaultError(msg)

    monkeypatch.setattr("portfolio_lab.security.vault._derive", refuse)
    for at in range(0, len(written), 7):
        flipped = bytearray(written)
        flipped[at] ^= 0x20
        path.write_bytes(flipped)
        with pytest.raises(VaultError):
            Vault.open(path, PASSPHRASE)


def test_a_vault_that_others_may_read_is_refused_with_the_remedy(path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(VaultError, match=f"chmod 600 {path}"):
        Vault.open(path, PASSPHRASE)


def test_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with pytest.raises(VaultError, match="not a link"):
        Vault.open(link, PASSPHRASE)


def test_a_missing_vault_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="portfolio-lab init"):
        Vault.open(tmp_path / "none.json", PASSPHRASE)


def test_a_newer_vault_is_named_as_such(path: Path, written: bytes) -> None:
    path.write_bytes(written.replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(VaultError, match="newer"):
        Vault.open(path, PASSPHRASE)


def test_create_leaves_an_existing_vault_alone(path: Path, written: bytes) -> None:
    with pytest.raises(VaultError, match="there already"):
        Vault.create(path, PASSPHRASE)
    assert path.read_bytes() == written


def test_the_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Vault.create(tmp_path / "vault.json", PASSPHRASE)
    finally:
        os.umask(before)
    assert (tmp_path / "vault.json").stat().st_mode & 0o777 == 0o600


def test_passphrase_loses_one_trailing_newline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, str(_passphrase_file(tmp_path, "two words \n\n")))
    assert passphrase_from_environment() == "two words \n"


@pytest.mark.parametrize(("content", "mode", "match"), [("", 0o600, "empty"), ("x", 0o644, "chmod 600")])
def test_passphrase_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, mode: int, match: str
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, str(_passphrase_file(tmp_path, content, mode)))
    with pytest.raises(VaultError, match=match):
        passphrase_from_environment()


def test_passphrase_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    with pytest.raises(VaultError, match=PASSPHRASE_VARIABLE):
        passphrase_from_environment()


def _passphrase_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "passphrase"
    path.write_text(content)
    path.chmod(mode)
    return path


def _rewrite(path: Path, document: dict[str, object]) -> None:
    """Write the document in the vault's own layout, so that only its meaning has changed."""
    path.write_text(json.dumps(document, indent=1) + "\n")
