from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from portfolio_lab.cli import doors
from portfolio_lab.enrolment import credentials_from_json
from portfolio_lab.errors import BadInputError
from portfolio_lab.models.accounts import Account
from portfolio_lab.security import Vault, passphrase_from_environment
from portfolio_lab.settings import load_settings

READ_ONLY_KEY = json.dumps({"key": "k" * 16, "secret": "s" * 32})
OKX_KEY = json.dumps({"key": "k" * 16, "secret": "s" * 32, "passphrase": "p" * 8})


def run(lab: Path, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(doors, ["--lab", str(lab), *arguments], input=stdin)


def add(lab: Path, *arguments: str, credentials: str = READ_ONLY_KEY) -> Result:
    return run(lab, "accounts", "add", *arguments, "--offline", "--credentials", "-", stdin=credentials)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def lab(tmp_path: Path, passphrase_file: Path) -> Path:
    root = tmp_path / "lab"
    result = run(root, "init")
    assert result.exit_code == 0, result.output
    return root


# ---------------------------------------------------------------- init


def test_init_lays_out_a_whole_lab(lab: Path) -> None:
    assert load_settings(lab).accounts == ()
    assert (lab / "notebooks" / "00_start_here.ipynb").is_file()
    assert (lab / "store").is_dir()
    assert (lab / "runs").is_dir()
    assert (lab / "scheduled").is_dir()
    assert (lab / "dashboards").is_dir()


def test_init_overwrites_nothing(lab: Path) -> None:
    before = everything_in(lab)
    again = run(lab, "init")
    assert again.exit_code == 2
    assert "nothing is overwritten" in again.stderr
    assert everything_in(lab) == before


def test_init_beside_a_folder_of_notebooks_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    result = run(tmp_path, "init")
    assert result.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["notebooks"]


def test_init_on_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab").write_text("x", encoding="utf-8")
    result = run(tmp_path / "lab", "init")
    assert (result.exit_code, "not a folder" in result.stderr) == (2, True)


# ---------------------------------------------------------------- accounts


def test_an_account_joins_lists_and_leaves(lab: Path) -> None:
    first = (lab / "lab.toml").read_text(encoding="utf-8")
    added = add(lab, "alice", "binance", "--label", "main", "--wallets", "spot,funding")
    assert added.exit_code == 0, added.output
    assert added.output == (
        "added alice binance:main: spot, funding\nthe venue was not asked: the first cycle will check the key\n"
    )
    assert (lab / "lab.toml").read_text(encoding="utf-8").startswith(first.rstrip("\n"))  # comments stay
    assert run(lab, "accounts", "list").output == "alice  binance:main  spot,funding\n"

    vault = Vault.open(lab / "vault.json", passphrase_from_environment())
    assert vault.credentials(Account("alice", "binance", "main")).secret == "s" * 32

    removed = run(lab, "accounts", "remove", "alice", "binance", "--label", "main")
    assert removed.exit_code == 0, removed.output
    assert load_settings(lab).accounts == ()
    assert Vault.open(lab / "vault.json", passphrase_from_environment()).accounts() == []


def test_the_same_names_at_two_venues_are_two_accounts(lab: Path) -> None:
    assert add(lab, "alice", "binance", "--label", "main").exit_code == 0
    assert add(lab, "alice", "okx", "--label", "main", credentials=OKX_KEY).exit_code == 0
    assert run(lab, "accounts", "remove", "alice", "binance", "--label", "main").exit_code == 0
    assert [account.name for account in load_settings(lab).accounts] == ["okx:main"]


def test_no_key_is_shown_or_stored_in_clear(lab: Path) -> None:
    credentials = json.dumps({"key": "canary-key-1", "secret": "canary-secret-2", "passphrase": "canary-phrase-3"})
    added = add(lab, "alice", "okx", "--label", "main", credentials=credentials)
    listed = run(lab, "accounts", "list")
    assert added.exit_code == 0, added.output
    for text in (added.output, listed.output, *map(repr, everything_in(lab).values())):
        assert "canary" not in text


@pytest.mark.parametrize(
    ("arguments", "credentials", "said"),
    [
        (("alice", "binanse", "--label", "main"), READ_ONLY_KEY, "did you mean 'binance'?"),
        (("Alice", "binance", "--label", "main"), READ_ONLY_KEY, "not a usable name"),
        (("alice", "binance", "--label", "../up"), READ_ONLY_KEY, "not a usable name"),
        (("alice", "binance", "--label", "main", "--wallets", "sopt"), READ_ONLY_KEY, "did you mean 'spot'?"),
        (("alice", "binance", "--label", "main", "--wallets", "spot,"), READ_ONLY_KEY, "no wallet ''"),
        (("alice", "binance", "--label", "main", "--base-url", "nonsense"), READ_ONLY_KEY, "not a web address"),
        (("alice", "binance", "--label", "main"), "", "not JSON"),
        (("alice", "binance", "--label", "main"), "[1]", "not a JSON object"),
        (("alice", "binance", "--label", "main"), '{"key": "k"}', "lack the secret"),
        (("alice", "binance", "--label", "main"), '{"key": "", "secret": "s"}', "lack the key"),
        (("alice", "binance", "--label", "main"), '{"key": 3, "secret": "s"}', "lack the key"),
        (("alice", "binance", "--label", "main"), '{"key": "ab cd", "secret": "s"}', "at place 3"),
        (("alice", "binance", "--label", "main"), '{"key": "abcd\\n", "secret": "s"}', "at place 5"),
        (("alice", "binance", "--label", "main"), '{"key": "ab\\u00e9", "secret": "s"}', "that no key has"),
        (("alice", "binance", "--label", "main"), '{"key": "k", "secret": "s", "pass": "p"}', "not one of key"),
        (("alice", "okx", "--label", "main"), READ_ONLY_KEY, "okx needs the passphrase"),
        (("alice", "okx", "--label", "main"), '{"key": "k", "secret": "s", "passphrase": []}', "needs the passphrase"),
    ],
)
def test_a_bad_account_is_refused_and_nothing_is_written(
    lab: Path, arguments: tuple[str, ...], credentials: str, said: str
) -> None:
    before = everything_in(lab)
    result = add(lab, *arguments, credentials=credentials)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert everything_in(lab) == before


def test_a_doubled_account_is_refused_and_its_keys_stay(lab: Path) -> None:
    assert add(lab, "alice", "binance", "--label", "main").exit_code == 0
    before = everything_in(lab)
    again = add(lab, "alice", "binance", "--label", "main", credentials='{"key": "other", "secret": "other"}')
    assert again.exit_code == 2
    assert "there already" in again.stderr
    assert everything_in(lab) == before


def test_the_wrong_passphrase_changes_nothing(lab: Path, passphrase_file: Path) -> None:
    assert add(lab, "alice", "binance", "--label", "main").exit_code == 0
    before = everything_in(lab)
    passphrase_file.write_text("another sentence\n", encoding="utf-8")
    assert add(lab, "bob", "binance", "--label", "main").exit_code == 2
    assert run(lab, "accounts", "remove", "alice", "binance", "--label", "main").exit_code == 2
    assert everything_in(lab) == before


def test_without_a_passphrase_the_message_names_the_variable(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTFOLIO_LAB_PASSPHRASE_FILE")
    result = add(lab, "alice", "binance", "--label", "main")
    assert result.exit_code == 2
    assert "PORTFOLIO_LAB_PASSPHRASE_FILE" in result.stderr


def test_removing_an_unknown_account_lists_the_known_ones(lab: Path) -> None:
    add(lab, "alice", "binance", "--label", "main")
    result = run(lab, "accounts", "remove", "alice", "binance", "--label", "mian")
    assert result.exit_code == 2
    assert "alice binance:main" in result.stderr


def test_missing_credentials_are_told_without_a_terminal(lab: Path) -> None:
    result = run(lab, "accounts", "add", "alice", "binance", "--label", "main")
    assert (result.exit_code, "--credentials -" in result.stderr) == (2, True)


def test_a_pem_secret_may_span_lines() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"
    assert credentials_from_json(json.dumps({"key": "k", "secret": pem}), venue="binance").secret == pem


def test_an_endless_key_is_refused() -> None:
    with pytest.raises(BadInputError, match="longer"):
        credentials_from_json(json.dumps({"key": "k" * 5000, "secret": "s"}), venue="binance")


# ---------------------------------------------------------------- a lab that is not there, or not right


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync",),
        ("schedule", "--cycles", "1"),
        ("dashboard",),
        ("tearsheet", "alice", "-o", "alice.html"),
        ("alerts", "test"),
        ("accounts", "list"),
        ("accounts", "remove", "alice", "binance", "--label", "main"),
    ],
)
def test_a_missing_lab_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(tmp_path / "nowhere", *arguments)
    assert result.exit_code == 2
    assert "init" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("every", ["59", "301", "0", "-60"])
def test_an_interval_outside_the_limits_needs_a_flag(lab: Path, every: str) -> None:
    result = run(lab, "schedule", "--every", every, "--cycles", "1")
    assert result.exit_code == 2
    assert "outside 60 to 300 s" in result.stderr


def test_alerts_test_without_channels_says_where_to_name_them(lab: Path) -> None:
    result = run(lab, "alerts", "test")
    assert (result.exit_code, "alert_channels" in result.stderr) == (2, True)


def test_a_tearsheet_of_an_unknown_user_is_refused(lab: Path, tmp_path: Path) -> None:
    result = run(lab, "tearsheet", "nobody", "-o", str(tmp_path / "out.html"))
    assert (result.exit_code, "no user 'nobody'" in result.stderr) == (2, True)
    assert not (tmp_path / "out.html").exists()


def test_the_lab_is_found_by_its_variable(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(lab, "alice", "binance", "--label", "main")
    monkeypatch.setenv("PORTFOLIO_LAB_DIR", str(lab))
    assert "binance:main" in CliRunner().invoke(doors, ["accounts", "list"]).output


def test_a_mistake_in_the_file_is_told_with_its_line(lab: Path) -> None:
    (lab / "lab.toml").write_text("interval_second = 60\n", encoding="utf-8")
    result = run(lab, "accounts", "list")
    assert (result.exit_code, "line 1" in result.stderr) == (2, True)


# ---------------------------------------------------------------- every command tells what it does


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found = []
    for name, command in group.commands.items():
        here = (*path, name)
        found += commands(command, here) if isinstance(command, click.Group) else [(here, command)]
    return found


@pytest.mark.parametrize(
    ("path", "command"), commands(doors), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_help_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    text = CliRunner().invoke(doors, [*path, "--help"]).output
    assert (command.help or "").strip()
    assert re.search(rf"portfolio-lab (--lab \S+ )?{' '.join(path)}", text.split("Examples:")[1])
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help


@pytest.mark.parametrize("path", [path for path, _ in commands(doors)], ids=" ".join)
def test_every_command_is_documented(path: tuple[str, ...], repository: Path) -> None:
    pages = [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert re.search(rf"portfolio-lab (--lab \S+ )?{' '.join(path)}\b", text)
