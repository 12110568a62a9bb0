"""Moves between the accounts of one user: coins sent over the chain, cash of a sub-account, savings.

The side that sends tells its day first; the side that receives reads there what is coming, so
that both books always agree however they are asked.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from portfolio_lab.demo.book import Book
from portfolio_lab.demo.facts import ZERO, Flow, Transfer
from portfolio_lab.demo.hand import Plan, down
from portfolio_lab.demo.market import DAY_MS, HOUR_MS, STEP_MS, name_seed
from portfolio_lab.models.accounts import Wallet

if TYPE_CHECKING:
    from portfolio_lab.demo.exchange import Pen

_MINUTE_MS = 60_000
_FEES = {"USDT": Decimal(1), "BTC": Decimal("0.0001")}
_NETWORKS = {"USDT": "TRX", "BTC": "BTC"}
_CENT = {"USDT": Decimal("0.01"), "BTC": Decimal("0.0001")}
_SHARE = Decimal("0.04")
_SEND_EVERY, _SUB_EVERY, _EARN_EVERY = 4, 8, 5
_FIRST_MOMENT = 5 * _MINUTE_MS


def own_address(uid: int) -> str:
    """The deposit address of an account of the demo exchange."""
    return f"demo-wallet-{uid}"


def arrives_at(flow: Flow) -> int:
    """When the other end of a withdrawal to a demo account is credited: minutes to hours after it left."""
    minutes = 10 + name_seed(flow.txid) % 170
    return flow.done_at + minutes * _MINUTE_MS


def sending(book: Book, wallet: Wallet, target_uid: int) -> Callable[[int, int], Plan]:
    """Every fourth day a little of what is free goes to another own account."""

    def plan(number: int, start: int) -> Plan:
        if number % _SEND_EVERY != _SEND_EVERY // 2:
            return []
        chance = random.Random(name_seed(book.name, number, "sending"))  # a story
        asset = "BTC" if chance.random() < 0.3 else "USDT"  # three of ten
        at = start + chance.randrange(HOUR_MS, DAY_MS, STEP_MS)
        done = at + chance.randrange(3, 40) * _MINUTE_MS
        return [(at, lambda: _send(book, wallet, own_address(target_uid), asset, (at, done)))]

    return plan


def _send(book: Book, wallet: Wallet, address: str, asset: str, moments: tuple[int, int]) -> None:
    at, done = moments
    amount = down(max(ZERO, book.at(at).free(wallet, asset)) * _SHARE, _CENT[asset])
    fee = _FEES[asset]
    if amount > fee * 10:
        txid = f"{name_seed(book.name, at, 'a'):016x}{name_seed(book.name, at, 'b'):016x}" * 2
        network = _NETWORKS[asset]
        book.withdraw(
            at, wallet, asset, amount, fee=fee, network=network, txid=txid, completed_at=done, address=address
        )


def receiving(book: Book, wallet: Wallet, uid: int, sender: tuple[Book, Pen]) -> Callable[[int, int], Plan]:
    """Credit what the sender's book says is coming to this account."""
    source, story = sender

    def plan(_: int, start: int) -> Plan:
        end = start + DAY_MS - 1
        story.tell(end)
        flows = source.flows("withdrawal", since=start - DAY_MS, until=end)
        coming = [flow for flow in flows if flow.address == own_address(uid) and start <= arrives_at(flow) <= end]
        return [(arrives_at(flow), _credit(book, wallet, flow)) for flow in coming]

    return plan


def _credit(book: Book, wallet: Wallet, flow: Flow) -> Callable[[], None]:
    def act() -> None:
        book.deposit(arrives_at(flow), wallet, flow.asset, flow.amount, network=flow.network, txid=flow.txid)

    return act


def feeding(book: Book, sub: tuple[Book, Pen, int]) -> Callable[[int, int], Plan]:
    """Every eighth day a master's spot wallet gives USDT to a sub-account, or takes some back."""
    sub_book, story, sub_uid = sub

    def plan(number: int, start: int) -> Plan:
        if number % _SUB_EVERY == _SUB_EVERY // 2:
            return [(start + _FIRST_MOMENT, lambda: _feed(book, start + _FIRST_MOMENT, sub_uid))]
        if number and number % _SUB_EVERY == 0:
            story.tell(start - 1)
            spare = down(max(ZERO, sub_book.at(start).free(Wallet.SPOT, "USDT")) / 10, _CENT["USDT"])
            return [(start + _FIRST_MOMENT, lambda: _recall(book, start + _FIRST_MOMENT, sub_uid, spare))]
        return []

    return plan


def _feed(book: Book, at: int, sub_uid: int) -> None:
    amount = down(max(ZERO, book.at(at).free(Wallet.SPOT, "USDT")) * _SHARE, _CENT["USDT"])
    if amount:
        book.universal(at, "USDT", amount, sub_uid, source=Wallet.SPOT)


def _recall(book: Book, at: int, sub_uid: int, amount: Decimal) -> None:
    if amount:
        book.universal(at, "USDT", amount, sub_uid, target=Wallet.SPOT)


def mirroring(book: Book, uid: int, master: tuple[Book, Pen, int]) -> Callable[[int, int], Plan]:
    """The sub-account's end of what its master gave and took."""
    master_book, story, master_uid = master

    def plan(_: int, start: int) -> Plan:
        end = start + DAY_MS - 1
        story.tell(end)
        moved = master_book.transfers(since=start, until=end)
        return [(one.at, _mirror(book, master_uid, one)) for one in moved if one.counterparty == uid]

    return plan


def _mirror(book: Book, master_uid: int, one: Transfer) -> Callable[[], None]:
    def act() -> None:
        book.universal(
            one.at,
            one.asset,
            one.amount,
            master_uid,
            source=one.target,
            target=one.source,
            transfer_id=one.transfer_id,
        )

    return act


def saving(book: Book, wallet: Wallet) -> Callable[[int, int], Plan]:
    """Every fifth day a little USDT goes into flexible savings, or half of them comes back."""

    def plan(number: int, start: int) -> Plan:
        if number % _EARN_EVERY != 1:
            return []
        at = start + 3 * HOUR_MS + number * _MINUTE_MS
        return [(at, lambda: _save(book, wallet, at, back=number % (2 * _EARN_EVERY) != 1))]

    return plan


def _save(book: Book, wallet: Wallet, at: int, *, back: bool) -> None:
    view = book.at(at)
    if back:
        amount = down(view.flexible().get("USDT", ZERO) / 2, _CENT["USDT"])
    else:
        amount = down(max(ZERO, view.free(wallet, "USDT")) * _SHARE, _CENT["USDT"])
    if amount:
        (book.redeem if back else book.subscribe)(at, wallet, "USDT", amount)
