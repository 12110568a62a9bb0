from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.enrolment import write_accounts
from portfolio_lab.errors import BadInputError, ConfigError
from portfolio_lab.models.accounts import VENUE_WALLETS, Account, Wallet
from portfolio_lab.settings import Settings, check_account, load_settings, settings_from_text

ROOT = Path("/lab")
TWO_ACCOUNTS = """\
reporting_currency = "USDT"
interval_seconds = 300

[[accounts]]
user = "alice"
venue = "binance"
label = "main"

[[accounts]]
user = "bob"
venue = "okx"
label = "desk-2"
base_url = "http://127.0.0.1:8900/okx"
wallets = ["trading"]
"""


def settings_of(text: str) -> Settings:
    return settings_from_text(text, root=ROOT)


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        settings_of(text)
    return caught.value


# ---------------------------------------------------------------- worked examples


def test_two_accounts_are_read_as_written() -> None:
    settings = settings_of(TWO_ACCOUNTS)
    assert settings.reporting_currency == "USDT"
    assert settings.interval_seconds == 300
    assert settings.users == ("alice", "bob")
    assert settings.accounts == (
        Account("alice", "binance", "main", None, VENUE_WALLETS["binance"]),
        Account("bob", "okx", "desk-2", "http://127.0.0.1:8900/okx", (Wallet.TRADING,)),
    )


def test_an_empty_file_is_a_lab_without_accounts() -> None:
    settings = settings_of("")
    assert settings == Settings(root=ROOT)
    assert settings.store_path == Path("/lab/store")
    assert settings.runs_path == Path("/lab/runs")
    assert settings.vault_path == Path("/lab/vault.json")
    assert (settings.interval_seconds, settings.keep_days, settings.accounts) == (60, 14, ())


def test_paths_are_taken_from_the_lab_unless_absolute() -> None:
    settings = settings_of('store_path = "/big/store"\nruns_path = "out/runs"\n')
    assert settings.store_path == Path("/big/store")
    assert settings.runs_path == Path("/lab/out/runs")


def test_users_without_accounts_are_kept_and_come_first() -> None:
    assert settings_of('users = ["carol"]\n' + TWO_ACCOUNTS).users == ("carol", "alice", "bob")


def test_accounts_of_one_user() -> None:
    settings = settings_of(TWO_ACCOUNTS)
    assert [account.name for account in settings.accounts_of("bob")] == ["okx:desk-2"]
    assert settings.accounts_of("nobody") == ()


# ---------------------------------------------------------------- every mistake: its line and its remedy


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("keep_days = 3\nintervall_seconds = 60\n", 2, "did you mean 'interval_seconds'?"),
        ("keep_days = 3\n\nzzz = 1\n", 3, "unknown key 'zzz': the keys are reporting_currency"),
        ("keep_days = 3\nkeep_days = 4\n", 2, "'keep_days' is given twice"),
        ("interval_seconds = 59\n", 1, "outside 60 to 300 s"),
        ("interval_seconds = 301\n", 1, "allow_any_interval = true"),
        ("interval_seconds = 0\nallow_any_interval = true\n", 1, "outside 1 to 86400 s"),
        ('interval_seconds = "60"\n', 1, "must be a whole number"),
        ("interval_seconds = 60.0\n", 1, "must be a whole number"),
        ("interval_seconds = true\n", 1, "must be a whole number"),
        ("keep_days = 0\n", 1, "at least 1 day"),
        ('store_path = " "\n', 1, "name a folder"),
        ('reporting_currency = "usd"\n', 1, "did you mean 'USD'?"),
        ('reporting_currency = "XAU"\n', 1, "use USD or USDT"),
        ("alert_channels = [3]\n", 1, "list of texts"),
        ('users = ["a", "a"]\n', 1, "listed twice"),
        ('users = ["../etc"]\n', 1, "not a usable name"),
        ('accounts = ["alice"]\n', 1, "[[accounts]]"),
        ("keep_days = \n", 1, "not valid TOML"),
        ("[alerts]\n", 1, "did you mean 'alert_channels'?"),
        ('api_key = "x"\n', 1, "portfolio-lab accounts add"),
        (TWO_ACCOUNTS.replace("okx", "okex", 1), 11, "unknown venue 'okex' (did you mean 'okx'?)"),
        (TWO_ACCOUNTS.replace("okx", "coinbase", 1), 11, "the venues are binance, okx"),
        (TWO_ACCOUNTS.replace('label = "main"', 'labl = "main"'), 7, "did you mean 'label'?"),
        (TWO_ACCOUNTS.replace('label = "main"\n', ""), 4, "lacks label"),
        (TWO_ACCOUNTS.replace('"desk-2"', '"Desk 2"'), 12, "not a usable name"),
        (TWO_ACCOUNTS.replace('"desk-2"', "2"), 12, "label must be text in quotes"),
        (TWO_ACCOUNTS.replace("trading", "tradng"), 14, "did you mean 'trading'?"),
        (TWO_ACCOUNTS.replace("trading", "usd_m"), 14, "okx has no wallet 'usd_m'"),
        (TWO_ACCOUNTS.replace("http://127.0.0.1:8900/okx", "http://10.0.0.1"), 13, "show your key on the way"),
        (TWO_ACCOUNTS.replace("http://127.0.0.1:8900/okx", "ftp://a.example"), 13, "not a web address"),
        (TWO_ACCOUNTS + 'secret = "hunter2"\n', 15, "'secret' does not belong here"),
        (TWO_ACCOUNTS + TWO_ACCOUNTS[TWO_ACCOUNTS.index("[[") :], 15, "alice binance:main is listed twice"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_do(text: str, line: int, said: str) -> None:
    error = refusal(text)
    assert error.line == line
    assert str(error).startswith(f"lab.toml line {line}: ")
    assert said in str(error)
    assert error.exit_code == 2


def test_no_message_repeats_a_value_that_may_be_secret() -> None:
    for text in ('secret = "hunter2"\n', 'alert_channels = "slack://hunter2"\n', 'keep_days = hunter2"\n'):
        assert "hunter2" not in str(refusal(text))
    with pytest.raises(BadInputError) as caught:
        check_account(Account("alice", "binance", "main", "https://me:hunter2@proxy.example"))
    assert "hunter2" not in str(caught.value)


def test_alert_channels_are_in_no_repr() -> None:
    settings = settings_of('alert_channels = ["slack://hunter2/x/y"]\n')
    assert settings.alert_channels == ("slack://hunter2/x/y",)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("seconds", [60, 61, 300])
def test_the_promised_intervals_are_inclusive(seconds: int) -> None:
    assert settings_of(f"interval_seconds = {seconds}").interval_seconds == seconds


def test_other_intervals_need_an_explicit_yes() -> None:
    assert settings_of("interval_seconds = 5\nallow_any_interval = true").interval_seconds == 5


# ---------------------------------------------------------------- the file itself


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="init"):
        load_settings(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_bytes(b"\xef\xbb\xbfkeep_days = 3\n")
    assert load_settings(tmp_path).keep_days == 3


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_bytes("keep_days = 3\n".encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_settings(tmp_path)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)


# ---------------------------------------------------------------- laws


@given(st.text(string.printable, max_size=60))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    said = ""
    try:
        settings_of(text)
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said


@given(st.permutations(TWO_ACCOUNTS.split("\n\n")[1:]))
def test_accounts_keep_the_order_of_the_file(tables: list[str]) -> None:
    settings = settings_of("\n\n".join(tables))
    assert [account.user for account in settings.accounts] == [
        "alice" if "alice" in table else "bob" for table in tables
    ]


def test_a_region_survives_the_road_into_lab_toml_and_back(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    write_accounts(tmp_path, [Account("alice", "okx", "main", region="eea")])
    (account,) = load_settings(tmp_path).accounts
    assert (account.region, account.origin) == ("eea", ("okx", "region:eea"))


@pytest.mark.parametrize(("venue", "region"), [("okx", "mars"), ("binance", "eea")])
def test_a_region_that_a_venue_does_not_have_is_refused(venue: str, region: str) -> None:
    error = refusal(f'[[accounts]]\nuser = "a"\nvenue = "{venue}"\nlabel = "m"\nregion = "{region}"\n')
    assert f"has no region '{region}'" in str(error)
