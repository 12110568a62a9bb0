"""Moves between own accounts: by hand, then ten thousand among look-alikes."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from portfolio_lab.engines.pairing import Move, pair_moves

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TXID = "ab" * 32


def out(quantity: str = "1.01", *, fee: str = "0.01", at: datetime = NOON, txid: str = TXID, name: str = "w") -> Move:
    return Move("binance:main", name, at, "BTC", Decimal(quantity), Decimal(fee), txid)


def into(quantity: str = "1", *, at: datetime = NOON + HOUR, txid: str = TXID, name: str = "d") -> Move:
    return Move("okx:main", name, at, "BTC", Decimal(quantity), Decimal(0), txid)


def paired(withdrawals: list[Move], deposits: list[Move]) -> list[tuple[str, str]]:
    return [(pair.withdrawal.flow_id, pair.deposit.flow_id) for pair in pair_moves(withdrawals, deposits)]


def test_one_transaction_on_the_chain_is_one_move() -> None:
    assert paired([out()], [into()]) == [("w", "d")]


@pytest.mark.parametrize("txid", [TXID.upper(), "0x" + TXID, f" {TXID}:1"])
def test_venues_spell_one_transaction_in_their_own_ways(txid: str) -> None:
    assert paired([out()], [into(txid=txid)]) == [("w", "d")]


@pytest.mark.parametrize(
    "deposit",
    [
        into(txid="cd" * 32),
        into("0.99"),
        into(at=NOON + timedelta(days=4)),
        into(at=NOON - 2 * HOUR),
        replace(into(), account="binance:main"),
        replace(into(), asset="ETH"),
    ],
    ids=["another transaction", "another amount", "too late", "too early", "the same account", "another coin"],
)
def test_what_is_not_certain_is_not_paired(deposit: Move) -> None:
    assert paired([out()], [deposit]) == []


def test_the_fee_may_be_inside_the_amount_or_on_top() -> None:
    assert paired([out("1")], [into("0.99")]) == [("w", "d")]
    assert paired([out("1")], [into("1")]) == [("w", "d")]


def test_one_transaction_that_pays_two_accounts_is_told_apart_by_amount() -> None:
    withdrawals = [out("1.01", name="w1"), out("2.01", name="w2")]
    deposits = [into("2", name="d2"), into("1", name="d1")]
    assert paired(withdrawals, deposits) == [("w1", "d1"), ("w2", "d2")]


def test_without_a_transaction_the_only_candidate_is_taken_and_of_two_none() -> None:
    assert paired([out(txid="")], [into()]) == [("w", "d")]
    assert paired([out(txid="internal 123")], [into(txid="")]) == [("w", "d")]
    assert paired([out(txid="")], [into(name="d1"), into(name="d2", txid="cd" * 32)]) == []
    assert paired([out(txid="", name="w1"), out(txid="", name="w2")], [into()]) == []


def test_a_pair_has_the_same_name_whenever_it_is_found() -> None:
    (pair,) = pair_moves([out()], [into()])
    assert pair.pair_id == "binance:main/w>okx:main/d"


# ---------------------------------------------------------------- many


def _synthetic(seed: int, count: int) -> tuple[list[Move], list[Move], set[tuple[str, str]]]:
    """Moves of one user over a year, and the true pairs.

    One in a hundred loses its transaction id on one side. Each move has a look-alike: a deposit or
    withdrawal of a stranger of the same coin and amount within hours, with a transaction of its own.
    """
    chance = random.Random(seed)
    withdrawals: list[Move] = []
    deposits: list[Move] = []
    truth: set[tuple[str, str]] = set()
    for number in range(count):
        at = NOON + timedelta(seconds=chance.randrange(365 * 86_400))
        asset = chance.choice(["BTC", "ETH", "USDT", "SOL"])
        arriving = Decimal(chance.choice(["1", "10", "100", f"{chance.random() * 1000:.6f}"]))
        fee = Decimal(chance.choice(["0.0001", "1", "0.001"]))
        txid = f"{chance.getrandbits(256):064x}"
        ends = [txid, txid.upper() if chance.random() < 0.3 else txid]
        if chance.random() < 0.01:
            ends[chance.randrange(2)] = ""
        source, target = chance.sample(["binance:main", "binance:sub", "okx:main", "okx:carry"], 2)
        withdrawals.append(Move(source, f"w{number}", at, asset, arriving + fee, fee, ends[0]))
        arrives = at + timedelta(seconds=chance.randrange(30, 3 * 3_600))
        deposits.append(Move(target, f"d{number}", arrives, asset, arriving, Decimal(0), ends[1]))
        truth.add((f"w{number}", f"d{number}"))
        look_alike = arrives + timedelta(seconds=chance.randrange(-3_600, 3_600))
        other = f"{chance.getrandbits(256):064x}"
        if chance.random() < 0.5:
            deposits.append(Move(target, f"x{number}", look_alike, asset, arriving, Decimal(0), other))
        else:
            withdrawals.append(Move(source, f"y{number}", look_alike, asset, arriving + fee, fee, other))
    return withdrawals, deposits, truth


def test_ten_thousand_moves_among_look_alikes() -> None:
    withdrawals, deposits, truth = _synthetic(7, 10_000)
    found = set(paired(withdrawals, deposits))
    right = len(found & truth)
    print(f"precision {right / len(found):.5f}, recall {right / len(truth):.5f} of {len(truth)} moves")
    assert right / len(found) >= 0.999
    assert right / len(truth) >= 0.99
