"""`accounts add` and `accounts check`: the venue is asked who the key is before anything is written."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from portfolio_lab.cli import doors
from portfolio_lab.cli.asking import masked, rights, unfit, wallet_lines, whole
from portfolio_lab.demo import users
from portfolio_lab.errors import (
    UNFIT_EXIT_CODES,
    AnswerShapeError,
    BannedError,
    ClockSkewError,
    CredentialsError,
    DeadlineError,
    VenueError,
)
from portfolio_lab.models.accounts import Account, Credentials, Identity, Wallet
from portfolio_lab.models.activity import VenueTotal, VenueTotals
from portfolio_lab.replay import Exchange, running_exchange
from portfolio_lab.security import Vault, passphrase_from_environment
from portfolio_lab.settings import load_settings

COMMAND = [sys.executable, "-c", "from portfolio_lab.cli import main; main()"]
KEYS = {key: held for one in users() for key, held in one.credentials.items()}
ALICE = ("alice", "binance", "main")
CAROL = ("carol", "okx", "main")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with running_exchange(since=datetime.now(UTC) - timedelta(days=5)) as running:
        running.go_live()
        yield running


@pytest.fixture
def control(exchange: Exchange) -> Iterator[Exchange]:
    """The exchange, with its faults and keys as they were again afterwards."""
    yield exchange
    tell(exchange, "faults", None)
    for user, venue, label in (ALICE, CAROL):
        tell(exchange, "keys", {"user": user, "account": f"{venue}:{label}", "revoked": None, "permissions": []})


def tell(exchange: Exchange, what: str, message: dict[str, Any] | None) -> None:
    door = urlsplit(exchange.control)
    connection = http.client.HTTPConnection(door.hostname or "", door.port, timeout=30)
    method, body = ("DELETE", None) if message is None else ("POST", json.dumps(message))
    connection.request(method, f"{door.path}/{what}", body, headers={"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status < 400, answer.read()
    connection.close()


@pytest.fixture(scope="module")
def budgets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all labs of these tests keep their request budgets: they ask one exchange from one address."""
    return tmp_path_factory.mktemp("budgets")


@pytest.fixture
def lab(tmp_path: Path, passphrase_file: Path, budgets: Path) -> Path:
    root = tmp_path / "lab"
    assert run(root, "init").exit_code == 0
    (root / "runs" / "governor").symlink_to(budgets, target_is_directory=True)
    return root


def run(lab: Path, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(doors, ["--lab", str(lab), *arguments], input=stdin)


def given(credentials: Credentials) -> str:
    fields = {"key": credentials.key, "secret": credentials.secret, "passphrase": credentials.passphrase}
    return json.dumps({name: value for name, value in fields.items() if value})


def adding(key: tuple[str, str, str], exchange: Exchange, *more: str) -> list[str]:
    user, venue, label = key
    options = ["--label", label, "--base-url", exchange.base_url(venue), *more, "--credentials", "-"]
    return ["accounts", "add", user, venue, *options]


def add(
    lab: Path, exchange: Exchange, key: tuple[str, str, str], *more: str, keys: Credentials | None = None
) -> Result:
    return run(lab, *adding(key, exchange, *more), stdin=given(keys or KEYS[key]))


def written(lab: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in lab.iterdir() if path.is_file() and not path.name.endswith(".lock")
    }


def refused(lab: Path, result: Result, code: str, said: str) -> None:
    """One sentence with what to do next, the exit code of its own, and nothing of the account in the lab."""
    assert result.exit_code == UNFIT_EXIT_CODES[code], result.output
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert load_settings(lab).accounts == ()
    assert not (lab / "vault.json").exists()


# ---------------------------------------------------------------- add


@pytest.mark.parametrize("key", [ALICE, CAROL])
def test_a_good_key_is_shown_with_its_uid_rights_and_wallets(
    lab: Path, control: Exchange, key: tuple[str, str, str]
) -> None:
    result = add(lab, control, key)
    assert result.exit_code == 0, result.output
    first, *wallets, last = result.output.splitlines()
    assert first.startswith(f"{key[1]}:main: uid ")
    assert "***" in first
    assert "the key reads only" in first
    assert last.startswith(f"added {key[0]} {key[1]}:main: ")
    assert any(line.split()[1] not in {"0.00", "no"} for line in wallets)
    assert [one.key for one in load_settings(lab).accounts] == [key]


def test_nothing_of_the_secret_is_shown(lab: Path, control: Exchange) -> None:
    for key in (ALICE, CAROL):
        shown = add(lab, control, key)
        tell(control, "keys", {"user": key[0], "account": f"{key[1]}:main", "revoked": True})
        text = shown.output + shown.stderr + run(lab, "accounts", "check").output
        assert [part for part in json.loads(given(KEYS[key])).values() if part in text] == []


@pytest.mark.parametrize(
    ("key", "right"), [(ALICE, "enableWithdrawals"), (ALICE, "enableSpotAndMarginTrading"), (CAROL, "trade")]
)
def test_a_key_that_may_do_more_than_read_is_refused(
    lab: Path, control: Exchange, key: tuple[str, str, str], right: str
) -> None:
    tell(control, "keys", {"user": key[0], "account": f"{key[1]}:main", "permissions": [right]})
    refused(lab, add(lab, control, key), "not_read_only", "make a read-only key")


def test_a_lab_may_allow_such_a_key(lab: Path, control: Exchange) -> None:
    text = (lab / "lab.toml").read_text(encoding="utf-8")
    (lab / "lab.toml").write_text(f"allow_trading_keys = true\n{text}", encoding="utf-8")
    tell(control, "keys", {"user": "alice", "account": "binance:main", "permissions": ["enableFutures"]})
    result = add(lab, control, ALICE)
    assert (result.exit_code, "may also trade" in result.output) == (0, True)


@pytest.mark.parametrize("key", [ALICE, CAROL])
def test_a_wrong_secret_is_told_as_one(lab: Path, control: Exchange, key: tuple[str, str, str]) -> None:
    held = KEYS[key]
    wrong = Credentials(held.key, held.secret[::-1], held.passphrase)
    refused(lab, add(lab, control, key, keys=wrong), "credentials", "secret does not belong to this key")


def test_a_wrong_passphrase_is_told_as_one(lab: Path, control: Exchange) -> None:
    held = KEYS[CAROL]
    wrong = Credentials(held.key, held.secret, "another-1A!")
    refused(lab, add(lab, control, CAROL, keys=wrong), "credentials", "chosen with this key")


@pytest.mark.parametrize("key", [ALICE, CAROL])
def test_a_revoked_key_is_refused(lab: Path, control: Exchange, key: tuple[str, str, str]) -> None:
    tell(control, "keys", {"user": key[0], "account": f"{key[1]}:main", "revoked": True})
    result = add(lab, control, key)
    assert result.exit_code in {UNFIT_EXIT_CODES["credentials"], UNFIT_EXIT_CODES["place"]}
    assert "key" in result.stderr
    assert load_settings(lab).accounts == ()


def test_a_key_of_another_region_is_told_the_regions(lab: Path, control: Exchange) -> None:
    body = {"code": "50119", "msg": "API key doesn't exist"}
    tell(control, "faults", {"path": "/api/v5/account/*", "status": 401, "body": body})
    refused(lab, add(lab, control, CAROL), "place", "--region eea or --region us")


def test_a_host_that_is_another_venue_is_told(lab: Path, control: Exchange) -> None:
    user, venue, label = ALICE
    elsewhere = ["--label", label, "--base-url", f"{control.control}/elsewhere", "--credentials", "-"]
    result = run(lab, "accounts", "add", user, venue, *elsewhere, stdin=given(KEYS[ALICE]))
    refused(lab, result, "place", "what answers at base_url is not binance")


def test_an_unreachable_venue_is_told(lab: Path, control: Exchange) -> None:
    user, venue, label = ALICE
    closed = ["--label", label, "--base-url", "http://127.0.0.1:9", "--credentials", "-"]
    result = run(lab, "accounts", "add", user, venue, *closed, stdin=given(KEYS[ALICE]))
    refused(lab, result, "silent", "run it again")


def test_the_same_key_under_two_names_is_refused(lab: Path, control: Exchange) -> None:
    assert add(lab, control, ALICE).exit_code == 0
    before = written(lab)
    again = add(lab, control, ("alice", "binance", "twin"), keys=KEYS[ALICE])
    assert again.exit_code == UNFIT_EXIT_CODES["duplicate_account"]
    assert "alice binance:main" in again.stderr
    assert written(lab) == before


def test_the_same_account_under_two_keys_is_refused(lab: Path, control: Exchange) -> None:
    # Another key of the same account: the venue answers with the uid of the account that is enrolled.
    assert add(lab, control, ALICE).exit_code == 0
    tell(control, "faults", {"path": "/api/v3/account", "body": {"uid": 4_711, "balances": []}})
    desk = ("desk", "binance", "main")
    before = written(lab)
    again = add(lab, control, desk)
    assert again.exit_code == UNFIT_EXIT_CODES["duplicate_account"], again.output
    assert "the same account at binance as alice binance:main" in again.stderr
    assert written(lab) == before


def test_offline_asks_nobody_and_says_so(lab: Path) -> None:
    options = ["--label", "main", "--base-url", "http://127.0.0.1:9", "--offline", "--credentials", "-"]
    result = run(lab, "accounts", "add", "alice", "binance", *options, stdin=given(KEYS[ALICE]))
    assert (result.exit_code, "first cycle will check" in result.output) == (0, True)


def test_two_processes_that_add_at_once_lose_nothing(lab: Path, control: Exchange) -> None:
    keys = [ALICE, CAROL]
    children = [
        subprocess.Popen(
            [*COMMAND, "--lab", str(lab), *adding(key, control)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for key in keys
    ]
    for child, key in zip(children, keys, strict=True):
        assert child.stdin is not None
        child.stdin.write(given(KEYS[key]))
        child.stdin.close()
        child.stdin = None
    for child in children:
        _, told = child.communicate(timeout=100)
        assert child.returncode == 0, told
    vault = Vault.open(lab / "vault.json", passphrase_from_environment())
    assert sorted(one.key for one in load_settings(lab).accounts) == sorted(keys)
    assert sorted(vault.accounts()) == sorted(keys)


# ---------------------------------------------------------------- check


def test_check_shows_every_account_and_fails_when_one_is_not_well(lab: Path, control: Exchange) -> None:
    for key in (ALICE, CAROL):
        assert add(lab, control, key).exit_code == 0
    well = run(lab, "accounts", "check")
    assert well.exit_code == 0, well.output
    assert [line.split()[:2] for line in well.output.splitlines()] == [
        ["user", "account"],
        ["alice", "binance:main"],
        ["carol", "okx:main"],
    ]
    tell(control, "keys", {"user": "alice", "account": "binance:main", "permissions": ["enableFutures"]})
    ill = run(lab, "accounts", "check")
    assert ill.exit_code == UNFIT_EXIT_CODES["not_read_only"], ill.output
    assert "not_read_only" in ill.output.splitlines()[1]
    assert run(lab, "accounts", "check", "carol").exit_code == 0
    assert run(lab, "accounts", "check", "carol", "okx:main").exit_code == 0


def test_check_with_troubles_of_two_kinds_ends_with_1(lab: Path, control: Exchange) -> None:
    for key in (ALICE, CAROL):
        assert add(lab, control, key).exit_code == 0
    tell(control, "keys", {"user": "alice", "account": "binance:main", "permissions": ["enableFutures"]})
    tell(control, "faults", {"path": "/api/v5/account/config", "status": 401, "body": {"code": "50113", "msg": ""}})
    assert run(lab, "accounts", "check").exit_code == 1


def test_check_tells_an_account_without_a_key(lab: Path, control: Exchange) -> None:
    assert add(lab, control, ALICE).exit_code == 0
    Vault.open(lab / "vault.json", passphrase_from_environment()).remove(Account(*ALICE))
    result = run(lab, "accounts", "check")
    assert (result.exit_code, "no key" in result.output) == (UNFIT_EXIT_CODES["no_credentials"], True)


def test_check_of_an_unknown_account_names_the_known(lab: Path) -> None:
    result = run(lab, "accounts", "check", "bob")
    assert (result.exit_code, "none yet" in result.stderr) == (2, True)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("uid", "shown"), [("412345987", "412***987"), ("1234567", "1***"), ("7", "7***"), ("", "not told")]
)
def test_the_middle_of_a_uid_is_hidden(uid: str, shown: str) -> None:
    assert masked(uid) == shown


def test_rights_are_told_in_words() -> None:
    assert rights(Identity("1")) == "reads only"
    assert rights(Identity("1", is_ip_bound=True)) == "reads only, bound to listed addresses"
    assert rights(Identity("1", permissions=("trade",), is_ip_bound=False)) == "may also trade, from any address"


def test_wallets_are_told_by_the_venues_own_figure() -> None:
    account = Account("a", "binance", "main", None, (Wallet.SPOT, Wallet.OPTIONS, Wallet.LOANS))
    totals = VenueTotals(
        (
            VenueTotal("spot", "USDT", Decimal("1234.5")),
            VenueTotal("earn", "USDT", Decimal(7)),
            VenueTotal("funding", "USDT", Decimal(0)),
            VenueTotal("total", "USDT", Decimal("1241.5")),
        ),
        {Wallet.OPTIONS: "never opened"},
    )
    assert whole(totals) == "1,241.50 USDT"
    assert list(wallet_lines(account, totals)) == [
        ("spot", "1,234.50 USDT"),
        ("options", "never opened"),
        ("loans", "no figure by the venue"),
        ("earn", "7.00 USDT, not read: not among the wallets"),
        ("total", "1,241.50 USDT"),
    ]


def test_a_venue_without_a_total_of_its_own_has_its_figures_summed_where_they_share_a_unit() -> None:
    spot, funding = VenueTotal("spot", "USDT", Decimal(3)), VenueTotal("funding", "USDT", Decimal("0.5"))
    assert whole(VenueTotals((spot, funding))) == "3.50 USDT"
    assert whole(VenueTotals((spot, VenueTotal("portfolio_margin", "USD", Decimal(9))))) == "3.00 USDT + 9.00 USD"
    assert whole(VenueTotals(())) == "-"


@pytest.mark.parametrize(
    ("error", "is_met", "code"),
    [
        (CredentialsError("x", venue_code="-2015"), True, "credentials"),
        (CredentialsError("x", venue_code="50119"), True, "place"),
        (AnswerShapeError("x"), False, "place"),
        (AnswerShapeError("x"), True, "bad_shape"),
        (VenueError("x"), False, "place"),
        (ClockSkewError("x"), True, "clock"),
        (BannedError("x"), True, "silent"),
        (DeadlineError("x"), False, "silent"),
    ],
)
def test_each_error_of_a_venue_has_one_meaning(error: VenueError, is_met: bool, code: str) -> None:  # noqa: FBT001
    assert unfit(error, Account(*CAROL), is_met=is_met).code == code


def test_every_exit_code_is_documented_and_its_own(repository: Path) -> None:
    text = (repository / "docs" / "operations.md").read_text(encoding="utf-8")
    assert len(set(UNFIT_EXIT_CODES.values())) == len(UNFIT_EXIT_CODES)
    for code, number in UNFIT_EXIT_CODES.items():
        assert f"| {number} | " in text
        assert f"`{code}`" in text
