"""One message when it breaks, one when it is over, none lost, none with a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio_lab.security import register_secret
from portfolio_lab.settings import Settings
from portfolio_lab.sync import CycleReport, WalletLine, send_test_alert
from portfolio_lab.sync.alerts import Alerts

SLOT = datetime(2026, 8, 3, tzinfo=UTC)
CHANNEL = "json://user:canary-token@127.0.0.1:9/hook"


class Channel:
    """Takes messages, unless it is closed."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.is_open = True

    def __call__(self, _channel: str, _title: str, body: str) -> bool:
        if self.is_open:
            self.taken.append(body)
        return self.is_open


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def alerts(tmp_path: Path, channel: Channel) -> Alerts:
    return Alerts(tmp_path, [CHANNEL], send=channel)


def line(wallet: str = "spot", code: str = "", *, user: str = "alice", reason: str = "it broke") -> WalletLine:
    return WalletLine(user, "binance:main", wallet, "failed" if code else "ok", code, reason if code else "")


def report(*lines: WalletLine, minute: int = 0) -> CycleReport:
    return CycleReport(SLOT + timedelta(minutes=minute), "s", is_new=True, users=(), wallets=lines)


def test_a_failure_that_lasts_is_one_message_and_one_when_it_is_over(alerts: Alerts, channel: Channel) -> None:
    for minute in range(5):
        alerts.tell(report(line(code="credentials"), minute=minute))
    assert len(channel.taken) == 1
    assert channel.taken[0].startswith("alice binance:main: credentials (spot)")
    for minute in range(5, 8):
        alerts.tell(report(line(), minute=minute))
    assert len(channel.taken) == 2
    assert "credentials is over" in channel.taken[1]


def test_all_wallets_of_one_account_with_one_cause_are_one_message(alerts: Alerts, channel: Channel) -> None:
    alerts.tell(report(line("spot", "credentials"), line("usd_m", "credentials"), line("open_orders", "credentials")))
    assert len(channel.taken) == 1


def test_causes_that_alternate_do_not_flap(alerts: Alerts, channel: Channel) -> None:
    for minute in range(6):
        alerts.tell(report(line(code=("timeout", "unreachable")[minute % 2]), minute=minute))
    assert len(channel.taken) == 2
    alerts.tell(report(line()))
    assert len(channel.taken) == 4


def test_it_is_over_only_when_every_part_that_broke_works(alerts: Alerts, channel: Channel) -> None:
    alerts.tell(report(line("spot", "timeout"), line("usd_m", "timeout")))
    alerts.tell(report(line("spot"), line("usd_m", "timeout")))
    assert len(channel.taken) == 1


def test_a_venue_that_is_down_for_many_accounts_is_one_message(alerts: Alerts, channel: Channel) -> None:
    alerts.tell(report(*(line(code="unreachable", user=f"user{number}") for number in range(30))))
    assert len(channel.taken) == 1
    assert "30 accounts" in channel.taken[0]


def test_a_closed_channel_is_tried_again_and_nothing_is_lost(alerts: Alerts, channel: Channel) -> None:
    channel.is_open = False
    alerts.tell(report(line(code="timeout")))
    alerts.tell(report(line(), minute=1))
    channel.is_open = True
    alerts.tell(report(line(), minute=2))
    assert len(channel.taken) == 2
    alerts.tell(report(line(), minute=3))
    assert len(channel.taken) == 2


def test_state_outlives_the_process(tmp_path: Path, channel: Channel) -> None:
    for minute in range(3):
        Alerts(tmp_path, [CHANNEL], send=channel).tell(report(line(code="timeout"), minute=minute))
    assert len(channel.taken) == 1


def test_a_damaged_state_file_is_begun_anew(tmp_path: Path, alerts: Alerts, channel: Channel) -> None:
    (tmp_path / "alerts.json").write_text("{")
    alerts.tell(report(line(code="timeout")))
    assert len(channel.taken) == 1


def test_no_secret_in_message_or_file(tmp_path: Path, alerts: Alerts, channel: Channel) -> None:
    register_secret("planted-canary-42")
    channel.is_open = False
    alerts.tell(report(line(code="venue_error", reason="signature=beef01 planted-canary-42")))
    written = (tmp_path / "alerts.json").read_text()
    for secret in ("planted-canary-42", "beef01", "canary-token"):
        assert secret not in written
    assert (tmp_path / "alerts.json").stat().st_mode & 0o777 == 0o600


def test_a_stored_slot_tells_nothing_new(alerts: Alerts, channel: Channel) -> None:
    alerts.tell(report(line(code="timeout")))
    stored = CycleReport(SLOT, "s", is_new=False, users=(), wallets=(line(),))
    assert alerts.tell(stored) == ()
    assert len(channel.taken) == 1


def test_an_account_that_was_removed_ends_its_alert(alerts: Alerts, channel: Channel) -> None:
    alerts.tell(report(line(code="timeout")))
    alerts.tell(report(line(user="bob")))
    assert "no longer configured" in channel.taken[1]


def test_a_failed_run_is_told_once_until_runs_work_again(alerts: Alerts, channel: Channel) -> None:
    for minute in range(3):
        alerts.tell_run_failed(slot=f"2026-08-03T00:0{minute}:00+00:00", reason="the kernel died")
    alerts.tell(report(line()))
    alerts.tell_run_worked()
    alerts.tell_run_worked()
    assert len(channel.taken) == 2


def test_the_test_alert_names_channels_without_their_address(tmp_path: Path, channel: Channel) -> None:
    settings = Settings(tmp_path, alert_channels=(CHANNEL,))
    outcome = send_test_alert(settings, send=channel)
    assert outcome == {"1: json://...": True}
    assert "canary-token" not in json.dumps(outcome)


def test_an_address_that_no_messenger_knows_takes_nothing(tmp_path: Path) -> None:
    assert send_test_alert(Settings(tmp_path, alert_channels=("nonsense://x",))) == {"1: nonsense://...": False}


def test_a_channel_that_refuses_is_asked_once_a_cycle(tmp_path: Path) -> None:
    asked: list[str] = []

    def refuse(_channel: str, _title: str, body: str) -> bool:
        asked.append(body)
        return False

    alerts = Alerts(tmp_path, [CHANNEL], send=refuse)
    for minute, code in enumerate(("timeout", "clock", "banned")):
        alerts.tell(report(line(code=code), minute=minute))
    assert len(asked) == 3
